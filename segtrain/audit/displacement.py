"""How far one mask's outline lies outside another's: the signed displacement, and how much it varies."""

from typing import NamedTuple

import numpy as np
from scipy.stats import trim_mean

from segtrain.audit.outline import EIGHT, Outline, objects_of, signed_distance, trace

__all__ = [
    "Displacement", "diameters", "displacement", "known", "matching", "middle_offset", "object_displacements",
]  # fmt: skip

TRIM = 0.25
"""Share of the points left out at either end: nearly as robust as the median, but not bound to whole pixels."""
CORE = 0.1
"""Share of an object that must be met for it to be the same object."""
FEWEST = 12
"""Points of an object's outline that tell a move from a wandering outline."""


class Displacement(NamedTuple):
    """One mask's outline against a reference's, in pixels; NaN where one of the two has none."""

    offset: float
    """Positive = drawn outside the reference."""
    spread: float
    """Standard deviation along the outline, from the middle 68 % of its points."""
    wander: float
    """The same of what is left when each object is moved as a whole, and made larger or smaller, to where it fits."""
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
    outline, points, ours, theirs = _walked(drawn, reference, valid)
    distance = signed_distance(theirs)
    if not len(points):
        return Displacement(np.nan, np.nan, np.nan, distance)
    left = _unmoved(outline, distance, objects_of(ours)[0])
    return Displacement(float(trim_mean(points, TRIM)), _spread(points), _spread(left), distance)


def middle_offset(drawn: np.ndarray, reference: np.ndarray, valid: np.ndarray) -> float:
    """Measure how far `drawn` lies outside the middle between where the reference is sure, at 3/4, and doubts, at 1/4.

    Where labels lie as often outside as inside, a model is half sure all the way from the ones to the others, and
    its outline runs anywhere in between; the middle does not. NaN where it is nowhere as sure as that.

    Args:
        drawn: as of `displacement`.
        reference: likewise, probabilities' margins from -1 to 1.
        valid: likewise.
    """
    both = [_walked(drawn, np.clip(reference + by, -1, 1), valid)[1] for by in (-0.5, 0.5)]
    return float(np.mean([trim_mean(points, TRIM) if len(points) else np.nan for points in both]))


def _walked(
    drawn: np.ndarray, reference: np.ndarray, valid: np.ndarray
) -> tuple[Outline, np.ndarray, np.ndarray, np.ndarray]:
    """Give the outline of `drawn`, both outlines' distances (P,), none if one is not there, and the objects met."""
    ours, theirs = matching(drawn > 0, reference > 0)
    outlines = [
        trace(np.where(mask == (margin > 0), margin, np.where(mask, 1.0, -1.0)), valid)
        for mask, margin in ((ours, drawn), (theirs, reference))
    ]
    if not all(len(outline.inner) for outline in outlines):
        return outlines[0], np.empty(0), ours, theirs
    points = [outlines[0].values(signed_distance(theirs)), -outlines[1].values(signed_distance(ours))]
    return outlines[0], np.concatenate(points), ours, theirs


def _spread(points: np.ndarray) -> float:
    if not len(points):
        return np.nan
    low, high = np.quantile(points, (0.1587, 0.8413))
    return float(high - low) / 2


def _unmoved(outline: Outline, distance: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Give what no move of a whole object explains of the distance of its outline's points, (P',).

    A small move d changes the distance of a point by d n, n being the distance's gradient there.
    """
    points = outline.values(distance)
    normals = np.stack([np.ones_like(points), *(outline.values(slope) for slope in np.gradient(distance))], axis=1)
    owner = numbers.ravel()[outline.inner]
    left = [np.empty(0)]
    for number in np.flatnonzero(np.bincount(owner) >= FEWEST):
        own = owner == number
        move, *_ = np.linalg.lstsq(normals[own], points[own], rcond=None)
        left.append(points[own] - normals[own] @ move)
    return np.concatenate(left)


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
