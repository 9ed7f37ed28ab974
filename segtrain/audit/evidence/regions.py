"""Regions to compare: the pixels that bear one class in one cell of a grid, each told by its mean features."""

from typing import NamedTuple

import cv2
import numpy as np
from scipy.sparse import coo_array

from segtrain.types import IGNORE

__all__ = ["LEAST", "Grid", "Regions", "colours", "regions_of"]

LEAST = 8
"""Pixels; what is smaller is not described well enough to be judged."""
TEXTURE = 7
"""Pixels, the side of the window whose variation is the texture."""


class Grid(NamedTuple):
    """Which region each pixel belongs to."""

    cells: np.ndarray
    """(H, W) int, each pixel's cell, counted along the rows."""
    shape: tuple[int, int]
    """Rows and columns of cells."""

    @classmethod
    def over(cls, size: tuple[int, int], side: int) -> "Grid":
        """Lay cells of about `side` x `side` pixels over an image of `size`."""
        rows, columns = (max(1, round(length / side)) for length in size)
        row, column = (np.arange(length) * count // length for length, count in zip(size, (rows, columns), strict=True))
        return cls(row[:, None] * columns + column, (rows, columns))


class Regions(NamedTuple):
    """The regions of one label."""

    means: np.ndarray
    """(R, F) float32, features averaged over each region's pixels."""
    classes: np.ndarray
    """(R,) int."""
    cells: np.ndarray
    """(R,) int, of the grid."""


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


def regions_of(features: np.ndarray, label: np.ndarray, num_classes: int, grid: Grid) -> Regions:
    """Average features over the regions of a label that have at least `LEAST` pixels.

    Features of a smaller scale count by the pixels of the label that lie in each of them, so that no thin object is
    lost by making the label smaller.

    Args:
        features: (F, h, w) float32, over the whole extent of the image.
        label: (H, W) uint8.
        num_classes: C.
        grid: over the label.
    """
    (height, width), (rows, columns) = label.shape, features.shape[1:]
    row, column = np.arange(height) * rows // height, np.arange(width) * columns // width
    valid = label != IGNORE
    region = grid.cells[valid] * num_classes + label[valid]
    source = (row[:, None] * columns + column)[valid]
    shape = (grid.shape[0] * grid.shape[1] * num_classes, rows * columns)
    counts = coo_array((np.ones(len(region), np.float32), (region, source)), shape).tocsr()
    area = np.asarray(counts.sum(axis=1)).ravel()
    chosen = np.flatnonzero(area >= LEAST)
    sums = counts[chosen] @ np.ascontiguousarray(features.reshape(len(features), -1).T)
    cells, classes = np.divmod(chosen, num_classes)
    return Regions((sums / area[chosen, None]).astype(np.float32), classes, cells)
