"""From an image of any size to the square the model is trained on, and to what it is evaluated on."""

from typing import Literal

import cv2
import numpy as np

from segtrain.errors import ConfigError
from segtrain.types import IGNORE

__all__ = ["Fit", "crop", "evaluation_frame", "pad", "resize", "training_frame"]

Fit = Literal["crop", "resize"]
Masks = list[np.ndarray]
CHANNELS_AT_ONCE = 4  # OpenCV's area interpolation takes no more


def training_frame(
    image: np.ndarray, masks: Masks, *, size: int, fit: Fit, rng: np.random.Generator
) -> tuple[np.ndarray, Masks]:
    """Give a square of `size` pixels, at a random place.

    Args:
        image: (H, W, D) uint8, uint16 or float32, D of any number.
        masks: each (..., H, W) uint8; what lies outside the image becomes `IGNORE`.
        size: side of the square in pixels.
        fit: "crop": a window at the image's own scale. "resize": the whole image, its longer side scaled to `size`.
        rng: decides where the window lies, or where in the square the image lies.

    Raises:
        ConfigError: another `fit`.
    """
    if _resizes(fit):
        image, masks = resize(image, masks, size)
    image, masks = pad(image, masks, size, rng)
    return crop(image, masks, size, rng)


def evaluation_frame(image: np.ndarray, masks: Masks, *, size: int, fit: Fit) -> tuple[np.ndarray, Masks]:
    """Give what the model is evaluated on: the image as it is, or its longer side scaled to `size`, without padding.

    Args:
        image: (H, W, D) uint8, uint16 or float32, D of any number.
        masks: each (..., H, W) uint8.
        size: length of the longer side in pixels, of fit "resize".
        fit: "crop" or "resize", as in training.

    Raises:
        ConfigError: another `fit`.
    """
    return resize(image, masks, size) if _resizes(fit) else (image, masks)


def _resizes(fit: str) -> bool:
    if fit not in ("crop", "resize"):
        raise ConfigError(f'The \'fit\' of the data must be "crop" or "resize", got {fit}')
    return fit == "resize"


def resize(image: np.ndarray, masks: Masks, side: int) -> tuple[np.ndarray, Masks]:
    """Scale the longer side to `side` pixels in proportion: masks by the nearest pixel, images by averages."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale == 1:
        return image, masks
    shape = max(1, round(height * scale)), max(1, round(width * scale))
    image = _scale(image, shape, cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return image, [_scale_planes(mask, shape) for mask in masks]


def _scale(image: np.ndarray, shape: tuple[int, int], interpolation: int) -> np.ndarray:
    parts = [
        cv2.resize(
            np.ascontiguousarray(image[..., first : first + CHANNELS_AT_ONCE]), shape[::-1], None, 0, 0, interpolation
        )
        for first in range(0, image.shape[2], CHANNELS_AT_ONCE)
    ]
    return np.dstack(parts)  # (h, w, D); OpenCV drops an axis of length 1


def _scale_planes(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    # "Exact": the other nearest-neighbour of OpenCV moves the mask against the image by up to half a pixel.
    planes = [
        cv2.resize(plane, shape[::-1], None, 0, 0, cv2.INTER_NEAREST_EXACT)
        for plane in mask.reshape(-1, *mask.shape[-2:])
    ]
    return np.stack(planes).reshape(*mask.shape[:-2], *shape)  # (..., h, w)


def pad(image: np.ndarray, masks: Masks, size: int, rng: np.random.Generator) -> tuple[np.ndarray, Masks]:
    """Mirror the image outward until no side is shorter than `size`; the margin is `IGNORE` in the masks."""
    missing = [max(0, size - side) for side in image.shape[:2]]
    if not any(missing):
        return image, masks
    before = [int(rng.integers(margin + 1)) for margin in missing]
    margins = [(first, margin - first) for first, margin in zip(before, missing, strict=True)]
    image = np.pad(image, [*margins, (0, 0)], mode="reflect")
    return image, [np.pad(mask, [(0, 0)] * (mask.ndim - 2) + margins, constant_values=IGNORE) for mask in masks]


def crop(image: np.ndarray, masks: Masks, size: int, rng: np.random.Generator) -> tuple[np.ndarray, Masks]:
    """Cut out a square of `size` pixels at a random place; no side may be shorter."""
    top, left = (int(rng.integers(side - size + 1)) for side in image.shape[:2])
    rows, columns = slice(top, top + size), slice(left, left + size)
    return image[rows, columns], [mask[..., rows, columns] for mask in masks]
