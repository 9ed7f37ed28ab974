"""Mistakes in what an object is: overlooked, or given another class."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from segtrain.data.corrupt.base import Draw, ObjectCorruption, Shape, find_shapes, require, require_kinds
from segtrain.types import IGNORE

__all__ = ["DropObject", "SwapClass"]


@dataclass(kw_only=True)
class DropObject(ObjectCorruption):
    """Overlooked objects: they become what lies around them."""

    rate: float = 0.3
    per: Literal["sample", "object"] = "object"

    def _redraw(self, shape: Shape, draw: Draw) -> Shape:
        return shape._replace(pixels=np.zeros_like(shape.pixels))


@dataclass(kw_only=True)
class SwapClass:
    """Objects taken for another kind: each gets one of the other classes, with equal chance, but never class 0.

    Of overlapping classes, the object moves to another class's plane.

    Args:
        rate: share of the samples (or of the objects, see `per`) that are touched, in [0, 1].
        per: "object": one coin for each object. "sample": all objects of a touched sample.
    """

    rate: float = 0.3
    per: Literal["sample", "object"] = "object"

    def __post_init__(self) -> None:
        require(0 <= self.rate <= 1, self, "rate", "in [0, 1]")
        require(self.per in ("sample", "object"), self, "per", '"sample" or "object"')

    @property
    def least_kinds(self) -> int:
        return 2

    def __call__(self, mask: np.ndarray, num_classes: int, rng: np.random.Generator) -> np.ndarray:
        overlapping = mask.ndim == 3
        require_kinds(self, len(mask) if overlapping else num_classes, overlapping)
        changed = mask.copy()
        if overlapping:
            found = [(plane, shape) for plane in range(len(mask)) for shape in find_shapes(mask[plane])]
        else:
            found = [(shape.kind - 1, shape) for shape in find_shapes(mask)]
        kinds = len(mask) if overlapping else num_classes - 1
        coins = rng.random(1 if self.per == "sample" else len(found))
        steps = rng.integers(1, kinds, size=len(found))
        for (kind, shape), coin, step in zip(found, np.broadcast_to(coins, len(found)), steps, strict=True):
            if coin < self.rate:
                _swap(changed, shape, kind, (kind + step) % kinds)
        return changed


def _swap(mask: np.ndarray, shape: Shape, old: int, new: int) -> None:
    """Give an object of kind `old` the kind `new`, both counted from 0."""
    if mask.ndim == 2:
        patch, pixels = shape.within(mask)
        patch[pixels] = new + 1
        return
    patch, pixels = shape.within(mask[old])
    patch[pixels] = 0
    patch, pixels = shape.within(mask[new])
    patch[pixels & (patch != IGNORE)] = 1
