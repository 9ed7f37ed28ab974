"""TIFF files: any number of channels, interleaved, planar or one to a page, plain or compressed."""

import numpy as np
import tifffile

from segtrain.data.pixels import Decoded, refuse_bomb
from segtrain.errors import DataError

__all__ = ["decode_tiff", "tiff_size"]

_ORIENTATION = "Orientation"
_OPACITY = (1, 2)  # ExtraSamples: associated and unassociated alpha; 0 = a channel like any other


def decode_tiff(path: str, indices: bool) -> Decoded:
    """Decode a TIFF's first image, its channels last.

    Args:
        path: of the file.
        indices: give a palette file's indices, not its colours.

    Raises:
        DataError: it is too large, or more than one of its axes could be the channels.
    """
    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        page = series.keyframe
        refuse_bomb(series.size, path)
        channels = [axis for axis, name in enumerate(series.axes) if name not in "YX"]
        if len(channels) > 1:
            raise DataError(
                f"{path} has the axes {series.axes} {series.shape}, a sample is one image (Y, X and channels): "
                "save each image as a file of its own"
            )
        pixels = series.asarray(maxworkers=1)
        pixels = np.moveaxis(pixels, channels[0], -1) if channels else pixels[..., None]  # (H, W, D)
        palette = page.photometric == tifffile.PHOTOMETRIC.PALETTE
        if palette and not indices:
            pixels = _colours(page)[pixels[..., 0]]  # (H, W, 3)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind in "bu":
            pixels = ~pixels if pixels.dtype == bool else np.iinfo(pixels.dtype).max - pixels
        if pixels.dtype == bool:
            pixels = pixels.astype(np.uint8) * (1 if indices else 255)
        alpha = bool(page.extrasamples) and page.extrasamples[-1] in _OPACITY
        return Decoded(pixels, alpha, _orientation(page), palette)


def tiff_size(path: str) -> tuple[int, int]:
    """Give a TIFF's height and width, upright, from its header alone."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.series[0].keyframe
        height, width = page.imagelength, page.imagewidth
        return (width, height) if _orientation(page) >= 5 else (height, width)


def _orientation(page: tifffile.TiffPage) -> int:
    tag = page.tags.get(_ORIENTATION)
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 1


def _colours(page: tifffile.TiffPage) -> np.ndarray:
    """Give a palette as (N, 3) uint8; TIFF stores 16 bits a colour."""
    return (np.asarray(page.colormap).T >> 8).astype(np.uint8)
