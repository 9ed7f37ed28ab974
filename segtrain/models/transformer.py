"""Models made for transformer encoders."""

from typing import Literal

import segmentation_models_pytorch as smp
from torch import nn

from segtrain.errors import ConfigError
from segtrain.models.assemble import assemble

__all__ = ["dpt", "segformer"]


def segformer(
    num_classes: int,
    in_channels: int = 3,
    encoder: str = "mit_b0",
    encoder_weights: str | None = None,
    encoder_depth: int = 5,
    decoder_segmentation_channels: int = 256,
    dropout: float = 0.0,
) -> nn.Module:
    """SegFormer (Xie et al. 2021): a light decoder of 1x1 convolutions, at its best on `mit_b0` to `mit_b5`.

    Args:
        decoder_segmentation_channels: channels of every level of the decoder; the others as for `unet`.
    """
    return assemble(
        "segformer",
        smp.Segformer,
        num_classes=num_classes,
        in_channels=in_channels,
        encoder=encoder,
        encoder_weights=encoder_weights,
        encoder_depth=encoder_depth,
        dropout=dropout,
        decoder_segmentation_channels=decoder_segmentation_channels,
    )


def dpt(
    num_classes: int,
    in_channels: int = 3,
    encoder: str = "tu-vit_base_patch16_224.augreg_in21k",
    encoder_weights: str | None = None,
    encoder_depth: int = 4,
    encoder_output_indices: list[int] | None = None,
    decoder_readout: Literal["cat", "add", "ignore"] = "cat",
    decoder_intermediate_channels: list[int] = [256, 512, 1024, 1024],  # noqa: B006
    decoder_fusion_channels: int = 256,
    dynamic_img_size: bool = True,
    dropout: float = 0.1,
) -> nn.Module:
    """Dense prediction transformer (Ranftl et al. 2021): a plain vision transformer whose tokens become maps again.

    Args:
        encoder: a vision transformer of timm (`tu-`) whose patches divide 32 pixels; the others as for `unet`.
        encoder_depth: maps taken from it, 1 to 4.
        encoder_output_indices: the blocks they are taken from; None = evenly spread.
        decoder_readout: what is done with the class token.
        decoder_intermediate_channels: channels of each map, one number for each.
        decoder_fusion_channels: channels of the merged maps.
        dynamic_img_size: resample the position embedding, so that any size of image will do.
        dropout: probability in [0, 1) of dropping a value in the head, the paper's own.
    """
    model = assemble(
        "dpt",
        smp.DPT,
        num_classes=num_classes,
        in_channels=in_channels,
        encoder=encoder,
        encoder_weights=encoder_weights,
        encoder_depth=encoder_depth,
        dropout=dropout,
        depths=(1, 4),
        encoder_output_indices=None if encoder_output_indices is None else list(encoder_output_indices),
        decoder_readout=decoder_readout,
        decoder_intermediate_channels=list(decoder_intermediate_channels),
        decoder_fusion_channels=decoder_fusion_channels,
        dynamic_img_size=dynamic_img_size,
    )
    patch = model.encoder.output_stride
    if 32 % patch:
        raise ConfigError(f"The 'encoder' of dpt must have patches that divide 32 pixels, got {encoder} with {patch}")
    return model
