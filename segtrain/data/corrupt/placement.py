"""Mistakes in where an object is: shifted, turned, out of place by a stated amount."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from segtrain.data.corrupt.base import (
    Draw,
    ObjectCorruption,
    RatedCorruption,
    Shape,
    find_shapes,
    planes_of,
    replace,
    require,
)
from segtrain.data.corrupt.strength import LengthCorruption, pick, require_limits

__all__ = ["Affine", "Rotate", "Shift"]

_HALVINGS = 15
_NEAR = 0.005


@dataclass(kw_only=True)
class Shift(LengthCorruption):
    """Objects drawn beside where they are (an unbiased error): moved in a random direction.

    Args:
        distance: [low, high], how far, drawn evenly; the direction is drawn with it (see `per`).
    """

    distance: list[float] = field(default_factory=lambda: [1.0, 5.0])

    def __post_init__(self) -> None:
        super().__post_init__()
        require_limits(self, "distance")

    def _redraw(self, shape: Shape, draw: Draw) -> Shape:
        distance = self._pixels(pick(self.distance, draw.strength), shape)
        down, right = distance * np.sin(2 * np.pi * draw.turn), distance * np.cos(2 * np.pi * draw.turn)
        return shape._replace(top=shape.top + round(down), left=shape.left + round(right))


@dataclass(kw_only=True)
class Rotate(ObjectCorruption):
    """Objects drawn askew (an unbiased error): each turned about its own centre, either way.

    Args:
        angle: [low, high], how far, in degrees, drawn evenly; left or right with equal chance.
    """

    angle: list[float] = field(default_factory=lambda: [5.0, 20.0])

    def __post_init__(self) -> None:
        super().__post_init__()
        require_limits(self, "angle")
        require(self.angle[1] <= 180, self, "angle", "at most 180 degrees")

    def _redraw(self, shape: Shape, draw: Draw) -> Shape:
        angle = np.deg2rad(pick(self.angle, draw.strength)) * (1 if draw.turn < 0.5 else -1)
        return posed(shape, Pose(angle), _middle([shape]))


@dataclass(kw_only=True)
class Affine(RatedCorruption):
    """Objects drawn out of place by a stated amount (an unbiased error): turned, then shifted until that is reached.

    The affine noise of Li et al. (MICCAI 2021) and Gonzalez-Jimenez et al. (MICCAI 2023), without their truncation of
    interpolated masks, which makes every one smaller. A turn that alone would be too much is made smaller. A tiny
    object takes the pose that comes nearest to the amount, which may be where it was.

    Args:
        amount: pixels that come out wrong, as a share of the objects' pixels (beta), in (0, 1].
        angle: most that a mask is turned, either way, in degrees.
        scale: most that its sides grow or shrink, as a share; its area is the same on average.
        per: "sample": all objects as one piece. "object": each by itself.
    """

    amount: float = 0.5
    angle: float = 30.0
    scale: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.amount <= 1, self, "amount", "in (0, 1]")
        require(0 <= self.angle <= 180, self, "angle", "in [0, 180] degrees")
        require(0 <= self.scale < 0.5, self, "scale", "in [0, 0.5)")

    def __call__(
        self, mask: np.ndarray, num_classes: int, rng: np.random.Generator, annotator: int | None = None
    ) -> np.ndarray:
        changed = mask.copy()
        found = [(plane, shape) for plane, labels in enumerate(planes_of(mask)) for shape in find_shapes(labels)]
        for group in [found] if self.per == "sample" else [[one] for one in found]:
            coin, turn, scale, direction = rng.random(4)
            if group and coin < self.rate:
                area = 1 + (2 * scale - 1) * ((1 + self.scale) ** 2 - 1)
                goal = Pose(np.deg2rad(self.angle) * (2 * turn - 1), float(np.sqrt(area)), 2 * np.pi * direction)
                changed = self._misplaced(changed, group, goal)
        return changed

    def _misplaced(self, mask: np.ndarray, group: Sequence[tuple[int, Shape]], goal: "Pose") -> np.ndarray:
        """Give the mask with the group where it is wrong by the amount: first on the way to `goal`, then beyond."""
        shapes = [shape for _, shape in group]
        wanted = self.amount * sum(int(shape.pixels.sum()) for shape in shapes)
        centre, far = _middle(shapes), float(np.hypot(*mask.shape[-2:]))
        low, high = 0.0, 2.0
        best, gap = mask, wanted
        for _ in range(_HALVINGS):
            way = (low + high) / 2
            moved = _drawn(mask, group, goal.on_the_way(way, far), centre)
            wrong = int((moved != mask).sum())
            if abs(wrong - wanted) < gap:
                best, gap = moved, abs(wrong - wanted)
            if gap <= _NEAR * wanted:
                break
            low, high = (way, high) if wrong < wanted else (low, way)
        return best


class Pose(NamedTuple):
    """How a mask is turned, scaled and shifted."""

    angle: float
    """Radians."""
    scale: float = 1.0
    direction: float = 0.0
    """Radians."""
    distance: float = 0.0
    """Pixels."""

    def on_the_way(self, way: float, far: float) -> "Pose":
        """Give the pose at a share of the way: up to 1 turn and scale grow, from there to 2 the distance, to `far`."""
        part = min(1.0, way)
        return Pose(part * self.angle, 1 + part * (self.scale - 1), self.direction, max(0.0, way - 1) * far)


def posed(shape: Shape, pose: Pose, centre: np.ndarray) -> Shape:
    """Turn and scale an object about a centre (row, column) of the mask, and shift it."""
    cos, sin = np.cos(pose.angle), np.sin(pose.angle)
    back = np.array([[cos, -sin], [sin, cos]]) / pose.scale
    shift = pose.distance * np.array([np.sin(pose.direction), np.cos(pose.direction)])
    corner = np.array([shape.top, shape.left])
    reach = int(np.hypot(*shape.pixels.shape) * pose.scale / 2) + 2
    middle = corner + (np.array(shape.pixels.shape) - 1) / 2
    start = np.rint(centre + np.linalg.solve(back, middle - centre) + shift).astype(int) - reach
    offset = centre + back @ (start - shift - centre) - corner
    # Interpolating and cutting off shrinks every object; so does mode "constant", by half a pixel on each side.
    pixels = ndimage.affine_transform(shape.pixels, back, offset, (2 * reach + 1,) * 2, order=0, mode="grid-constant")
    return shape._replace(pixels=pixels, top=int(start[0]), left=int(start[1]))


def _middle(shapes: Sequence[Shape]) -> np.ndarray:
    """Give the middle (row, column) of all pixels of some objects."""
    places = [np.argwhere(shape.pixels) + np.array([shape.top, shape.left]) for shape in shapes]
    return np.concatenate(places).mean(axis=0)


def _drawn(mask: np.ndarray, group: Sequence[tuple[int, Shape]], pose: Pose, centre: np.ndarray) -> np.ndarray:
    drawn = mask.copy()
    for plane, shape in group:
        replace(planes_of(drawn)[plane], shape, posed(shape, pose, centre))
    return drawn
