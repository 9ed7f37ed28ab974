"""Peers: networks of the model's own form that start elsewhere and see other things."""

import copy
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from segtrain.errors import ConfigError
from segtrain.models.modes import encoder_parameters
from segtrain.seeds import derive_seed

__all__ = ["Peers", "Reinitialise", "redrawn"]

Reinitialise = Literal["auto", "all", "decoder"]


class Peers(nn.Module):
    """Train further networks beside the model, that really differ from it: a copy fed the same batches stays a copy.

    A part for strategies: made in `__init__`, given its model in `attach`, called for the peers' logits. The peers'
    parameters require gradients, and so belong to the optimiser.

    Args:
        count: number of peers, >= 1.
        reinitialise: what of a peer is drawn anew. "decoder": all but modules named `encoder`, so that both have the
            same pretrained weights; "all"; "auto": "decoder" where the encoder is pretrained.
        seed: what they are drawn from.
    """

    networks: nn.ModuleList

    def __init__(self, count: int, reinitialise: Reinitialise = "auto", seed: int = 0) -> None:
        super().__init__()
        self.count = count
        self.reinitialise: Reinitialise = reinitialise
        self.seed = seed

    def attach(self, model: nn.Module) -> None:
        """Make the peers, before a checkpoint loads."""
        keep = self.reinitialise == "decoder" or (self.reinitialise == "auto" and _pretrained(model))
        self.networks = nn.ModuleList(
            redrawn(model, derive_seed(self.seed, number), keep_encoder=keep) for number in range(self.count)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Give each peer's logits (B, C, H, W) or (B, K, 2, H, W) for images (B, D, H, W)."""
        return [network(image) for network in self.networks]


@torch.no_grad()
def redrawn(model: nn.Module, seed: int, *, keep_encoder: bool) -> nn.Module:
    """Give a copy whose weights are drawn anew, from a generator of its own.

    The entries of each weight tensor are put in another order. They were drawn independently, so any order is as
    likely as the one they have: the result is one more draw from the model's own initialisation, whichever that is.
    What is not drawn but set (norms, biases) and what is frozen stays.

    Args:
        model: stays as it is.
        seed: of the order.
        keep_encoder: leave modules named `encoder` as they are.

    Raises:
        ConfigError: nothing can be drawn anew, so that the copy would remain one.
    """
    peer = copy.deepcopy(model)
    kept = {id(parameter) for parameter in encoder_parameters(peer)} if keep_encoder else set()
    generator = torch.Generator().manual_seed(seed)
    changed = False
    for parameter in peer.parameters():
        if parameter.ndim > 1 and parameter.requires_grad and id(parameter) not in kept:
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            drawn = parameter.flatten()[order].view_as(parameter)
            changed |= not torch.equal(drawn, parameter)
            parameter.copy_(drawn)
    if not changed:
        outside = " outside its encoder" if keep_encoder else ""
        raise ConfigError(
            f"A peer of {type(model).__name__} would be a mere copy: it has no trainable weights{outside} to draw anew."
        )
    return peer


def _pretrained(model: nn.Module) -> bool:
    """Tell by its norms whether the encoder has been trained: new ones scale all their channels alike.

    Raises:
        ConfigError: the encoder has no norms.
    """
    encoder = [module for name, module in model.named_modules() if "encoder" in name.split(".")]
    if not encoder:
        return False
    scales = list(_scales(encoder))
    if not scales:
        raise ConfigError(
            "Whether the encoder is pretrained cannot be told, as it has no norms: say reinitialise=decoder if it is, "
            "else reinitialise=all."
        )
    return any(bool(scale.min() != scale.max()) for scale in scales)


def _scales(modules: list[nn.Module]) -> Iterator[Tensor]:
    for module in modules:
        if isinstance(module, _NormBase | nn.LayerNorm | nn.GroupNorm) and module.weight is not None:
            yield module.weight
