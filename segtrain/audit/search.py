"""Where a label differs from what it should be, object by object, and what kind of fault each difference is."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.ndimage import find_objects
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segtrain.audit.displacement import CORE, displacement
from segtrain.audit.issue import Issue
from segtrain.audit.objects import shift_of
from segtrain.audit.outline import EIGHT, LEAST_AREA, objects_of, ruggedness, signed_distance
from segtrain.types import IGNORE

__all__ = ["MAJORITY", "find_differences"]

MAJORITY = 0.5
"""Share of an object that has to bear another class for the object to be taken for it."""
TEETH = 0.3
"""Share of the pixels along an outline that are teeth or notches, from which on it is jagged."""
_BOTH_WAYS = ("merged", "split", "displaced", "ragged", "shaky")
"""Kinds of which some pixels are to be added and others to be taken away; the class stays what it is."""
ROOM = 4
"""Pixels of surroundings that are cut out with an object."""


class Group(NamedTuple):
    """Objects of one class that belong together: drawn ones and suggested ones that meet."""

    drawn: np.ndarray
    """(H, W) bool, within `window`."""
    meant: np.ndarray
    """Likewise, the suggested ones."""
    counts: tuple[int, int]
    """How many objects there are of either."""
    window: tuple[slice, slice]


def find_differences(label: np.ndarray, suggested: np.ndarray, tolerance: float = 2.0) -> list[Issue]:
    """Give the regions where a label differs from a suggestion, named by their kind; their score is 0 so far.

    Objects are matched first. One that has no counterpart is missing, extra, or of another class; several that meet
    one are merged or split; a pair differs by its outline, of which only those parts count that are farther off than
    the tolerance somewhere. Each pixel belongs to one region at most.

    Args:
        label: (H, W) class numbers, class 0 being the surroundings, or (K, H, W) planes of 0 and 1; `IGNORE` where
            ignored.
        suggested: likewise, without ignored pixels.
        tolerance: pixels that an outline may be off.
    """
    if label.ndim == 2:
        masks = (
            (c, (label == c), (suggested == c) & (label != IGNORE))
            for c in np.union1d(np.unique(label), np.unique(suggested)).tolist()
            if c not in (0, IGNORE)
        )
        return _differences([*masks], label, suggested, tolerance)
    issues = []
    for k, (given, meant) in enumerate(zip(label, suggested, strict=True)):
        found = _differences([(1, given == 1, (meant == 1) & (given != IGNORE))], given, meant, tolerance)
        issues += [
            issue._replace(number=k, given=k if issue.given else -1, suggested=k if issue.suggested else -1)
            for issue in found
        ]
    return issues


def _differences(
    masks: list[tuple[int, np.ndarray, np.ndarray]], label: np.ndarray, suggested: np.ndarray, tolerance: float
) -> list[Issue]:
    """Find the differences of exclusive classes; what has no counterpart comes first and takes all of its pixels."""
    free = (label != suggested) & (label != IGNORE)
    if not free.any():
        return []
    issues = []
    whole = (slice(0, label.shape[0]), slice(0, label.shape[1]))
    for c, drawn, meant in masks:
        for kind, region in _flaws(drawn, meant):
            region &= free
            if region.any():
                free &= ~region
                issues.append(_issue(kind, c, region, whole, label, suggested))
    groups = [(c, group) for c, drawn, meant in masks for group in _groups(drawn, meant)]
    alone = [(c, group) for c, group in groups if not all(group.counts)]
    for c, group in alone:
        region = (group.drawn | group.meant) & free[group.window]
        kind = _kind_alone(c, group, label, suggested)
        if kind and region.sum() >= LEAST_AREA:
            free[group.window] &= ~region
            issues.append(_issue(kind, c, region, group.window, label, suggested))
    for c, group in groups:
        if all(group.counts):
            region = _off(group, free[group.window], label[group.window], tolerance)
            kind = _kind_together(group) if region.any() else ""
            if kind and region.sum() >= LEAST_AREA:
                free[group.window] &= ~region
                issues.append(_issue(kind, c, region, group.window, label, suggested))
    return issues


def _flaws(drawn: np.ndarray, meant: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Give the holes and the specks of a drawn mask (H, W) bool of which the meant one knows nothing.

    A hole is what one class surrounds on all sides, in the middle of the image. Small ones are told together.
    """
    for kind, here, there, connectivity in (("hole", ~drawn, meant, 4), ("speck", drawn, ~meant, EIGHT)):
        numbers, areas = objects_of(here, connectivity)
        wrong = np.bincount(numbers[there & here], minlength=len(areas)) > MAJORITY * areas
        wrong[0] = False
        if kind == "hole":
            wrong[np.unique(np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]]))] = False
        else:
            wrong &= areas < LEAST_AREA
        small = wrong & (areas < LEAST_AREA)
        yield kind, small[numbers]
        for number in np.flatnonzero(wrong & ~small):
            yield kind, numbers == number


