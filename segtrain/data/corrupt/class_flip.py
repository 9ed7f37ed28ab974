"""Mistakes in what an object or a pixel is: given another class."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from segtrain.data.corrupt.base import RatedCorruption, find_shapes, replace, require, require_kinds
from segtrain.errors import ConfigError
from segtrain.instances import Shape
from segtrain.types import IGNORE

__all__ = ["ClassFlip", "SwapClass"]


@dataclass(kw_only=True)
class SwapClass(RatedCorruption):
    """Objects taken for another kind: each gets one of the other classes, with equal chance, but never class 0.

    Of overlapping classes, the object moves to another class's plane.

    Args:
        rate: share of the samples (or of the objects, see `per`) that are touched, in [0, 1].
        per: "object": one coin for each object. "sample": all objects of a touched sample.
    """

    rate: float = 0.3
    per: Literal["sample", "object"] = "object"

    @property
    def least_kinds(self) -> int:
        return 2

    def __call__(
        self, mask: np.ndarray, num_classes: int, rng: np.random.Generator, annotator: int | None = None
    ) -> np.ndarray:
        require_kinds(self, len(mask) if mask.ndim == 3 else num_classes, mask.ndim == 3)
        changed = mask.copy()
        found = find_kinds(mask)
        kinds = len(mask) if mask.ndim == 3 else num_classes - 1
        coins = rng.random(1 if self.per == "sample" else len(found))
        steps = rng.integers(1, kinds, size=len(found))
        for (kind, shape), coin, step in zip(found, np.broadcast_to(coins, len(found)), steps, strict=True):
            if coin < self.rate:
                swap(changed, shape, kind, (kind - 1 + step) % kinds + 1)
        return changed


@dataclass(kw_only=True)
class ClassFlip:
    """Objects or pixels taken for another class, each class as often as stated (the class noise of the CIFAR papers).

    With `per: object` (or sample) a whole object gets another class, and class 0 stays as it is: overlapping classes
    count from 1, and the object moves to another plane. With `per: pixel` every pixel flips by itself, those of
    class 0 too: overlapping classes are masks of class 0 and 1 each, and a pixel goes in or out.

    Args:
        rate: share of the objects (pixels, samples) that are touched, of classes that `rates` does not name, in [0, 1].
        per: "object", "pixel", or "sample": one coin for all objects of a sample.
        rates: class number -> its own rate.
        targets: what a touched one becomes. "symmetric": any other class, with equal chance. "next": the class after
            it, the last one the first. Or a matrix with a row for each class, the chances of the classes that it is
            taken for; a row sums to 1, with 0 on the diagonal; column 0 makes objects overlooked.
    """

    rate: float = 0.2
    per: Literal["object", "pixel", "sample"] = "object"
    rates: dict[int, float] = field(default_factory=dict)
    targets: Literal["symmetric", "next"] | list[list[float]] = "symmetric"

    def __post_init__(self) -> None:
        require(0 <= self.rate <= 1, self, "rate", "in [0, 1]")
        require(self.per in ("object", "pixel", "sample"), self, "per", '"object", "pixel" or "sample"')
        require(all(0 <= rate <= 1 for rate in self.rates.values()), self, "rates", "class -> a number in [0, 1]")
        if isinstance(self.targets, str):
            require(self.targets in ("symmetric", "next"), self, "targets", '"symmetric", "next" or a matrix')
        else:
            square = all(len(row) == len(self.targets) and min(row) >= 0 for row in self.targets)
            sound = square and np.allclose(np.sum(self.targets, axis=1), 1) and not np.diag(self.targets).any()
            require(sound, self, "targets", "a square matrix whose rows sum to 1, with 0 on its diagonal")

    @property
    def least_kinds(self) -> int:
        return 1 if self.per == "pixel" or not isinstance(self.targets, str) else 2

    @property
    def num_annotators(self) -> int:
        return 0

    def __call__(
        self, mask: np.ndarray, num_classes: int, rng: np.random.Generator, annotator: int | None = None
    ) -> np.ndarray:
        overlapping = mask.ndim == 3
        kinds = len(mask) if overlapping else num_classes - 1
        require_kinds(self, kinds if overlapping else num_classes, overlapping)
        if self.per == "pixel":
            return self._flipped(mask, self.transitions(2 if overlapping else num_classes), rng)
        return self._retaken(mask, self.transitions(kinds + 1), rng)

    def transitions(self, num_classes: int) -> np.ndarray:
        """Give the chance (C, C) of each class, a row, to come out as each class; an object's class 0 stays."""
        first = 0 if self.per == "pixel" else 1
        targets = np.eye(num_classes)
        if not isinstance(self.targets, str):
            targets = np.array(self.targets, float)
        elif self.targets == "next":
            targets[first:, first:] = np.roll(np.eye(num_classes - first), 1, axis=1)
        else:
            others = 1 - np.eye(num_classes - first)
            targets[first:, first:] = others / others.sum(axis=1, keepdims=True)
        unknown = [number for number in self.rates if not first <= number < num_classes]
        if len(targets) != num_classes or unknown:
            raise ConfigError(
                f"ClassFlip is asked for {len(targets)} classes in 'targets' and for {sorted(self.rates)} in 'rates', "
                f"but here classes run from {first} to {num_classes - 1}, and a matrix has {num_classes} rows"
            )
        rates = np.array([self.rates.get(number, self.rate) for number in range(num_classes)])[:, None]
        rates[:first] = 0
        return (1 - rates) * np.eye(num_classes) + rates * targets

    def _flipped(self, mask: np.ndarray, transitions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        known = mask != IGNORE
        upto = transitions.cumsum(axis=1)[mask[known]]  # (N, C)
        changed = mask.copy()
        changed[known] = np.minimum((rng.random((len(upto), 1)) >= upto).sum(axis=1), len(transitions) - 1)
        return changed

    def _retaken(self, mask: np.ndarray, transitions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        changed = mask.copy()
        found = find_kinds(mask)
        coins = rng.random(1 if self.per == "sample" else len(found))
        coins, draws = np.broadcast_to(coins, len(found)), rng.random(len(found))
        for (kind, shape), coin, draw in zip(found, coins, draws, strict=True):
            away = transitions[kind].copy()
            away[kind] = 0
            if coin < away.sum():
                swap(changed, shape, kind, int(np.searchsorted(away.cumsum() / away.sum(), draw, side="right")))
        return changed


def find_kinds(mask: np.ndarray) -> list[tuple[int, Shape]]:
    """Give the objects with their classes, counted from 1 over the planes of overlapping ones."""
    if mask.ndim == 2:
        return [(shape.kind, shape) for shape in find_shapes(mask)]
    return [(number, shape) for number, plane in enumerate(mask, start=1) for shape in find_shapes(plane)]


def swap(mask: np.ndarray, shape: Shape, old: int, new: int) -> None:
    """Give an object of class `old` the class `new`; 0 makes it what lies around it, or takes it from its plane."""
    if mask.ndim == 2 and new:
        patch, pixels = shape.within(mask)
        patch[pixels] = new
        return
    replace(mask if mask.ndim == 2 else mask[old - 1], shape, shape._replace(pixels=np.zeros_like(shape.pixels)))
    if new:
        patch, pixels = shape.within(mask[new - 1])
        patch[pixels & (patch != IGNORE)] = 1
