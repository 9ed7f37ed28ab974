"""What the simulated mistakes of annotators share: which objects they touch, and how these are redrawn."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import cv2
import numpy as np
from scipy import ndimage
from skimage.measure import label

from segtrain.errors import ConfigError
from segtrain.instances import Shape
from segtrain.types import IGNORE

__all__ = [
    "Corruption", "Draw", "ObjectCorruption", "RatedCorruption", "find_shapes", "planes_of", "replace", "require",
    "require_kinds",
]  # fmt: skip


class Corruption(Protocol):
    """An annotator's mistake: given a right mask, the mask that he would have drawn."""

    @property
    def least_kinds(self) -> int:
        """How many classes of objects it needs; class 0 of exclusive labels is the surroundings and not counted."""

    @property
    def num_annotators(self) -> int:
        """How many annotators it tells apart; 0: all err alike."""

    def __call__(
        self, mask: np.ndarray, num_classes: int, rng: np.random.Generator, annotator: int | None = None
    ) -> np.ndarray:
        """Give the mask as it would have been drawn; ignored pixels stay.

        Args:
            mask: (H, W) uint8 class numbers, or (K, H, W) planes of 0 and 1; it is not changed.
            num_classes: C, or K for planes.
            rng: where the random numbers come from.
            annotator: who draws; None = whoever `rng` says.
        """


def require(holds: bool, owner: object, key: str, law: str) -> None:
    """Refuse a parameter that breaks its law.

    Raises:
        ConfigError: `holds` is false.
    """
    if not holds:
        name = type(owner).__name__
        raise ConfigError(f"The '{key}' of {name} must be {law}, got {getattr(owner, key)}")


def require_kinds(corruption: Corruption, num_classes: int, overlapping: bool) -> None:
    """Refuse a corruption that the data's classes leave nothing to do for.

    Raises:
        ConfigError: too few classes of objects.
    """
    kinds = num_classes if overlapping else num_classes - 1
    if kinds < corruption.least_kinds:
        name = type(corruption).__name__
        raise ConfigError(f"{name} needs at least {corruption.least_kinds} classes of objects, the data have {kinds}")


class Draw(NamedTuple):
    """The random numbers of one mistake."""

    strength: float
    """In [0, 1): from the least to the most."""
    turn: float
    """In [0, 1): a direction."""
    rng: np.random.Generator
    """For what differs between the objects of a sample in any case."""
    annotator: int | None = None
    """Who draws, where that matters."""


def planes_of(mask: np.ndarray) -> np.ndarray:
    """Give a mask as planes (1, H, W) or (K, H, W) that share its memory."""
    return mask[None] if mask.ndim == 2 else mask


def find_shapes(mask: np.ndarray) -> list[Shape]:
    """Give the connected components (8 neighbours) of each class but 0, the largest first; `mask` (H, W) uint8."""
    labels = label(np.where(mask == IGNORE, 0, mask), background=0, connectivity=2)  # (H, W)
    shapes = []
    for number, window in enumerate(ndimage.find_objects(labels), start=1):
        pixels = labels[window] == number
        kind = int(mask[window][pixels][0])
        shapes.append(Shape(pixels, window[0].start, window[1].start, kind, mask.shape))
    return sorted(shapes, key=lambda shape: -int(shape.pixels.sum()))


def replace(mask: np.ndarray, shape: Shape, redrawn: Shape) -> None:
    """Draw `redrawn` into `mask` (H, W) in the place of `shape`; what it leaves becomes what lies around `shape`."""
    patch, pixels = shape.padded(1).within(mask)
    left_behind = pixels & (patch == shape.kind)
    patch[left_behind] = _surroundings(patch, pixels)[left_behind]
    patch, pixels = redrawn.within(mask)
    patch[pixels & (patch != IGNORE)] = redrawn.kind


def _surroundings(patch: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Give for each pixel of `patch` (h, w) what lies around the object `pixels`: class 0 if it touches that anywhere.

    Without class 0, as in scenes where every pixel belongs to something, it is the nearest label.
    """
    ring = (cv2.dilate(pixels.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~pixels & (patch != IGNORE)
    if not ring.any() or (patch[ring] == 0).any():
        return np.zeros_like(patch)
    rows, columns = ndimage.distance_transform_edt(~ring, return_distances=False, return_indices=True)
    return patch[rows, columns]


@dataclass(kw_only=True)
class RatedCorruption:
    """The shared home of mistakes that touch a share of the samples or of the objects.

    Args:
        rate: share of the samples (or of the objects, see `per`) that are touched, in [0, 1].
        per: "sample": one coin and one strength for the whole sample, an annotator's habit. "object": for each object.
    """

    rate: float = 1.0
    per: Literal["sample", "object"] = "sample"

    def __post_init__(self) -> None:
        require(0 <= self.rate <= 1, self, "rate", "in [0, 1]")
        require(self.per in ("sample", "object"), self, "per", '"sample" or "object"')

    @property
    def least_kinds(self) -> int:
        return 1

    @property
    def num_annotators(self) -> int:
        return 0


@dataclass(kw_only=True)
class ObjectCorruption(RatedCorruption, ABC):
    """The shared home of mistakes that redraw one object at a time; a final class says how.

    Redrawn objects lie on top of what they meet, the smaller on top of the larger.
    """

    def __call__(
        self, mask: np.ndarray, num_classes: int, rng: np.random.Generator, annotator: int | None = None
    ) -> np.ndarray:
        changed = mask.copy()
        found = [(plane, shape) for plane in planes_of(changed) for shape in find_shapes(plane)]
        draws = rng.random((1 if self.per == "sample" else len(found), 3))
        for (plane, shape), (coin, strength, turn) in zip(found, np.broadcast_to(draws, (len(found), 3)), strict=True):
            if coin < self.rate:
                replace(plane, shape, self._redraw(shape, Draw(strength, turn, rng, annotator)))
        return changed

    @abstractmethod
    def _redraw(self, shape: Shape, draw: Draw) -> Shape:
        """Give the object as it would have been drawn."""
