"""Objects of two masks: which are missing, which are extra, which bear another class, and by how much they are off."""

from typing import NamedTuple

import cv2
import numpy as np
from scipy.stats import binom

from segtrain.audit.displacement import CORE, matching
from segtrain.audit.outline import LEAST_AREA, objects_of, signed_distance, smoothed

__all__ = ["ObjectCounts", "compare_objects", "shift_of", "speckle"]

MAJORITY = 0.5
"""Share of an object that has to bear another class for the object to be taken for it."""
AWAY = 2.0
"""Pixels from an outline, beyond which a pixel that differs from its neighbours is no tooth of the outline."""
GRAINY = 0.1
"""Share of specks from which on clusters of them look like objects, and thin lines cannot be told from chance."""
_FLIPPED = np.linspace(0, 0.25, 251)
_ALONE = _FLIPPED * binom.cdf(2, 8, _FLIPPED) + (1 - _FLIPPED) * binom.cdf(2, 8, 1 - _FLIPPED)
"""Share of pixels flipped by chance -> share of pixels with which at most two of the eight neighbours agree."""


class ObjectCounts(NamedTuple):
    """How the objects of a given label relate to what the model predicts."""

    given: np.ndarray
    """(K,) objects in the label."""
    predicted: np.ndarray
    """(K,) objects in the prediction."""
    missing: np.ndarray
    """(K,) predicted objects that the label lacks."""
    extra: np.ndarray
    """(K,) objects of the label that are not predicted."""
    swapped: np.ndarray
    """(K, K) objects of the label's class (row) that are predicted as another class (column)."""


def compare_objects(given: np.ndarray, predicted: np.ndarray) -> ObjectCounts:
    """Count; an object that mostly bears another class in the other mask is swapped, neither missing nor extra.

    Where classes overlap, another class that both masks have there is no other name for the object.

    Args:
        given: (K, H, W) bool, a mask for each class of objects.
        predicted: likewise.
    """
    num_classes = len(given)
    given_count, predicted_count, missing, extra = np.zeros((4, num_classes), np.int64)
    swapped = np.zeros((num_classes, num_classes), np.int64)
    counts = ObjectCounts(given_count, predicted_count, missing, extra, swapped)
    for c in range(num_classes):
        counts.given[c], counts.extra[c], counts.swapped[c] = _unmet(given, predicted, c)
        counts.predicted[c], counts.missing[c], _ = _unmet(predicted, given, c)
    return counts


def _unmet(masks: np.ndarray, others: np.ndarray, own: int) -> tuple[int, int, np.ndarray]:
    """Give the number of a class's objects, how many nothing meets, and how many mostly bear each other class (K,)."""
    numbers, areas = objects_of(masks[own])
    names = others & ~masks
    names[own] = others[own]
    met = np.stack([np.bincount(numbers[name], minlength=len(areas)) for name in names])  # (K, M + 1)
    counted = areas >= LEAST_AREA
    strange = counted & (met[own] <= CORE * areas)
    met[own] = 0
    best = met.argmax(0)  # (M + 1,)
    swapped = strange & (met.max(0) >= MAJORITY * areas) & (met.max(0) > 0)
    return int(counted.sum()), int((strange & ~swapped).sum()), np.bincount(best[swapped], minlength=len(others))


def shift_of(given: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Give how far each object of the label lies from its one counterpart in the prediction: (M, 2) down, right.

    Objects that have several counterparts, as where the one mask joins what the other parts, are left out.

    Args:
        given: (H, W) bool.
        predicted: likewise.
    """
    ours, theirs = matching(given, predicted)
    numbers, areas = objects_of(ours)
    others, other_areas = objects_of(theirs)
    both = ours & theirs
    met = np.bincount(numbers[both] * len(other_areas) + others[both])
    pairs = np.stack(np.divmod(np.flatnonzero(met), len(other_areas)))  # (2, P)
    once = (np.bincount(pairs[0], minlength=1)[pairs[0]] == 1) & (np.bincount(pairs[1], minlength=1)[pairs[1]] == 1)
    first, second = pairs[:, once]
    return _centres(numbers, len(areas))[first] - _centres(others, len(other_areas))[second]


def _centres(numbers: np.ndarray, count: int) -> np.ndarray:
    """Give each object's centre of mass, (M + 1, 2)."""
    rows, columns = np.nonzero(numbers)
    owner = numbers[rows, columns]
    area = np.maximum(np.bincount(owner, minlength=count), 1)
    return np.stack([np.bincount(owner, axis, minlength=count) / area for axis in (rows, columns)], axis=1)


def speckle(mask: np.ndarray, valid: np.ndarray) -> tuple[float, np.ndarray]:
    """Give the share of pixels that were flipped by chance, and the mask without specks.

    A speck is a pixel with which at most two of its eight neighbours agree; the pixels of a line are none. They are
    counted away from outlines, where teeth would look alike, and those that lie side by side are made up for. More
    than a quarter cannot be told from a quarter. It is the label's own roughness; no model is asked.

    Args:
        mask: (H, W) bool.
        valid: (H, W) bool, False where not to count.
    """
    plane = mask.astype(np.uint8)
    around = cv2.boxFilter(plane, cv2.CV_16S, (3, 3), normalize=False, borderType=cv2.BORDER_REFLECT) - plane
    agree = np.where(mask, around, 8 - around)
    away = valid & (np.abs(signed_distance(smoothed(mask))) > AWAY)
    if not away.any():
        return 0.0, mask
    alone = agree <= 2
    grainy = float(alone[away].mean()) > GRAINY
    if not grainy:
        alone &= (agree < 2) | ~_large(mask)
    rate = float(np.interp(alone[away].mean(), _ALONE, _FLIPPED))
    return rate, smoothed(mask) if grainy else mask ^ alone


def _large(mask: np.ndarray) -> np.ndarray:
    """Tell the pixels of objects, and of gaps between them, that are no mere specks, (H, W) bool."""
    large = np.zeros_like(mask)
    for part in (mask, ~mask):
        numbers, areas = objects_of(part)
        large |= part & (areas >= LEAST_AREA)[numbers]
    return large
