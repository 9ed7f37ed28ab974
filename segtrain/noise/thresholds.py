"""How sure is sure enough, class by class: thresholds on a confidence, learned from its distribution."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.models.arguments import argument_faults
from segtrain.types import CLASS_AXIS

__all__ = ["ClassThresholds", "Threshold", "agreement", "class_rows", "least", "likeliest", "subsample"]

Threshold = Literal["fixed", "adaptive", "percentile"]

BINS = 256
"""Thresholds are right to 1 / 256."""
MOST_PIXELS = 2**18
"""Of a batch that statistics look at: more tell nothing new, and counts in float32 stay exact in any order."""


class ClassThresholds(nn.Module):
    """Give each class a threshold of its own, or rare and thin classes, which are always less sure, would go first.

    A part for strategies: made in `__init__`, sized in `attach`. It keeps a histogram of each class's confidences, a
    fading sum over the steps. Each process of a training on several devices fills its own from its share of the
    batch; DDP hands the first one's to all before the first forward pass of every optimiser step.

    Args:
        kind: "fixed": `level` for all (FixMatch, Sohn et al. 2020, eq. 4). "adaptive": `level` times the class's mean
            confidence relative to the surest class's (FlexMatch, Zhang et al. 2021, section 3.1, with the mean in
            place of a count, as in FreeMatch, Wang et al. 2023). "percentile": the quantile `drop` of each class.
        level: confidence in (0, 1].
        drop: share of each class's pixels below its threshold, in [0, 1); only "percentile" uses it.
        memory: weight of the past steps, in [0, 1); 0 = each batch by itself.
    """

    histogram: Tensor

    def __init__(self, kind: Threshold, level: float, drop: float, memory: float) -> None:
        super().__init__()
        faults = argument_faults(
            "ClassThresholds",
            ("threshold", kind, kind in get_args(Threshold), f"one of {', '.join(get_args(Threshold))}"),
            ("level", level, 0 < level <= 1, "in (0, 1]"),
            ("drop", drop, 0 <= drop < 1, "in [0, 1)"),
            ("memory", memory, 0 <= memory < 1, "in [0, 1)"),
        )
        if faults:
            raise ConfigError("thresholds cannot be built:", faults)
        self.kind = kind
        self.level = level
        self.drop = drop
        self.memory = memory

    def attach(self, num_classes: int) -> None:
        """Size the histogram, before a checkpoint loads: two rows for each class, as overlapping classes need."""
        self.register_buffer("histogram", torch.zeros(2 * num_classes, BINS))

    @torch.no_grad()
    def forward(self, confidence: Tensor, classes: Tensor, counted: Tensor) -> Tensor:
        """Learn from a batch and give each pixel the threshold of its class, like `confidence`.

        Args:
            confidence: (B, H, W) or, for overlapping classes, (B, K, H, W); in [0, 1].
            classes: like `confidence`, int64, each pixel's class.
            counted: (B, H, W) bool, the pixels to learn from.
        """
        rows = class_rows(classes)
        bins = (subsample(confidence) * BINS).long().clamp_(0, BINS - 1)  # (P,)
        counted = counted if counted.dim() == confidence.dim() else counted.unsqueeze(1).expand_as(confidence)
        seen = subsample(counted).to(self.histogram.dtype)  # (P,)
        counts = torch.zeros_like(self.histogram).view(-1).index_add_(0, subsample(rows) * BINS + bins, seen)
        self.histogram.mul_(self.memory).add_(counts.view_as(self.histogram))
        return self.table()[rows]

    def table(self) -> Tensor:
        """Give the thresholds as they stand, (2 C,); 0 for a class never seen, unless they are fixed."""
        if self.kind == "fixed":
            return self.histogram.new_full(self.histogram.shape[:1], self.level)
        shares = self.histogram / self.histogram.sum(dim=1, keepdim=True).clamp_min(1e-12)  # (2 C, BINS)
        if self.kind == "adaptive":
            mean = shares @ (self._edges() + 0.5 / BINS)  # (2 C,)
            return self.level * mean / mean.max().clamp_min(1e-12)
        # A product with a triangle: cumsum is refused on a GPU that is asked for the same bits every time.
        below = shares @ torch.ones_like(shares[:1]).expand(BINS, BINS).triu()  # (2 C, BINS), up to and with each bin
        seen = shares.sum(dim=1) > 0.5
        return (below <= self.drop).sum(dim=1) / BINS * seen

    def kept(self) -> Tensor:
        """Give the share of each class's pixels that reach their threshold, (2 C,); 0 for a class never seen."""
        reaches = self._edges() >= self.table()[:, None] - 0.5 / BINS
        return (self.histogram * reaches).sum(dim=1) / self.histogram.sum(dim=1).clamp_min(1e-12)

    def _edges(self) -> Tensor:
        return torch.arange(BINS, device=self.histogram.device) / BINS


def subsample(pixels: Tensor) -> Tensor:
    """Give at most `MOST_PIXELS` of the values, flat, spread evenly over the batch."""
    # An odd step, that does not walk down the same columns of every row.
    step = -(-pixels.numel() // MOST_PIXELS) | 1
    return pixels.reshape(-1)[::step]


def likeliest(probs: Tensor) -> tuple[Tensor, Tensor]:
    """Give the probability of the likeliest class and its number, each (B, H, W) or (B, K, H, W)."""
    confidence, classes = probs.max(CLASS_AXIS)  # on a CPU many times as fast as argmax
    return confidence, classes


def class_rows(classes: Tensor) -> Tensor:
    """Number classes through: c for exclusive ones (B, H, W), 2 k + c for overlapping ones (B, K, H, W)."""
    if classes.dim() == 3:
        return classes
    return classes + 2 * torch.arange(classes.shape[1], device=classes.device).view(-1, 1, 1)


def agreement(probs: Tensor, target: Tensor) -> Tensor:
    """Give how far a prediction agrees with a label, (B, H, W) or (B, K, H, W), in [0, 1].

    It is 1 - 1/2 sum_c |p_c - y_c|: the probability of the given class where the label is hard, and 1 where p = y
    where it is soft.
    """
    return (1 - (probs - target).abs().sum(CLASS_AXIS) / 2).clamp_(0, 1)


def least(pixels: Tensor) -> Tensor:
    """Give (B, H, W) as it is, and of (B, K, H, W) the least over the overlapping classes: a pixel has one weight."""
    return pixels if pixels.dim() == 3 else pixels.amin(dim=1)
