"""Objects of two masks: which are missing, which are extra, which bear another class, and by how much they are off."""

from typing import NamedTuple

import cv2
import numpy as np

from segtrain.audit.displacement import CORE, matching
from segtrain.audit.outline import LEAST_AREA, objects_of

__all__ = ["ObjectCounts", "compare_objects", "shift_of", "speckle"]

MAJORITY = 0.5
"""Share of an object that has to bear another class for the object to be taken for it."""


class ObjectCounts(NamedTuple):
    """How the objects of a given label relate to what the model predicts."""

    given: np.ndarray
    """(K,) objects in the label."""
    predicted: np.ndarray
    """(K,) objects in the prediction."""
    missing: np.ndarray
    """(K,) predicted objects where the label has nothing."""
    extra: np.ndarray
    """(K,) objects of the label where nothing is predicted."""
    swapped: np.ndarray
    """(K, K) objects of the label's class (row) that are predicted as another class (column)."""


def compare_objects(given: np.ndarray, predicted: np.ndarray) -> ObjectCounts:
    """Count; an object that mostly bears another class in the other mask is swapped, neither missing nor extra.

    Args:
        given: (K, H, W) bool, a mask for each class of objects.
        predicted: likewise.
    """
    num_classes = len(given)
    given_count, predicted_count, missing, extra = np.zeros((4, num_classes), np.int64)
    swapped = np.zeros((num_classes, num_classes), np.int64)
    counts = ObjectCounts(given_count, predicted_count, missing, extra, swapped)
    for c in range(num_classes):
        counts.given[c], alone, classes = _unmet(given[c], predicted, c)
        counts.extra[c] = alone
        counts.swapped[c] = classes
        counts.predicted[c], counts.missing[c], _ = _unmet(predicted[c], given, c)
    return counts


def _unmet(mask: np.ndarray, others: np.ndarray, own: int) -> tuple[int, int, np.ndarray]:
    """Give the number of a mask's objects, how many nothing meets, and how many mostly bear each other class (K,)."""
    numbers, areas = objects_of(mask)
    met = np.stack([np.bincount(numbers[other], minlength=len(areas)) for other in others])  # (K, M + 1)
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


def speckle(mask: np.ndarray) -> tuple[float, np.ndarray]:
    """Give the share of pixels that at most two of their eight neighbours agree with, and the mask without them.

    It is the label's own roughness; no model is asked.

    Args:
        mask: (H, W) bool.
    """
    plane = mask.astype(np.uint8)
    around = cv2.boxFilter(plane, cv2.CV_16S, (3, 3), normalize=False, borderType=cv2.BORDER_REFLECT) - plane
    alone = np.where(mask, around <= 2, around >= 6)
    return float(alone.mean()), mask ^ alone
