"""Let probabilities follow the image by a guided filter, the cheap relative of a conditional random field."""

from typing import Literal

import cv2
import numpy as np

from segtrain.postprocess.base import check
from segtrain.postprocess.guide import planes

__all__ = ["Refine", "guided_filter"]


class Refine:
    """Smooth the probabilities, but not across what looks different in the image (guided filter, He et al. 2013).

    It moves outlines to edges nearby, and smears probabilities where the image is even. With three channels it costs 8
    box filters for each class and 9 more, whatever the radius, and some 400 bytes a pixel.

    Args:
        radius: half of the side of the square windows, pixels, >= 1.
        epsilon: variance, in units of the image's squared contrast, below which a window counts as even, > 0.
        guide: "colour": all channels of the image; "grey": their mean, at a third of the cost.

    Raises:
        ConfigError: a value is out of its range.
    """

    idempotent = False

    def __init__(self, radius: int = 4, epsilon: float = 0.001, guide: Literal["colour", "grey"] = "colour") -> None:
        self.radius = radius
        self.epsilon = epsilon
        self.guide = guide
        laws = {
            "radius": (radius >= 1, "at least 1 pixel"),
            "epsilon": (epsilon > 0, "above 0"),
            "guide": (guide in ("colour", "grey"), "colour or grey"),
        }
        check(self, laws)

    def __call__(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Refine: `probs` (C, H, W) float32, `image` (H, W, D) -> (C, H, W) float32."""
        guide = planes(image)
        guide = guide.mean(0, keepdims=True) if self.guide == "grey" else guide
        filtered = guided_filter(guide, probs, self.radius, self.epsilon).clip(0)
        return filtered / filtered.sum(0)


def guided_filter(guide: np.ndarray, planes: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """Make each plane, in every window, a linear function of the guide (He, Sun and Tang 2013, section 3).

    In a window k a plane p is fitted by a_k . I + b_k of the guide I, with epsilon |a_k|^2 as a ridge: a_k =
    (cov(I) + epsilon 1)^-1 cov(I, p) and b_k = mean(p) - a_k . mean(I). A pixel's result is the mean of what the
    windows that hold it say. Windows end at the frame. Sums are of 64 bits, or variances would drown in them.

    Args:
        guide: (D, H, W) float.
        planes: (C, H, W) float.
        radius: half of a window's side, pixels, >= 1.
        epsilon: in units of the guide's squared values, > 0.

    Returns:
        (C, H, W) float32; planes that sum to 1 still do so.
    """
    window = _Window(guide.shape[1:], radius)
    guide = guide.astype(np.float64)
    mean = window.means(guide)  # (D, H, W)
    depth = len(guide)
    covariance = np.empty((depth, depth, *guide.shape[1:]))
    for d in range(depth):
        covariance[d, d:] = window.means(guide[d] * guide[d:]) - mean[d] * mean[d:]
        covariance[d:, d] = covariance[d, d:]
        covariance[d, d] += epsilon
    inverse = _inverse(covariance)
    filtered = np.empty(planes.shape, np.float32)
    for plane, result in zip(planes.astype(np.float64), filtered, strict=True):
        middle = window.means(plane[None])[0]
        shared = window.means(guide * plane) - mean * middle  # (D, H, W)
        slopes = np.einsum("dehw,ehw->dhw", inverse, shared)
        level = window.means((middle - (slopes * mean).sum(0))[None])[0]
        result[:] = (window.means(slopes) * guide).sum(0) + level
    return filtered


class _Window:
    """Means over square windows, cut by the frame."""

    def __init__(self, shape: tuple[int, ...], radius: int) -> None:
        self.side = (2 * radius + 1,) * 2
        self.pixels = self._sums(np.ones(shape))

    def means(self, planes: np.ndarray) -> np.ndarray:
        """Give the means around each pixel: (P, H, W) float64 -> the same."""
        return np.stack([self._sums(plane) for plane in planes]) / self.pixels

    def _sums(self, plane: np.ndarray) -> np.ndarray:
        sums: np.ndarray = cv2.boxFilter(plane, cv2.CV_64F, self.side, normalize=False, borderType=cv2.BORDER_CONSTANT)
        return sums


def _inverse(matrices: np.ndarray) -> np.ndarray:
    """Invert symmetric positive definite matrices (D, D, H, W), plane by plane (Gauss and Jordan)."""
    rest, inverse = matrices.copy(), np.zeros_like(matrices)
    for d in range(len(rest)):
        inverse[d, d] = 1
    for d in range(len(rest)):
        pivot = rest[d, d].copy()
        rest[d] /= pivot
        inverse[d] /= pivot
        for e in range(len(rest)):
            if e != d:
                factor = rest[e, d].copy()
                rest[e] -= factor * rest[d]
                inverse[e] -= factor * inverse[d]
    return inverse
