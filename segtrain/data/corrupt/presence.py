"""Mistakes in what is there: objects overlooked, or drawn where there are none."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from segtrain.data.corrupt.base import Draw, ObjectCorruption, RatedCorruption, find_shapes, planes_of
from segtrain.instances import Shape

__all__ = ["DropObject", "ExtraObject"]

_PLACES = 10


@dataclass(kw_only=True)
class DropObject(ObjectCorruption):
    """Overlooked objects: they become what lies around them."""

    rate: float = 0.3
    per: Literal["sample", "object"] = "object"

    def _redraw(self, shape: Shape, draw: Draw) -> Shape:
        return shape._replace(pixels=np.zeros_like(shape.pixels))


@dataclass(kw_only=True)
class ExtraObject(RatedCorruption):
    """Objects drawn where there are none: copies of real ones, turned or mirrored, in another place.

    Of ten places drawn at random a copy lies where it meets the fewest objects, and it lies behind them: only
    pixels of class 0 change, so that nothing happens where there are none.

    Args:
        rate: copies for each object, on average, in [0, 1].
        per: "object": one coin for each object. "sample": a touched sample has a copy of each.
    """

    rate: float = 0.2
    per: Literal["sample", "object"] = "object"

    def __call__(
        self, mask: np.ndarray, num_classes: int, rng: np.random.Generator, annotator: int | None = None
    ) -> np.ndarray:
        changed = mask.copy()
        found = [(plane, shape) for plane in planes_of(changed) for shape in find_shapes(plane)]
        coins = rng.random(1 if self.per == "sample" else len(found))
        for (plane, shape), coin in zip(found, np.broadcast_to(coins, len(found)), strict=True):
            if coin < self.rate:
                patch, pixels = _free_place(plane, shape, rng)
                patch[pixels & (patch == 0)] = shape.kind
        return changed


def _free_place(plane: np.ndarray, shape: Shape, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give the part of `plane` (H, W) that a copy of the object gets, and its pixels there."""
    pixels = np.rot90(shape.pixels, int(rng.integers(4)))
    pixels = pixels[:, ::-1] if rng.random() < 0.5 else pixels
    room = [max(1, side - extent + 1) for side, extent in zip(plane.shape, pixels.shape, strict=True)]
    copies = [
        shape._replace(pixels=pixels, top=int(top), left=int(left)).within(plane)
        for top, left in rng.integers(room, size=(_PLACES, 2))
    ]
    return min(copies, key=lambda copy: int((copy[0] != 0)[copy[1]].sum()))
