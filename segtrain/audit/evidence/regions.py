"""Regions to compare: the pixels that bear one class in one cell of an image, each told by its mean features."""

from typing import NamedTuple

import cv2
import numpy as np
from scipy.sparse import coo_array

from segtrain.classic import Slic
from segtrain.types import IGNORE

__all__ = ["LEAST", "Cells", "Regions", "colours", "regions_of"]

LEAST = 8
"""Pixels; what is smaller is not described well enough to be judged."""
TEXTURE = 7
"""Pixels, the side of the window whose variation is the texture."""


class Cells(NamedTuple):
    """Which cell each pixel belongs to."""

    of: np.ndarray
    """(H, W) int, 0..number-1."""
    number: int

    @classmethod
    def grid(cls, size: tuple[int, int], side: int) -> "Cells":
        """Lay cells of about `side` x `side` pixels over an image of `size`, counted along the rows."""
        rows, columns = (max(1, round(length / side)) for length in size)
        row, column = (np.arange(length) * count // length for length, count in zip(size, (rows, columns), strict=True))
        return cls(row[:, None] * columns + column, rows * columns)

    @classmethod
    def superpixels(cls, image: np.ndarray, side: int) -> "Cells":
        """Cut an image (H, W, D) into superpixels of about `side` x `side` pixels, which keep to its edges."""
        height, width = image.shape[:2]
        pieces = Slic(num_segments=max(1, round(height * width / side**2)))(image)
        return cls(pieces, int(pieces.max()) + 1)

    def middles(self) -> np.ndarray:
        """Give the middle of each cell, (number, 2) int, row and column."""
        flat, width = self.of.ravel(), self.of.shape[1]
        area = np.maximum(np.bincount(flat, minlength=self.number), 1)
        axes = np.divmod(np.arange(flat.size), width)
        means = np.stack([np.bincount(flat, axis, self.number) / area for axis in axes], axis=1)
        return np.floor(means + 0.5).astype(int)


class Regions(NamedTuple):
    """The regions of one label."""

    means: np.ndarray
    """(R, F) float32, features averaged over each region's pixels."""
    classes: np.ndarray
    """(R,) int."""
    cells: np.ndarray
    """(R,) int."""


def colours(image: np.ndarray) -> np.ndarray:
    """Describe each pixel by its colour and how much the brightness varies about it.

    Args:
        image: (H, W, D) of any number type.

    Returns:
        (D + 1, H, W) float32 in the image's unit.
    """
    planes = np.ascontiguousarray(image, np.float32)
    bright = planes.mean(axis=2)
    bright -= bright.mean()  # or the difference of two large squares would be nothing but rounding
    mean, square = (cv2.boxFilter(each, -1, (TEXTURE, TEXTURE)) for each in (bright, bright**2))
    texture = np.sqrt(np.maximum(square - mean**2, 0))
    return np.concatenate([planes.transpose(2, 0, 1), texture[None]])


def regions_of(features: np.ndarray, label: np.ndarray, num_classes: int, cells: Cells) -> Regions:
    """Average features over the regions of a label that have at least `LEAST` pixels.

    Features of a smaller scale count by the pixels of the label that lie in each of them, so that no thin object is
    lost by making the label smaller.

    Args:
        features: (F, h, w) float32, over the whole extent of the image.
        label: (H, W) uint8.
        num_classes: C.
        cells: of the label.
    """
    (height, width), (rows, columns) = label.shape, features.shape[1:]
    row, column = np.arange(height) * rows // height, np.arange(width) * columns // width
    valid = label != IGNORE
    region = cells.of[valid].astype(np.int64) * num_classes + label[valid]
    source = (row[:, None] * columns + column)[valid]
    shape = (cells.number * num_classes, rows * columns)
    counts = coo_array((np.ones(len(region), np.float32), (region, source)), shape).tocsr()
    area = np.asarray(counts.sum(axis=1)).ravel()
    chosen = np.flatnonzero(area >= LEAST)
    sums = counts[chosen] @ np.ascontiguousarray(features.reshape(len(features), -1).T)
    cell, classes = np.divmod(chosen, num_classes)
    return Regions((sums / area[chosen, None]).astype(np.float32), classes, cell)
