"""How far one mask's outline lies outside another's: the signed displacement, and how much it varies."""

from typing import NamedTuple

import numpy as np
from scipy.stats import trim_mean

from segtrain.audit.outline import EIGHT, objects_of, signed_distance, trace

__all__ = ["Displacement", "diameters", "displacement", "known", "matching", "object_displacements"]

TRIM = 0.25
"""Share of the points left out at either end: nearly as robust as the median, but not bound to whole pixels."""
CORE = 0.1
"""Share of an object that must be met for it to be the same object."""


class Displacement(NamedTuple):
    """One mask's outline against a reference's, in pixels; NaN where one of the two has none."""

    offset: float
    """Positive = drawn outside the reference."""
    spread: float
    """Standard deviation along the outline, from the middle 68 % of its points."""
    distance: np.ndarray
    """(H, W) float32, the reference's signed distance, from its objects that were met."""


def displacement(drawn: np.ndarray, reference: np.ndarray, valid: np.ndarray) -> Displacement:
    """Measure how far the outline of `drawn > 0` lies outside that of `reference > 0`.

    Both outlines are walked: each point of the one is looked up in the other's signed distance, so that neither a
    shaky outline nor a curved one counts for more on one side. The offset is the mean of the middle half of the
    points. Objects of which the other mask knows nothing are left out: they are missing or extra, not displaced.

    Args:
        drawn: (H, W) float margins, see `trace`; a hard mask as +1 and -1.
        reference: likewise.
        valid: (H, W) bool, False where ignored.
    """
    ours, theirs = matching(drawn > 0, reference > 0)
    drawn, reference = (
        np.where(mask == (margin > 0), margin, np.where(mask, 1.0, -1.0))
        for mask, margin in ((ours, drawn), (theirs, reference))
    )
    distance = signed_distance(theirs)
    outlines = trace(drawn, valid), trace(reference, valid)
    if not all(len(outline.inner) for outline in outlines):
        return Displacement(np.nan, np.nan, distance)
    points = np.concatenate([outlines[0].values(distance), -outlines[1].values(signed_distance(ours))])
    low, high = np.quantile(points, (0.1587, 0.8413))
    return Displacement(float(trim_mean(points, TRIM)), float(high - low) / 2, distance)


def matching(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give both masks (H, W) bool without the objects, and the holes, of which the other one has less than a tenth."""
    return _met(first, second), _met(second, first)


def _met(mask: np.ndarray, other: np.ndarray) -> np.ndarray:
    return ~known(~known(mask, other), ~other, connectivity=4)


def known(mask: np.ndarray, other: np.ndarray, connectivity: int = EIGHT) -> np.ndarray:
    """Give the objects of a mask (H, W) bool of which another mask covers more than a tenth."""
    numbers, areas = objects_of(mask, connectivity)
    covered = np.bincount(numbers[other], minlength=len(areas)) > CORE * areas
    covered[0] = False
    return covered[numbers]


def object_displacements(drawn: np.ndarray, reference: np.ndarray, valid: np.ndarray, most: int) -> np.ndarray:
    """Give for each of the `most` largest objects of the reference its diameter and how far outside it is drawn.

    Args:
        drawn: (H, W) float margins, see `trace`.
        reference: likewise.
        valid: (H, W) bool, False where ignored.
        most: M.

    Returns:
        (M, 2) float32, pixels; NaN in the rows of objects that are not there or were not met.
    """
    found = np.full((most, 2), np.nan, np.float32)
    ours, theirs = matching(drawn > 0, reference > 0)
    numbers, areas = objects_of(theirs)
    outline = trace(np.where(theirs, 1.0, -1.0), valid)
    outside = -outline.values(signed_distance(ours))  # (P,)
    owner = numbers.ravel()[outline.inner]  # (P,)
    for row, number in enumerate(np.argsort(-areas, kind="stable")[: min(most, len(areas) - 1)]):
        points = outside[owner == number]
        if len(points):
            found[row] = diameters(areas[number]), trim_mean(points, TRIM)
    return found


def diameters(areas: np.ndarray) -> np.ndarray:
    """Give the diameters of the discs of these areas."""
    return 2 * np.sqrt(areas / np.pi)
