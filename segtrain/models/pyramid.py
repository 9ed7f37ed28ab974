"""Models whose decoder gathers context at several scales: pyramids of pooling, of features, of dilated convolutions."""

from typing import Literal

import segmentation_models_pytorch as smp
import torch.nn.functional as F
from torch import Tensor, nn

from segtrain.models.assemble import assemble
from segtrain.models.semantic import Interpolation, Norm

__all__ = ["fpn", "pan", "pspnet", "upernet"]


def fpn(
    num_classes: int,
    in_channels: int = 3,
    encoder: str = "resnet18",
    encoder_weights: str | None = None,
    encoder_depth: int = 5,
    decoder_pyramid_channels: int = 256,
    decoder_segmentation_channels: int = 128,
    decoder_merge_policy: Literal["add", "cat"] = "add",
    decoder_dropout: float = 0.2,
    decoder_interpolation: Interpolation = "nearest",
    dropout: float = 0.0,
) -> nn.Module:
    """Feature pyramid network (Lin et al. 2017; for segmentation Kirillov et al. 2019); arguments as for `unet`.

    Args:
        decoder_pyramid_channels: channels of each level of the pyramid.
        decoder_segmentation_channels: channels of each level where they are merged.
        decoder_dropout: probability in [0, 1) of dropping a channel of the merged pyramid, SMP's own.
    """
    return assemble(
        "fpn",
        smp.FPN,
        num_classes=num_classes,
        in_channels=in_channels,
        encoder=encoder,
        encoder_weights=encoder_weights,
        encoder_depth=encoder_depth,
        dropout=dropout,
        decoder_pyramid_channels=decoder_pyramid_channels,
        decoder_segmentation_channels=decoder_segmentation_channels,
        decoder_merge_policy=decoder_merge_policy,
        decoder_dropout=decoder_dropout,
        decoder_interpolation=decoder_interpolation,
        upsampling=2 ** (encoder_depth - 3),  # the merged pyramid lies three halvings above the deepest map
    )


def pspnet(
    num_classes: int,
    in_channels: int = 3,
    encoder: str = "resnet18",
    encoder_weights: str | None = None,
    encoder_depth: int = 3,
    psp_out_channels: int = 512,
    decoder_use_norm: Norm = "batchnorm",
    psp_dropout: float = 0.2,
    dropout: float = 0.0,
) -> nn.Module:
    """Pyramid scene parsing network (Zhao et al. 2017); arguments as for `unet`.

    Args:
        psp_out_channels: channels of the pooled pyramid.
        psp_dropout: probability in [0, 1) of dropping one of them, SMP's own.
    """
    return assemble(
        "pspnet",
        smp.PSPNet,
        num_classes=num_classes,
        in_channels=in_channels,
        encoder=encoder,
        encoder_weights=encoder_weights,
        encoder_depth=encoder_depth,
        dropout=dropout,
        psp_out_channels=psp_out_channels,
        decoder_use_norm=decoder_use_norm,
        psp_dropout=psp_dropout,
        upsampling=2**encoder_depth,
    )


def pan(
    num_classes: int,
    in_channels: int = 3,
    encoder: str = "resnet18",
    encoder_weights: str | None = None,
    encoder_depth: int = 5,
    encoder_output_stride: Literal[16, 32] = 16,
    decoder_channels: int = 32,
    decoder_interpolation: Interpolation = "bilinear",
    dropout: float = 0.0,
) -> nn.Module:
    """Pyramid attention network (Li et al. 2018); arguments as for `unet`.

    Args:
        encoder_output_stride: image pixels to a pixel of the deepest map; 16 dilates the last stage.
        decoder_channels: channels of every level of the decoder.
    """
    return assemble(
        "pan",
        _PaddedPAN,
        num_classes=num_classes,
        in_channels=in_channels,
        encoder=encoder,
        encoder_weights=encoder_weights,
        encoder_depth=encoder_depth,
        dropout=dropout,
        encoder_output_stride=encoder_output_stride,
        decoder_channels=decoder_channels,
        decoder_interpolation=decoder_interpolation,
    )


def upernet(
    num_classes: int,
    in_channels: int = 3,
    encoder: str = "resnet18",
    encoder_weights: str | None = None,
    encoder_depth: int = 5,
    decoder_channels: int = 256,
    decoder_use_norm: Norm = "batchnorm",
    dropout: float = 0.0,
) -> nn.Module:
    """UPerNet (Xiao et al. 2018), pooled and feature pyramid in one, the usual head for Swin and ConvNeXt encoders.

    Args:
        decoder_channels: channels of every level of the decoder; the others as for `unet`.
    """
    return assemble(
        "upernet",
        smp.UPerNet,
        num_classes=num_classes,
        in_channels=in_channels,
        encoder=encoder,
        encoder_weights=encoder_weights,
        encoder_depth=encoder_depth,
        dropout=dropout,
        decoder_channels=decoder_channels,
        decoder_use_norm=decoder_use_norm,
    )


class _PaddedPAN(smp.PAN):
    """PAN halves the deepest map three times more, which SMP cannot do below 8 x 8: smaller images are padded."""

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        least = 8 * self.encoder.output_stride
        right, bottom = max(0, least - width), max(0, least - height)
        padded = F.pad(image, (0, right, 0, bottom), mode="replicate")  # (B, D, H', W')
        return super().forward(padded)[..., :height, :width]
