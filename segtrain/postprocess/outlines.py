"""Outlines of a mask as closed polygons, and back: traced between pixels, offset, filled.

Places are (x, y) in pixels, the image's corner at (0, 0), so that a pixel's centre is at (column + 0.5, row + 0.5).
An object's outline turns such that its area is positive, a hole's that it is negative; together they make the mask.
"""

import numpy as np

__all__ = ["area", "fill", "following", "offset", "trace"]

STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
"""Right, down, left, up: each turns from the one before to the right."""


def trace(mask: np.ndarray) -> list[np.ndarray]:
    """Follow the cracks between the pixels of a mask and those around it.

    Objects are connected by sides and corners, holes by sides.

    Args:
        mask: (H, W) bool.

    Returns:
        Of each outline the corners, (N, 2) int, a pixel's side apart; `area` tells objects from holes.
    """
    starts = _cracks(mask)  # (4, H + 1, W + 1)
    number = np.cumsum(starts.ravel()).reshape(starts.shape) - 1
    direction, y, x = np.nonzero(starts)
    end_x, end_y = (STEPS[direction] + np.stack([x, y], 1)).T
    follower = np.full(len(x), -1)
    for turn in (1, 0, -1):  # where two objects meet by a corner, the turn to the left goes over to the other one
        then = (direction + turn) % 4
        goes_on = starts[then, end_y, end_x]
        follower[goes_on] = number[then, end_y, end_x][goes_on]
    corners = np.stack([x, y], 1)
    return [corners[cycle] for cycle in _cycles(follower.tolist())]


def _cracks(mask: np.ndarray) -> np.ndarray:
    """Tell at which corners a crack starts that goes right, down, left, up, with the object to its right."""
    inside = np.pad(mask, 1)
    above_left, above, left, here = inside[:-1, :-1], inside[:-1, 1:], inside[1:, :-1], inside[1:, 1:]
    return np.stack([here & ~above, left & ~here, above_left & ~left, above & ~above_left])


def _cycles(follower: list[int]) -> list[list[int]]:
    """Part a permutation into its cycles."""
    cycles, seen = [], bytearray(len(follower))
    for first in range(len(follower)):
        if seen[first]:
            continue
        cycle, at = [], first
        while not seen[at]:
            seen[at] = 1
            cycle.append(at)
            at = follower[at]
        cycles.append(cycle)
    return cycles


def area(points: np.ndarray) -> float:
    """Give the area within a polygon (N, 2), negative of a hole (Gauss)."""
    x, y = points.T.astype(np.float64)
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1] + x[-1] * y[0] - x[0] * y[-1]) / 2


def following(points: np.ndarray) -> np.ndarray:
    """Give for each corner of a polygon (N, 2) the next one."""
    return np.concatenate([points[1:], points[:1]])


def offset(points: np.ndarray, distance: float) -> np.ndarray:
    """Move each side of a polygon (N, 2) outwards by a distance, pixels; spikes grow to twice that at most."""
    side = following(points) - points
    length = np.maximum(np.hypot(*side.T), 1e-9)
    after = np.stack([side[:, 1], -side[:, 0]], 1) / length[:, None]  # normals
    before = np.concatenate([after[-1:], after[:-1]])
    opening = np.maximum(1 + (before * after).sum(1), 0.5)
    return points + distance * (before + after) / opening[:, None]


def fill(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Give the mask (H, W) bool of the pixels whose centres lie within objects and not within their holes.

    Crossings of each row with the sides are summed from the left: where more objects than holes have begun, one is.

    Args:
        polygons: objects and holes, each (N, 2).
        shape: H and W.
    """
    height, width = shape
    start = np.concatenate([np.empty((0, 2)), *polygons]).astype(np.float64) - 0.5  # pixel centres at whole numbers
    end = np.concatenate([np.empty((0, 2)), *(following(points) for points in polygons)]) - 0.5
    first, last = (
        np.ceil(bound).clip(0, height).astype(np.intp) for bound in np.sort([start[:, 1], end[:, 1]], axis=0)
    )
    rows = last - first  # (N,) centres of rows that a side crosses
    of = np.repeat(np.arange(len(start)), rows)
    row = np.arange(len(of)) - np.repeat(np.cumsum(rows) - rows, rows) + first[of]
    slope = (end[of, 0] - start[of, 0]) / (end[of, 1] - start[of, 1])
    column = np.ceil(start[of, 0] + slope * (row - start[of, 1])).clip(0, width).astype(np.intp)
    begins = np.zeros((height, width + 1), np.int32)
    np.add.at(begins, (row, column), np.where(end[of, 1] < start[of, 1], 1, -1))
    inside: np.ndarray = np.cumsum(begins[:, :-1], axis=1) > 0
    return inside
