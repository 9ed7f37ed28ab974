"""The U-Net as it was published, on no encoder but its own."""

from typing import Literal

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.models.arguments import argument_faults

__all__ = ["UNetPlain"]

GROUPS = 8


class UNetPlain(nn.Module):
    """U-Net (Ronneberger et al. 2015) with padded convolutions and normalisation, the light model for a CPU.

    Args:
        num_classes: logits per pixel.
        in_channels: channels of the image.
        width: channels of the first level; each halving of the image doubles them.
        depth: halvings, 1 to 5; an image's sides must be multiples of 2**depth.
        norm: "batch", or "group" (8 groups; Wu & He 2018), which does not depend on the batch.
        dropout: probability in [0, 1) of dropping a channel, at the end of the contracting path as published and
            before the last convolution.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        width: int = 64,
        depth: int = 4,
        norm: Literal["batch", "group"] = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        _check(num_classes, in_channels, width, depth, norm, dropout)
        self.depth = depth
        widths = [width * 2**level for level in range(depth + 1)]
        self.encoder = _Encoder(in_channels, widths, norm)
        self.bottom_dropout = nn.Dropout2d(dropout)
        self.decoder = _Decoder(widths, norm)
        self.dropout = nn.Dropout2d(dropout)
        self.segmentation_head = nn.Conv2d(width, num_classes, kernel_size=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # section 3 of the paper

    def forward(self, image: Tensor) -> Tensor:
        """Give logits (B, C, H, W) for an image (B, D, H, W)."""
        height, width = image.shape[-2:]
        step = 2**self.depth
        if height % step or width % step:
            cure = (-(-height // step) * step, -(-width // step) * step)
            raise ValueError(f"UNetPlain halves an image {self.depth} times: pad {(height, width)} pixels to {cure}")
        *skips, deepest = self.encoder(image)
        decoded = self.decoder(self.bottom_dropout(deepest), skips)  # (B, width, H, W)
        return self.segmentation_head(self.dropout(decoded))  # (B, C, H, W)


class _Encoder(nn.Module):
    """The contracting path: a map at each scale, from full resolution to the deepest."""

    def __init__(self, in_channels: int, widths: list[int], norm: str) -> None:
        super().__init__()
        channels = [in_channels, *widths]
        self.levels = nn.ModuleList(_two_convolutions(*pair, norm) for pair in zip(channels, widths, strict=False))
        self.halve = nn.MaxPool2d(2)

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = [self.levels[0](image)]
        for level in self.levels[1:]:
            maps.append(level(self.halve(maps[-1])))  # (B, 2**l width, H / 2**l, W / 2**l)
        return maps


class _Decoder(nn.Module):
    """The expanding path: up-convolution, the encoder's map of the same scale beside it, two convolutions."""

    def __init__(self, widths: list[int], norm: str) -> None:
        super().__init__()
        steps = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.doubles = nn.ModuleList(nn.ConvTranspose2d(deep, wide, kernel_size=2, stride=2) for deep, wide in steps)
        self.levels = nn.ModuleList(_two_convolutions(2 * wide, wide, norm) for _, wide in steps)

    def forward(self, deepest: Tensor, skips: list[Tensor]) -> Tensor:
        decoded = deepest
        for double, level, skip in zip(self.doubles, self.levels, reversed(skips), strict=True):
            decoded = level(torch.cat([skip, double(decoded)], dim=1))
        return decoded


def _two_convolutions(in_channels: int, out_channels: int, norm: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [
            nn.Conv2d(channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels) if norm == "batch" else nn.GroupNorm(GROUPS, out_channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def _check(num_classes: int, in_channels: int, width: int, depth: int, norm: str, dropout: float) -> None:
    faults = argument_faults(
        "UNetPlain",
        ("num_classes", num_classes, num_classes >= 1, "at least 1"),
        ("in_channels", in_channels, in_channels >= 1, "at least 1"),
        ("width", width, width >= 1, "at least 1"),
        ("width", width, norm != "group" or width % GROUPS == 0, f"a multiple of {GROUPS} with norm=group"),
        ("depth", depth, 1 <= depth <= 5, "from 1 to 5"),
        ("norm", norm, norm in ("batch", "group"), "batch or group"),
        ("dropout", dropout, 0 <= dropout < 1, "in [0, 1)"),
    )
    if faults:
        raise ConfigError("the model cannot be built:", faults)
