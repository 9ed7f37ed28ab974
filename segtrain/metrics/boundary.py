"""How well outlines agree: boundary F1 within a tolerance, and the 95th percentile of the Hausdorff distance."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from segtrain.types import IGNORE

__all__ = ["BoundaryScores", "boundary", "boundary_scores"]

PERCENTILE = 95.0
SPARSE = 32
"""Pixels of an image per boundary pixel from which on a tree of the boundary beats a distance transform."""


class BoundaryScores(NamedTuple):
    """One image's scores, class by class; NaN for a class whose boundary is in neither label nor prediction."""

    f1: np.ndarray
    """(C,) float64 in [0, 1]."""
    hd95: np.ndarray
    """(C,) float64, pixels."""


def boundary(mask: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Give the outermost pixels of a mask: those with one of their four neighbours outside it, or at the frame.

    A border between a valid and an ignored pixel is no boundary, for nobody drew it.

    Args:
        mask: (H, W) bool.
        valid: (H, W) bool, False where ignored.
    """
    outside = np.pad(valid & ~mask, 1, constant_values=True)
    beside = outside[:-2, 1:-1] | outside[2:, 1:-1] | outside[1:-1, :-2] | outside[1:-1, 2:]
    return mask & valid & beside


def boundary_scores(pred: np.ndarray, label: np.ndarray, num_classes: int, tolerance: float = 2.0) -> BoundaryScores:
    """Score the outlines of one image.

    With boundaries P of the prediction and L of the label, and d the Euclidean distance of pixel centres:
    F1 = 2 p r / (p + r), where p is the share of P with d(., L) <= tolerance and r the share of L with
    d(., P) <= tolerance (Csurka et al. 2013); HD95 = the larger of the 95th percentiles of d(P, L) and d(L, P).
    Where only one of the two has a boundary, F1 is 0 and HD95 the image's diagonal.

    Args:
        pred: (H, W) class numbers; overlapping: (K, H, W), 0 or 1.
        label: of the same shape; `IGNORE` where ignored.
        num_classes: C or K.
        tolerance: pixels, >= 0.
    """
    f1, hd95 = np.full(num_classes, np.nan), np.full(num_classes, np.nan)
    for c, (predicted, given) in enumerate(_boundaries(pred, label, num_classes)):
        if predicted.any() and given.any():
            f1[c], hd95[c] = _compare(predicted, given, tolerance)
        elif predicted.any() or given.any():
            f1[c], hd95[c] = 0.0, np.hypot(*pred.shape[-2:])
    return BoundaryScores(f1, hd95)


def _boundaries(pred: np.ndarray, label: np.ndarray, num_classes: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    overlapping = pred.ndim == 3
    for c in range(num_classes):
        predicted, given = (pred[c] == 1, label[c] == 1) if overlapping else (pred == c, label == c)
        valid = (label[c] if overlapping else label) != IGNORE
        yield boundary(predicted, valid), boundary(given, valid)


def _compare(predicted: np.ndarray, given: np.ndarray, tolerance: float) -> tuple[float, float]:
    """Give F1 and HD95 of two boundaries (H, W), neither empty."""
    both = predicted | given
    rows, columns = np.flatnonzero(both.any(1)), np.flatnonzero(both.any(0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    predicted, given = predicted[box], given[box]
    to_given, to_predicted = _distances(predicted, given), _distances(given, predicted)  # (P,), (L,)
    precision, recall = float((to_given <= tolerance).mean()), float((to_predicted <= tolerance).mean())
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return f1, float(max(np.percentile(to_given, PERCENTILE), np.percentile(to_predicted, PERCENTILE)))


def _distances(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Give how far each pixel of one boundary is from the nearest of another: (H, W), (H, W) -> (P,) pixels."""
    apart = here & ~there
    if np.count_nonzero(apart) * SPARSE > here.size:
        return distance_transform_edt(~there)[here]
    distances = np.zeros(here.shape)
    distances[apart] = cKDTree(np.argwhere(there)).query(np.argwhere(apart))[0]
    return distances[here]
