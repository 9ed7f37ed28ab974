"""Mistakes of whole superpixels: what comes of labelling an image piece by piece."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from segtrain.data.corrupt.base import RatedCorruption, planes_of, require
from segtrain.types import IGNORE

__all__ = ["Superpixel"]


@dataclass(kw_only=True)
class Superpixel(RatedCorruption):
    """Superpixels that an outline runs through become one class: that of one of their pixels, drawn at random.

    So each class keeps its area on average (an unbiased error). A mask says nothing about the image's edges, so the
    superpixels are those of an image without any: what is nearest to each of the points of an uneven grid, as SLIC
    (Achanta et al. 2012) begins with. A small object may vanish, or grow to a superpixel.

    Args:
        rate: share of the superpixels at outlines (or of the samples, see `per`) that are touched, in [0, 1].
        per: "object": one coin for each superpixel. "sample": all of a touched sample.
        size: side of a superpixel, in pixels, at least 2.
    """

    rate: float = 0.5
    per: Literal["sample", "object"] = "object"
    size: float = 8.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.size >= 2, self, "size", "at least 2")

    def __call__(
        self, mask: np.ndarray, num_classes: int, rng: np.random.Generator, annotator: int | None = None
    ) -> np.ndarray:
        changed = mask.copy()
        pieces = self._pieces(mask.shape[-2:], rng)  # (H, W)
        coins = rng.random(1 if self.per == "sample" else int(pieces.max()) + 1)
        touched = np.broadcast_to(coins < self.rate, int(pieces.max()) + 1)[pieces]  # (H, W)
        for plane in planes_of(changed):
            chosen = touched & (plane != IGNORE)
            plane[chosen] = _one_each(pieces[chosen], plane[chosen], rng)
        return changed

    def _pieces(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Give the number of each pixel's superpixel, (H, W)."""
        rows, columns = (np.arange(0, side, self.size) for side in shape)
        points = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)  # (P, 2)
        points = (points + rng.uniform(0, self.size, points.shape)).astype(int)
        points = np.minimum(points, np.array(shape) - 1)
        elsewhere = np.ones(shape, bool)
        elsewhere[tuple(points.T)] = False
        nearest = ndimage.distance_transform_edt(elsewhere, return_distances=False, return_indices=True)
        _, pieces = np.unique(np.ravel_multi_index(tuple(nearest), shape), return_inverse=True)
        return pieces.reshape(shape)


def _one_each(pieces: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give each of N pixels the label of one pixel of its piece."""
    order = rng.permutation(len(labels))
    _, first, inverse = np.unique(pieces[order], return_index=True, return_inverse=True)
    drawn = np.empty_like(labels)
    drawn[order] = labels[order][first[inverse]]
    return drawn
