"""Models with a U-shaped decoder: it climbs back to full resolution along the encoder's maps."""

from typing import Literal

import segmentation_models_pytorch as smp
from torch import nn

from segtrain.models.assemble import assemble

__all__ = ["linknet", "manet", "unet", "unetplusplus"]

Interpolation = Literal["nearest", "nearest-exact", "bilinear", "bicubic", "area"]
Norm = Literal["batchnorm", "instancenorm", "identity"]


def unet(
    num_classes: int,
    in_channels: int = 3,
    encoder: str = "resnet18",
    encoder_weights: str | None = None,
    encoder_depth: int = 5,
    decoder_channels: list[int] = [256, 128, 64, 32, 16],  # noqa: B006
    decoder_use_norm: Norm = "batchnorm",
    decoder_attention_type: Literal["scse"] | None = None,
    decoder_interpolation: Interpolation = "nearest",
    dropout: float = 0.0,
) -> nn.Module:
    """U-Net (Ronneberger et al. 2015) on any encoder: skips carry fine detail to the decoder.

    Args:
        num_classes: logits per pixel.
        in_channels: channels of the image (B, D, H, W), whose sides are multiples of 32.
        encoder: a name of SMP, or of timm with the prefix `tu-`.
        encoder_weights: pretrained weights such as "imagenet" (a download); None = random.
        encoder_depth: times the encoder halves the image, 3 to 5.
        decoder_channels: one number for each of the encoder's depths, deepest first.
        decoder_attention_type: "scse", squeeze-and-excitation in space and channel (Roy et al. 2018).
        dropout: probability in [0, 1) of dropping a channel before the head.
    """
    return assemble(
        "unet",
        smp.Unet,
        num_classes=num_classes,
        in_channels=in_channels,
        encoder=encoder,
        encoder_weights=encoder_weights,
        encoder_depth=encoder_depth,
        dropout=dropout,
        decoder_channels=list(decoder_channels),
        decoder_use_norm=decoder_use_norm,
        decoder_attention_type=decoder_attention_type,
        decoder_interpolation=decoder_interpolation,
    )


def unetplusplus(
    num_classes: int,
    in_channels: int = 3,
    encoder: str = "resnet18",
    encoder_weights: str | None = None,
    encoder_depth: int = 5,
    decoder_channels: list[int] = [256, 128, 64, 32, 16],  # noqa: B006
    decoder_use_norm: Norm = "batchnorm",
    decoder_attention_type: Literal["scse"] | None = None,
    decoder_interpolation: Interpolation = "nearest",
    dropout: float = 0.0,
) -> nn.Module:
    """U-Net++ (Zhou et al. 2018): dense, nested skips between encoder and decoder; arguments as for `unet`."""
    return assemble(
        "unetplusplus",
        smp.UnetPlusPlus,
        num_classes=num_classes,
        in_channels=in_channels,
        encoder=encoder,
        encoder_weights=encoder_weights,
        encoder_depth=encoder_depth,
        dropout=dropout,
        decoder_channels=list(decoder_channels),
        decoder_use_norm=decoder_use_norm,
        decoder_attention_type=decoder_attention_type,
        decoder_interpolation=decoder_interpolation,
    )


def manet(
    num_classes: int,
    in_channels: int = 3,
    encoder: str = "resnet18",
    encoder_weights: str | None = None,
    encoder_depth: int = 5,
    decoder_channels: list[int] = [256, 128, 64, 32, 16],  # noqa: B006
    decoder_use_norm: Norm = "batchnorm",
    decoder_pab_channels: int = 64,
    decoder_interpolation: Interpolation = "nearest",
    dropout: float = 0.0,
) -> nn.Module:
    """MA-Net (Fan et al. 2020): position-wise and multi-scale attention in a U-Net; arguments as for `unet`.

    Args:
        decoder_pab_channels: channels of the position-wise attention block.
    """
    return assemble(
        "manet",
        smp.MAnet,
        num_classes=num_classes,
        in_channels=in_channels,
        encoder=encoder,
        encoder_weights=encoder_weights,
        encoder_depth=encoder_depth,
        dropout=dropout,
        decoder_channels=list(decoder_channels),
        decoder_use_norm=decoder_use_norm,
        decoder_pab_channels=decoder_pab_channels,
        decoder_interpolation=decoder_interpolation,
    )


def linknet(
    num_classes: int,
    in_channels: int = 3,
    encoder: str = "resnet18",
    encoder_weights: str | None = None,
    encoder_depth: int = 5,
    decoder_use_norm: Norm = "batchnorm",
    dropout: float = 0.0,
) -> nn.Module:
    """LinkNet (Chaurasia & Culurciello 2017): skips are added, which is light and fast; arguments as for `unet`."""
    return assemble(
        "linknet",
        smp.Linknet,
        num_classes=num_classes,
        in_channels=in_channels,
        encoder=encoder,
        encoder_weights=encoder_weights,
        encoder_depth=encoder_depth,
        dropout=dropout,
        decoder_use_norm=decoder_use_norm,
    )
