"""DeepLab: an encoder that keeps its resolution by dilation, and context from parallel dilated convolutions."""

from typing import Literal

import segmentation_models_pytorch as smp
from torch import nn

from segtrain.models.assemble import assemble

__all__ = ["deeplabv3", "deeplabv3plus"]


def deeplabv3(
    num_classes: int,
    in_channels: int = 3,
    encoder: str = "resnet18",
    encoder_weights: str | None = None,
    encoder_depth: int = 5,
    encoder_output_stride: Literal[8, 16] = 8,
    decoder_channels: int = 256,
    decoder_atrous_rates: list[int] = [12, 24, 36],  # noqa: B006
    decoder_aspp_separable: bool = False,
    decoder_aspp_dropout: float = 0.5,
    dropout: float = 0.0,
) -> nn.Module:
    """DeepLabv3 (Chen et al. 2017): context from parallel dilated convolutions; arguments as for `unet`.

    Args:
        encoder_output_stride: image pixels to a pixel of the deepest map, 8 or 16.
        decoder_channels: channels of the context module (ASPP).
        decoder_atrous_rates: dilation of its three convolutions, in pixels of the deepest map.
        decoder_aspp_separable: depthwise-separable convolutions in it.
        decoder_aspp_dropout: probability in [0, 1) of dropping one of its values, SMP's own.
    """
    return assemble(
        "deeplabv3",
        smp.DeepLabV3,
        num_classes=num_classes,
        in_channels=in_channels,
        encoder=encoder,
        encoder_weights=encoder_weights,
        encoder_depth=encoder_depth,
        dropout=dropout,
        encoder_output_stride=encoder_output_stride,
        decoder_channels=decoder_channels,
        decoder_atrous_rates=tuple(decoder_atrous_rates),
        decoder_aspp_separable=decoder_aspp_separable,
        decoder_aspp_dropout=decoder_aspp_dropout,
    )


def deeplabv3plus(
    num_classes: int,
    in_channels: int = 3,
    encoder: str = "resnet18",
    encoder_weights: str | None = None,
    encoder_depth: int = 5,
    encoder_output_stride: Literal[8, 16] = 16,
    decoder_channels: int = 256,
    decoder_atrous_rates: list[int] = [12, 24, 36],  # noqa: B006
    decoder_aspp_separable: bool = True,
    decoder_aspp_dropout: float = 0.5,
    dropout: float = 0.0,
) -> nn.Module:
    """DeepLabv3+ (Chen et al. 2018): DeepLabv3 with a skip at a quarter of the resolution; arguments as there."""
    return assemble(
        "deeplabv3plus",
        smp.DeepLabV3Plus,
        num_classes=num_classes,
        in_channels=in_channels,
        encoder=encoder,
        encoder_weights=encoder_weights,
        encoder_depth=encoder_depth,
        dropout=dropout,
        encoder_output_stride=encoder_output_stride,
        decoder_channels=decoder_channels,
        decoder_atrous_rates=tuple(decoder_atrous_rates),
        decoder_aspp_separable=decoder_aspp_separable,
        decoder_aspp_dropout=decoder_aspp_dropout,
    )
