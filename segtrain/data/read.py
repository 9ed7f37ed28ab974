"""Reading images and masks: every format, depth and channel layout ends in one of two forms."""

import cv2
import numpy as np

from segtrain.data.decode import decode
from segtrain.data.pixels import upright
from segtrain.errors import DataError

__all__ = ["read_image", "read_mask"]


def read_image(path: str, channels: int | None) -> tuple[np.ndarray, list[str]]:
    """Read an image upright, with the channels that the model takes; None = those that it has.

    Alpha is dropped unless the file has exactly `channels` with it; grey repeats to 3, colour turns grey for 1.

    Returns:
        (H, W, D) uint8, uint16 or float32; and what is unusual about the file, said in the plural.

    Raises:
        DataError: it cannot be read, has other channels, or holds NaN or infinity.
    """
    pixels, alpha, orientation, palette = decode(path)
    notes = ["images with a palette, read as colours"] if palette else []
    if alpha and pixels.shape[2] != channels:
        pixels = pixels[..., :-1]
        notes.append("images with an alpha channel, which is dropped")
    if orientation != 1:
        pixels = upright(pixels, orientation)
        notes.append("images turned by their EXIF orientation (masks are not)")
    if pixels.dtype == np.uint16:
        notes.append("images of 16 bits")
    if pixels.shape[2] == 1 and channels == 3:
        notes.append("grey images, repeated to 3 channels")
    plain = _plain_numbers(pixels, path)
    return plain if channels is None else _with_channels(plain, channels, path), notes


def read_mask(path: str, in_colour: bool = False) -> np.ndarray:
    """Read a mask's values, not turned by any orientation: (H, W) numbers or (H, W, 3) colours.

    Args:
        path: of the file.
        in_colour: give the colours of a palette file instead of its indices.

    Raises:
        DataError: it cannot be read, or has neither 1 nor 3 channels.
    """
    pixels, alpha, _, _ = decode(path, indices=not in_colour)
    if alpha:
        pixels = pixels[..., :-1]
    if pixels.shape[2] not in (1, 3):
        raise DataError(f"{path}: a mask has 1 channel of numbers or 3 of colour, got {pixels.shape[2]} channels")
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def _plain_numbers(pixels: np.ndarray, path: str) -> np.ndarray:
    if pixels.dtype.kind == "c":
        raise DataError(f"{path} holds complex numbers: save their magnitude")
    kept = pixels.dtype in (np.uint8, np.uint16)
    with np.errstate(over="ignore"):  # what overflows is named below
        pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("=") if kept else np.float32)
    if not kept:
        finite = np.isfinite(pixels)
        if not finite.all():
            count = f"{(~finite).sum():,} of {finite.size:,} values"
            raise DataError(f"{path}: {count} are NaN or infinite: fill them, or remove the image")
    return pixels if pixels.flags.writeable else pixels.copy()  # torch warns of arrays that it cannot write to


def _with_channels(pixels: np.ndarray, channels: int, path: str) -> np.ndarray:
    found = pixels.shape[2]
    if found == channels:
        return pixels
    if found == 1 and channels == 3:
        return np.repeat(pixels, 3, axis=2)  # (H, W, 3)
    if found == 3 and channels == 1:
        return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None]  # (H, W, 1)
    raise DataError(f"{path} has {found} channels, data.channels is {channels}: set data.channels={found}")
