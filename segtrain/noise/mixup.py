"""MixUp: train on blends of two images and of their targets."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.models.arguments import argument_faults
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.mixing import beta_shares, blend, shuffled
from segtrain.types import CLASS_AXIS, Batch, Progress

__all__ = ["MixUp", "doubtful_pixels"]


class MixUp(NoiseStrategy):
    """Blend each image with another of its batch, and their targets alike (Zhang et al. 2018; Panfilov et al. 2019).

    A network that has to answer in between cannot learn single wrong labels by heart so easily. Targets become soft;
    every loss takes them as they are. See `mixing.blend` for ignored pixels and samples without a label.

    Costs: no further pass.

    Args:
        alpha: of Beta(alpha, alpha), above 0, from which each image's share is drawn.
        probability: of an image to be mixed, in [0, 1].
        fold: the image keeps at least half (share = max(share, 1 - share)), so that the sample's index, group and
            annotator name what is mostly seen. As pairs are random, the blends seen in training are alike.
        boundary_width: pixels, at least 0: where the two labels differ within this distance from a boundary of
            either, a blended pixel is ignored; there the outlines of both are least sure. 0 = all pixels count.
    """

    sides = frozenset({"pixels"})

    def __init__(
        self, alpha: float = 0.4, probability: float = 1.0, fold: bool = True, boundary_width: int = 0
    ) -> None:
        super().__init__()
        faults = argument_faults(
            "MixUp",
            ("alpha", alpha, 0 < alpha < math.inf, "above 0"),
            ("probability", probability, 0 <= probability <= 1, "in [0, 1]"),
            ("boundary_width", boundary_width, boundary_width >= 0, "at least 0 pixels"),
        )
        if faults:
            raise ConfigError("noise.mixup cannot be built:", faults)
        self.alpha = alpha
        self.probability = probability
        self.fold = fold
        self.boundary_width = boundary_width

    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        second = shuffled(batch)
        share = beta_shares(batch, self.alpha, self.fold, self.probability)  # (B,)
        mixed = blend(batch, second, share)
        if self.boundary_width == 0:
            return mixed
        doubtful = doubtful_pixels(batch, second, self.boundary_width) & (share < 1).view(-1, 1, 1)  # (B, H, W)
        return mixed._replace(weight=mixed.weight.masked_fill(doubtful, 0.0))


def doubtful_pixels(first: Batch, second: Batch, width: int) -> Tensor:
    """Find where two labels differ within `width` pixels (rows, columns, diagonals) from a boundary of either.

    A label is the likeliest class. Ignored pixels neither differ nor make a boundary. Of overlapping classes, one is
    enough to make a pixel doubtful.

    Returns:
        (B, H, W) bool.
    """
    ours, theirs = _label(first), _label(second)
    seen, also_seen = first.weight.unsqueeze(1) > 0, second.weight.unsqueeze(1) > 0  # (B, 1, H, W)
    near = _near_boundary(ours, seen, width) | _near_boundary(theirs, also_seen, width)
    return (near & (ours != theirs) & seen & also_seen).any(1)


def _label(batch: Batch) -> Tensor:
    """Give the likeliest class of each pixel, (B, K, H, W); exclusive classes are one problem, K = 1."""
    label = batch.target.argmax(CLASS_AXIS)
    return label if label.dim() == 4 else label.unsqueeze(1)


def _near_boundary(label: Tensor, trusted: Tensor, width: int) -> Tensor:
    """Say where a window of `width` pixels on each side holds two classes, (B, K, H, W)."""
    pool = (2 * width + 1, 1, width)
    highest = F.max_pool2d(torch.where(trusted, label.float(), -torch.inf), *pool)
    lowest = -F.max_pool2d(torch.where(trusted, -label.float(), -torch.inf), *pool)
    return highest > lowest
