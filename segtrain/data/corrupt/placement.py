"""Mistakes in where an object is: shifted, turned."""

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from segtrain.data.corrupt.base import Draw, ObjectCorruption, Shape, require
from segtrain.data.corrupt.strength import LengthCorruption, pick, require_limits

__all__ = ["Rotate", "Shift"]


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
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre = np.argwhere(shape.pixels).mean(axis=0)
        margin = int(np.hypot(*shape.pixels.shape)) + 1
        side = [extent + 2 * margin for extent in shape.pixels.shape]
        offset = centre - matrix @ (centre + margin)
        # Interpolating and cutting off shrinks every object; so does mode "constant", by half a pixel on each side.
        pixels = ndimage.affine_transform(shape.pixels, matrix, offset, side, order=0, mode="grid-constant")
        return shape._replace(pixels=pixels, top=shape.top - margin, left=shape.left - margin)
