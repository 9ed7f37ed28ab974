"""What a pixel is told by, for methods that group pixels: colour, position, gradient and texture."""

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

__all__ = ["lab", "pixel_features", "stretched"]

EDGE_SCALE = 1.0
"""Standard deviation of the Gaussian whose slopes are the gradient, pixels."""
TEXTURE_SCALE = 3.0
"""Standard deviation of the window over which a texture is gathered, pixels."""


def pixel_features(
    image: np.ndarray, colour: float = 1.0, position: float = 0.0, gradient: float = 0.0, texture: float = 0.0
) -> np.ndarray:
    """Describe each pixel by numbers whose Euclidean distance says how unlike two pixels are.

    Each part is multiplied by its weight, which is one over the bandwidth of whoever compares; a part of weight 0 is
    left out.

    Args:
        image: (H, W, D) of any number type.
        colour: CIELAB (see `lab`), D planes: one unit is a barely visible difference.
        position: row and column, 2 planes, pixels.
        gradient: the slope of all colours together (Di Zenzo 1986), 1 plane, units of colour a pixel.
        texture: the structure tensor J gathered around the pixel (Bigun & Granlund 1987), 3 planes: its contrast
            c = sqrt(Jxx + Jyy), and where its slopes point, (Jxx - Jyy, 2 Jxy) / c; units of colour a pixel.

    Returns:
        (H, W, F) float32.

    >>> pixel_features(np.zeros((4, 5, 3), np.uint8), position=0.5, texture=1.0).shape
    (4, 5, 8)
    """
    colours = lab(image)  # (H, W, D)
    parts: list[np.ndarray] = [colour * colours] if colour else []
    if position:
        places = np.indices(image.shape[:2], dtype=np.float32)  # (2, H, W)
        parts.append(position * np.moveaxis(places, 0, -1))
    if gradient or texture:
        tensor = _slopes(colours)  # (3, H, W)
        if gradient:
            parts.append(gradient * np.sqrt(tensor[0] + tensor[1])[..., None])  # (H, W, 1)
        if texture:
            parts.append(texture * _texture(tensor))  # (H, W, 3)
    return np.concatenate([np.zeros((*image.shape[:2], 0)), *parts], axis=-1, dtype=np.float32)


def lab(image: np.ndarray) -> np.ndarray:
    """Give colours whose distances are those that the eye sees, on a scale of 100 from black to white.

    Three channels are taken for sRGB and become CIELAB (D65). One channel becomes its lightness L*, as grey sRGB would;
    two, four or more are no colours of the eye: each is brought to [0, 100] as it is. What counts as black and white
    says `stretched`.

    Args:
        image: (H, W, D) of any number type.

    Returns:
        (H, W, D) float32.
    """
    channels, share = image.shape[-1], stretched(image)
    if channels == 3:
        return cv2.cvtColor(share, cv2.COLOR_RGB2LAB)
    if channels == 1:
        return cv2.cvtColor(cv2.merge([share] * 3), cv2.COLOR_RGB2LAB)[..., :1]
    return 100 * share


def stretched(image: np.ndarray) -> np.ndarray:
    """Bring an image to [0, 1]: uint8 by its range, another type, which has none, by the image's own extremes.

    Args:
        image: (H, W, D) of any number type.

    Returns:
        (H, W, D) float32.
    """
    low, high = (0.0, 255.0) if image.dtype == np.uint8 else (float(image.min()), float(image.max()))
    return (image.astype(np.float32) - np.float32(low)) / np.float32(high - low or 1)


def _slopes(colours: np.ndarray) -> np.ndarray:
    """Give the products of slopes (yy, xx, xy), summed over the colours: (H, W, D) -> (3, H, W)."""
    along = [
        gaussian_filter1d(gaussian_filter1d(colours, EDGE_SCALE, axis, order=1), EDGE_SCALE, 1 - axis)
        for axis in (0, 1)
    ]
    rows, columns = along  # (H, W, D)
    return np.stack([(rows * rows).sum(-1), (columns * columns).sum(-1), (rows * columns).sum(-1)])


def _texture(tensor: np.ndarray) -> np.ndarray:
    """Give contrast and direction of the products of slopes, gathered: (3, H, W) -> (H, W, 3)."""
    gathered = gaussian_filter1d(gaussian_filter1d(tensor, TEXTURE_SCALE, 1), TEXTURE_SCALE, 2)
    rows, columns, both = gathered
    contrast = np.sqrt(np.maximum(rows + columns, 1e-12))  # a flat place has no direction
    return np.stack([contrast, (columns - rows) / contrast, 2 * both / contrast], axis=-1)
