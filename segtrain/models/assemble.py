"""Puts an encoder and one of SMP's decoders together, and turns every fault into a sentence."""

from collections import OrderedDict
from collections.abc import Callable

import torch
from segmentation_models_pytorch.base import SegmentationModel
from torch import nn
from torch.func import functional_call

from segtrain.errors import ConfigError
from segtrain.models.arguments import argument_faults
from segtrain.models.encoders import encoder_faults, pretrained

__all__ = ["assemble"]


def assemble(
    model: str,
    architecture: Callable[..., SegmentationModel],
    *,
    num_classes: int,
    in_channels: int,
    encoder: str,
    encoder_weights: str | None,
    encoder_depth: int,
    dropout: float,
    depths: tuple[int, int] = (3, 5),
    **arguments: object,
) -> SegmentationModel:
    """Build one of SMP's models, with dropout before its head and without parameters that no output depends on.

    Args:
        model: what the model is called in the sentences of an error.
        architecture: SMP's class.
        depths: the least and the greatest `encoder_depth`.
        arguments: what only this architecture takes.

    Raises:
        ConfigError: the encoder, its weights or a number is wrong, or the weights cannot be downloaded.
    """
    least, most = depths
    faults = encoder_faults(model, encoder, encoder_weights)
    faults += argument_faults(
        model,
        ("num_classes", num_classes, num_classes >= 1, "at least 1"),
        ("in_channels", in_channels, in_channels >= 1, "at least 1"),
        ("encoder_depth", encoder_depth, least <= encoder_depth <= most, f"from {least} to {most}"),
        ("dropout", dropout, 0 <= dropout < 1, "in [0, 1)"),
    )
    if faults:
        raise ConfigError("the model cannot be built:", faults)
    name, weights = pretrained(encoder, encoder_weights)
    shared = {"encoder_depth": encoder_depth, "in_channels": in_channels, "classes": num_classes}
    try:
        network = architecture(encoder_name=name, encoder_weights=weights, **shared, **arguments)
    except Exception as error:  # what SMP and timm raise for a combination they lack is no fixed set
        raise _refusal(model, encoder, encoder_weights, error) from error
    _set_dropout(network, dropout)
    _rest_unused(network, in_channels)
    return network


def _refusal(model: str, encoder: str, weights: str | None, error: Exception) -> ConfigError:
    if weights is not None and isinstance(error, OSError):  # the hub's errors and urllib's are OSErrors
        return ConfigError(
            f"The weights {weights!r} of the encoder {encoder} could not be downloaded and are not in the local cache: "
            "connect to the network, or start from random weights with model.encoder_weights=null"
        )
    return ConfigError(f"The model {model} cannot be built with these arguments and the encoder {encoder}: {error}")


def _set_dropout(network: nn.Module, dropout: float) -> None:
    """Drop whole channels before the head (Tompson et al. 2015), keeping SMP's state keys; DPT's head has its own."""
    head = network.get_submodule("segmentation_head")
    own = [layer for layer in head.modules() if isinstance(layer, nn.Dropout)]
    if own:
        own[0].p = dropout
    else:
        network.segmentation_head = nn.Sequential(
            OrderedDict([("dropout", nn.Dropout2d(dropout)), *head.named_children()])
        )


def _rest_unused(network: nn.Module, in_channels: int) -> None:
    """Take the gradient from parameters that no output depends on: distributed training waits for every gradient.

    Such are an encoder's stages past `encoder_depth` and the last convolution of a former classifier. They are
    found by a backward pass on the meta device, which computes shapes only.
    """
    meta = {name: parameter.detach().to("meta").requires_grad_() for name, parameter in network.named_parameters()}
    buffers = {name: buffer.to("meta") for name, buffer in network.named_buffers()}
    image = torch.empty(2, in_channels, 256, 256, device="meta")  # (B, D, H, W)
    try:
        with torch.enable_grad():
            functional_call(network, {**meta, **buffers}, (image,)).sum().backward()
    except (RuntimeError, ValueError, AssertionError):
        return  # an encoder for another, fixed size of image: it says so itself
    for name, parameter in network.named_parameters():
        if meta[name].grad is None:
            parameter.requires_grad_(False)
