"""Windows that climb to the modes of a density (Comaniciu & Meer 2002), and how wide they should be."""

from typing import Literal

import numpy as np

__all__ = ["Kernel", "estimate_bandwidth", "find_modes"]

Kernel = Literal["flat", "gaussian"]

REACH = {"flat": 1.0, "gaussian": 3.0}
"""Bandwidths beyond which a kernel is 0."""
STILL = 0.01
"""Bandwidths; a window that moves less has arrived."""
FAR = 1e6
"""Feature of what lies outside the image: in no window."""
LEAST = 1.0
"""The least bandwidth that is estimated: one unit of CIELAB is barely visible."""


def find_modes(
    features: np.ndarray, position_bandwidth: float, kernel: Kernel = "flat", max_moves: int = 50
) -> np.ndarray:
    """Move a window from each pixel to its mode (Comaniciu & Meer 2002, eq. 17 to 20).

    A window at y moves to sum_i x_i g(|y - x_i|^2) / sum_i g(|y - x_i|^2) over the pixels x_i, in units of the
    bandwidths; g is 1 up to a distance of 1 (flat), or exp(-d^2 / 2) up to 3 (Gaussian).

    Args:
        features: (H, W, F) float32, in bandwidths.
        position_bandwidth: pixels.
        kernel: see above.
        max_moves: of a window.

    Returns:
        (H, W, 2 + F) float32: row and column in pixels, and features.
    """
    height, width, _ = features.shape
    rows, columns = np.indices((height, width), dtype=np.float32)
    windows = np.stack([rows, columns, *np.moveaxis(features, -1, 0)]).reshape(2 + features.shape[-1], -1)
    rim = int(np.ceil(REACH[kernel] * position_bandwidth)) + 1
    padded = np.pad(features, ((rim, rim), (rim, rim), (0, 0)), constant_values=FAR)
    planes = np.ascontiguousarray(np.moveaxis(padded, -1, 0))  # (F, H + 2 rim, W + 2 rim)
    moving = np.arange(height * width)
    for _ in range(max_moves):
        before = windows[:, moving]
        after = _moved(before, planes, rim, position_bandwidth, kernel)
        windows[:, moving] = after
        steps = np.square(after - before)
        moving = moving[steps[:2].sum(0) / position_bandwidth**2 + steps[2:].sum(0) > STILL**2]
        if not len(moving):
            break
    return np.moveaxis(windows.reshape(-1, height, width), 0, -1)


def _moved(windows: np.ndarray, planes: np.ndarray, rim: int, position_bandwidth: float, kernel: Kernel) -> np.ndarray:
    """Move M windows (2 + F, M) once; a window's pixels are met one offset after another."""
    stride = planes.shape[2]
    flat = planes.reshape(len(planes), -1)
    centres = np.rint(windows[:2])
    start = ((centres[0] + rim) * stride + centres[1] + rim).astype(np.intp)
    fraction = centres - windows[:2]  # from the window to its central pixel
    sums = np.zeros_like(windows)
    total = np.zeros_like(windows[0])
    square = np.float32(REACH[kernel] ** 2)
    for row, column in _offsets(REACH[kernel] * position_bandwidth):
        parts = [fraction[0] + np.float32(row), fraction[1] + np.float32(column)]
        distance = (parts[0] * parts[0] + parts[1] * parts[1]) / np.float32(position_bandwidth**2)
        for plane, middle in zip(flat, windows[2:], strict=True):
            part = plane.take(start + (row * stride + column)) - middle
            distance += part * part
            parts.append(part)
        weight = (distance <= square).astype(np.float32)
        if kernel == "gaussian":
            weight *= np.exp(-0.5 * distance)
        total += weight
        for part, of_part in zip(parts, sums, strict=True):
            of_part += weight * part
    return windows + sums / np.maximum(total, np.finfo(np.float32).tiny)


def _offsets(radius: float) -> list[tuple[int, int]]:
    """Give rows and columns from a window's central pixel to those that may be within the radius of the window."""
    rim = int(np.ceil(radius))
    places = np.mgrid[-rim : rim + 1, -rim : rim + 1].reshape(2, -1).T
    return [(int(row), int(column)) for row, column in places if np.hypot(row, column) <= radius + np.sqrt(0.5)]


def estimate_bandwidth(features: np.ndarray, position_bandwidth: float) -> float:
    """Give the median distance of a pixel to those in its window, on average over the image.

    Args:
        features: (H, W, F).
        position_bandwidth: pixels.
    """
    height, width, _ = features.shape
    rim = int(position_bandwidth)
    padded = np.pad(features, ((rim, rim), (rim, rim), (0, 0)), mode="symmetric")
    distances = [
        np.linalg.norm(padded[rim + row :, rim + column :][:height, :width] - features, axis=-1)
        for row, column in _offsets(position_bandwidth - np.sqrt(0.5))
    ]
    return max(LEAST, float(np.median(distances, axis=0).mean()))
