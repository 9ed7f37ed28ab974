"""The image as a guide, whatever its type and channels: planes of one contrast, and their gradients."""

import cv2
import numpy as np

__all__ = ["gradients", "planes"]

TAILS = (1, 99)
"""Percentiles between which lies an image's contrast."""


def planes(image: np.ndarray) -> np.ndarray:
    """Give the image's channels in units of its contrast: steps between its dark and its bright parts are about 1.

    Args:
        image: (H, W, D) of any number type.

    Returns:
        (D, H, W) float32, around 0; all 0 of a constant image.
    """
    values = np.moveaxis(image, -1, 0).astype(np.float32)  # (D, H, W)
    low, high = np.percentile(values, TAILS)
    contrast = high - low or np.ptp(values) or 1.0  # a few bright pixels are beyond the percentiles
    centred: np.ndarray = (values - values.mean(dtype=np.float64)) / contrast
    return np.ascontiguousarray(centred, np.float32)


def gradients(image: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Give the gradient of the strongest channel, in units of the blurred step that it comes from.

    A step of the image's whole contrast has a gradient of 1, whatever sigma: a blurred step's greatest slope is
    its height / (sigma sqrt(2 pi)).

    Args:
        image: (H, W, D) of any number type.
        sigma: of the Gaussian, pixels, > 0.

    Returns:
        Along the columns and along the rows, each (H, W) float32.
    """
    along_x, along_y, strength = (np.zeros(image.shape[:2], np.float32) for _ in range(3))
    for plane in planes(image):
        blurred = cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        dx, dy = (
            cv2.Sobel(blurred, cv2.CV_32F, *order, ksize=1, scale=0.5 * sigma * np.sqrt(2 * np.pi),
                      borderType=cv2.BORDER_REPLICATE)
            for order in ((1, 0), (0, 1))
        )  # fmt: skip
        stronger = (squared := dx * dx + dy * dy) > strength
        for kept, new in ((along_x, dx), (along_y, dy), (strength, squared)):
            kept[stronger] = new[stronger]
    return along_x, along_y
