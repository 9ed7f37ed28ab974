"""Calibration: whether a pixel predicted with 80 % confidence is right 80 % of the time."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from segtrain.errors import ConfigError
from segtrain.metrics.functional import histogram
from segtrain.types import CLASS_AXIS, IGNORE

__all__ = ["CalibrationBins", "CalibrationError"]


class CalibrationBins(NamedTuple):
    """A reliability diagram: equal bins of confidence in [0, 1]."""

    confidence: np.ndarray
    """(num_bins,) float64, mean confidence; NaN where empty."""
    accuracy: np.ndarray
    """(num_bins,) float64, share of pixels that are right; NaN where empty."""
    pixels: np.ndarray
    """(num_bins,) int64, how many fall into the bin."""


class CalibrationError(Metric):
    """Expected calibration error of the most probable class (Guo et al. 2017, eq. 3), in constant memory.

    The mean, over pixels, of |accuracy - confidence| of the bin that a pixel falls into. Of overlapping classes each
    pixel of each class counts by itself. Ignored pixels never count.

    Args:
        num_bins: equal bins of confidence in [0, 1], >= 1.
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = False

    pixels: Tensor
    """(num_bins,) int64."""
    right: Tensor
    """(num_bins,) int64, pixels whose most probable class is the label's."""
    confidence: Tensor
    """(num_bins,) float64, added up."""

    def __init__(self, num_bins: int = 15) -> None:
        super().__init__()
        if num_bins < 1:
            raise ConfigError(f"The 'num_bins' of CalibrationError must be at least 1, got {num_bins}")
        self.num_bins = num_bins
        for name, dtype in (("pixels", torch.int64), ("right", torch.int64), ("confidence", torch.float64)):
            self.add_state(name, torch.zeros(num_bins, dtype=dtype), dist_reduce_fx="sum")

    def update(self, probs: Tensor, label: Tensor) -> None:
        """Add one image, or several of one size.

        Args:
            probs: (..., C, H, W), or (..., K, 2, H, W) of overlapping classes.
            label: (..., H, W), or (..., K, H, W); `IGNORE` where ignored.
        """
        confidence, top = probs.max(dim=CLASS_AXIS)  # (..., H, W)
        index = (confidence * self.num_bins).int().clamp_(0, self.num_bins - 1)
        index.masked_fill_(label == IGNORE, self.num_bins)  # one bin more, cut off below
        right = histogram(index + (top == label) * (self.num_bins + 1), 2 * (self.num_bins + 1))
        wrong, right = right.view(2, -1)[:, :-1]  # (num_bins,)
        self.pixels += wrong + right
        self.right += right
        self.confidence += histogram(index, self.num_bins + 1, confidence)[:-1]

    def compute(self) -> float:
        """Give the error, in [0, 1]; NaN when no pixel counted."""
        pixels, right, confidence = (state.cpu().numpy() for state in (self.pixels, self.right, self.confidence))
        some = np.where(pixels > 0, pixels, np.nan)
        self._bins = CalibrationBins(confidence / some, right / some, pixels.copy())
        return float(np.abs(confidence - right).sum() / pixels.sum()) if pixels.sum() else float("nan")

    @property
    def bins(self) -> CalibrationBins:
        """The reliability diagram, of all devices; it calls `compute`, so each device must have done so."""
        self.compute()
        return self._bins