def _groups(drawn: np.ndarray, meant: np.ndarray) -> Iterator[Group]:
    """Give the objects of two masks (H, W) bool that belong together; specks are no objects."""
    ours, our_areas = objects_of(drawn)
    theirs, their_areas = objects_of(meant)
    count, others = len(our_areas), len(their_areas)
    both = drawn & meant
    met = np.bincount(ours[both] * others + theirs[both], minlength=1)
    pairs = np.stack(np.divmod(np.flatnonzero(met), others))  # (2, P)
    smaller = np.minimum(our_areas[pairs[0]], their_areas[pairs[1]])
    pairs = pairs[:, met[met > 0] > CORE * smaller]
    total = count + others
    graph = coo_array((np.ones(pairs.shape[1]), (pairs[0], count + pairs[1])), shape=(total, total))
    _, names = connected_components(graph, directed=False)
    areas = np.concatenate([our_areas, their_areas])
    large = areas >= LEAST_AREA
    first, second = names[:count][ours], names[count:][theirs]  # (H, W); where there is no object, names of object 0
    first[ours == 0] = second[theirs == 0] = -1
    boxes = find_objects(np.maximum(first, second) + 1, max_label=int(names.max()) + 1)
    others_boxes = find_objects(np.minimum(first, second) + 1, max_label=int(names.max()) + 1)
    numbers = [np.bincount(names[part], large[part], len(boxes)) for part in (slice(count), slice(count, None))]
    for name in np.flatnonzero(numbers[0] + numbers[1]):
        window = _joined(boxes[name], others_boxes[name], drawn.shape)
        counts = int(numbers[0][name]), int(numbers[1][name])
        yield Group(first[window] == name, second[window] == name, counts, window)


def _joined(
    one: tuple[slice, slice] | None, other: tuple[slice, slice] | None, shape: tuple[int, ...]
) -> tuple[slice, slice]:
    """Give the box around two, with some room."""
    boxes = [box for box in (one, other) if box is not None]
    rows, columns = (
        slice(max(0, min(box[axis].start for box in boxes) - ROOM), max(box[axis].stop for box in boxes) + ROOM)
        for axis in (0, 1)
    )
    return slice(rows.start, min(rows.stop, shape[0])), slice(columns.start, min(columns.stop, shape[1]))


def _kind_alone(c: int, group: Group, label: np.ndarray, suggested: np.ndarray) -> str:
    """Name what is wrong with an object that has no counterpart; "" if its other name tells it."""
    if group.counts[0]:
        others = suggested[group.window][group.drawn]
        return "wrong class" if (others[others != c] > 0).mean() > MAJORITY else "extra"
    others = label[group.window][group.meant]
    named = np.bincount(others[(others != IGNORE) & (others != c)], minlength=1)
    # A drawn object of another class that is meant to be this one is told as that: it must be gone, not only cut.
    best = int(named[1:].argmax()) + 1 if len(named) > 1 else 0
    if best and named[best] > MAJORITY * group.meant.sum() and _swapped(best, c, group, label, suggested):
        return ""
    return "missing"


def _swapped(drawn: int, meant: int, group: Group, label: np.ndarray, suggested: np.ndarray) -> bool:
    """Tell whether the drawn object under a meant one has, for the most part, become it."""
    numbers, _ = objects_of(label == drawn)
    under = np.bincount(numbers[group.window][group.meant])
    under[0] = 0
    own = numbers == int(under.argmax())
    return bool(((suggested == meant) & own).sum() > MAJORITY * own.sum())


def _off(group: Group, free: np.ndarray, label: np.ndarray, tolerance: float) -> np.ndarray:
    """Give the parts of what differs that lie somewhere farther from both outlines than the tolerance."""
    # Of two drawn classes that meet, the one that loses the pixels owns them: they are told once.
    differs = free & ((group.drawn & ~group.meant) | (group.meant & ~group.drawn & (label == 0)))
    if not differs.any():
        return differs
    gap = np.abs(signed_distance(group.drawn)) + np.abs(signed_distance(group.meant))  # from the one to the other
    numbers, areas = objects_of(differs)
    deepest = np.zeros(len(areas))
    np.maximum.at(deepest, numbers.ravel(), np.where(differs, gap, 0).ravel())
    return differs & (deepest > tolerance)[numbers]


def _kind_together(group: Group) -> str:
    """Name what is wrong with objects that have counterparts."""
    if group.counts[0] != group.counts[1]:
        return "merged" if group.counts[0] < group.counts[1] else "split"
    margins = [np.where(mask, 1.0, -1.0) for mask in (group.drawn, group.meant)]
    found = displacement(margins[0], margins[1], np.ones(group.drawn.shape, bool))
    shifts = shift_of(group.drawn, group.meant)
    moved = float(np.hypot(*shifts.T).max()) if len(shifts) else 0.0
    offset, wander = abs(found.offset), found.wander
    if offset >= max(moved, 0.0 if np.isnan(wander) else wander):
        return "wide" if found.offset > 0 else "tight"
    if moved >= (0.0 if np.isnan(wander) else wander):
        return "displaced"
    return "ragged" if ruggedness(group.drawn) > TEETH else "shaky"


def _issue(
    kind: str, c: int, region: np.ndarray, window: tuple[slice, slice], label: np.ndarray, suggested: np.ndarray
) -> Issue:
    """Make an issue of a region within a window."""
    rows, columns = (np.flatnonzero(region.any(axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    mask = region[top : rows[-1] + 1, left : columns[-1] + 1]
    if kind in _BOTH_WAYS:
        given = meant = c
    else:
        given, meant = (int(np.bincount(part[window][region]).argmax()) for part in (label, suggested))
    return Issue(kind, c, given, meant, window[0].start + top, window[1].start + left, mask, 0.0)
