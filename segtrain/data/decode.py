"""Decoding image files: what is in a file decides how, not its name."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import imagecodecs
import numpy as np
from PIL import Image, UnidentifiedImageError

from segtrain.data.pixels import MAX_VALUES, Decoded, refuse_bomb
from segtrain.data.tiff import decode_tiff, tiff_size
from segtrain.errors import DataError

__all__ = ["decode", "size"]

# Pillow warns of bombs from 89 million pixels on, less than one 10,000 x 10,000 image; `refuse_bomb` is the guard here.
Image.MAX_IMAGE_PIXELS = MAX_VALUES

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_GREY, _PNG_COLOUR = 0, (2, 4, 6)
_ORIENTATION = 0x0112
_TO_PLAIN = {
    "1": "L", "P": "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA",
    "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB", "RGBX": "RGB",
}  # fmt: skip

_Result = TypeVar("_Result")


def decode(path: str, indices: bool = False) -> Decoded:
    """Decode a file's pixels.

    Args:
        path: of the file.
        indices: for masks: palette files give their indices and few-bit files their stored numbers, not colours.

    Raises:
        DataError: it is missing, empty, truncated, too large or of no known format.
    """
    return _read(path, lambda: decode_tiff(path, indices), lambda file: _decode_pillow(path, file, indices))


def size(path: str) -> tuple[int, int]:
    """Give an image's height and width, upright, from its header alone.

    Raises:
        DataError: it is missing, empty or of no known format.
    """
    return _read(path, lambda: tiff_size(path), _pillow_size)


def _read(path: str, tiff: Callable[[], _Result], other: Callable[[BinaryIO], _Result]) -> _Result:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (it is done for every sample, and a Path costs as much again)
            head = file.read(4)
            if not head:
                raise DataError(f"{path} is empty (0 bytes): restore or remove it")
            file.seek(0)
            return tiff() if head in _TIFF else other(file)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"{path} cannot be read (no known image format): restore or remove it") from error
    except Exception as error:  # a decoder that is given foreign bytes raises anything at all
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} cannot be read ({reason}): restore or remove it") from error


def _pillow_size(file: BinaryIO) -> tuple[int, int]:
    with Image.open(file) as image:
        return (image.width, image.height) if _orientation(image) >= 5 else (image.height, image.width)


def _decode_pillow(path: str, file: BinaryIO, indices: bool) -> Decoded:
    head = file.read(26)
    depth, kind = struct.unpack_from("BB", head, 24) if head[:8] == _PNG and len(head) == 26 else (8, -1)
    file.seek(0)
    with Image.open(file) as image:
        refuse_bomb(image.width * image.height * len(image.getbands()), path)
        if depth == 16 and kind in _PNG_COLOUR:  # Pillow would cut these to 8 bits
            pixels = imagecodecs.png_decode(Path(path).read_bytes())
        else:
            pixels = _pillow_pixels(image, indices)
        orientation, palette = _orientation(image), image.mode in ("P", "PA")
    if indices and kind == _PNG_GREY and depth in (2, 4):
        pixels = pixels // (255 // (2**depth - 1))  # Pillow stretches few bits to 0..255
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]  # (H, W, D)
    return Decoded(pixels, pixels.shape[2] in (2, 4), orientation, palette)


def _pillow_pixels(image: Image.Image, indices: bool) -> np.ndarray:
    if indices and image.mode in ("1", "P", "PA"):
        return np.asarray(image).astype(np.uint8, copy=False)
    plain = _TO_PLAIN.get(image.mode, image.mode)
    if image.mode == "P" and "transparency" in image.info:
        plain = "RGBA"
    return np.asarray(image if plain == image.mode else image.convert(plain))


def _orientation(image: Image.Image) -> int:
    orientation = image.getexif().get(_ORIENTATION, 1)
    return orientation if orientation in range(1, 9) else 1
