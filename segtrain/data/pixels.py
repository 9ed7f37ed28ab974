"""A file's pixels as they are stored, before they become an image or a label."""

from typing import NamedTuple

import numpy as np

from segtrain.errors import DataError

__all__ = ["MAX_VALUES", "Decoded", "refuse_bomb", "upright"]

MAX_VALUES = 2**30
"""Pixels times channels; a header that claims more is taken for a decompression bomb (10,000 x 10,000 x 10 fits)."""


class Decoded(NamedTuple):
    """What a decoder gives."""

    pixels: np.ndarray
    """(H, W, D), any dtype, not yet turned by the orientation."""
    alpha: bool
    """The last channel is opacity."""
    orientation: int
    """The EXIF or TIFF orientation, 1 to 8; 1 = upright."""
    palette: bool
    """The file stores numbers into a list of colours."""


def refuse_bomb(values: int, path: str) -> None:
    """Check a header's claim before anything is decoded.

    Raises:
        DataError: the file would decode to more than `MAX_VALUES`.
    """
    if values > MAX_VALUES:
        raise DataError(f"{path} claims {values:,} values, at most {MAX_VALUES:,} are read: cut it into tiles")


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn (H, W, D) as an EXIF orientation asks; 1 leaves it."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return pixels[::rows, ::columns]
