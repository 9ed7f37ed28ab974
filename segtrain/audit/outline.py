"""Outlines of a mask: where they run between the pixels, and how far every pixel is from them."""

from typing import NamedTuple

import cv2
import numpy as np

__all__ = ["EIGHT", "LEAST_AREA", "Outline", "objects_of", "ruggedness", "signed_distance", "smoothed", "trace"]

EIGHT = 8
"""Objects are connected by sides and corners, holes by sides only."""
LEAST_AREA = 9
"""Pixels; what is smaller is a speck, no object."""
BLUR = 1.5
"""Pixels, the Gaussian that takes off what an outline has of pixel-sized teeth."""


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Give each pixel's distance to the outline in pixels, negative inside: (H, W) bool -> (H, W) float32.

    The outline runs half-way between the centres of the last pixel inside and the first one outside. The image's
    frame is no outline, for nobody drew it. Without an outline every pixel is a diagonal away from it.

    >>> signed_distance(np.array([[False, True, True]])).tolist()
    [[0.5, -0.5, -1.5]]
    """
    if mask.all() or not mask.any():
        return np.full(mask.shape, np.hypot(*mask.shape) * (-1 if mask.any() else 1), np.float32)
    inside, outside = (
        cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for part in (mask, ~mask)
    )
    return np.where(mask, 0.5 - inside, outside - 0.5)


class Outline(NamedTuple):
    """Points of an outline, each between a pixel inside and a neighbour outside."""

    inner: np.ndarray
    """(P,) int, the pixel inside, counted along the rows."""
    outer: np.ndarray
    """(P,) int, the pixel outside."""
    place: np.ndarray
    """(P,) float32 in (0, 1), the point's place on the way from the one to the other."""

    def values(self, field: np.ndarray) -> np.ndarray:
        """Read a field (H, W) at the points, linearly between the two pixels: (P,)."""
        flat = field.ravel()
        return (1 - self.place) * flat[self.inner] + self.place * flat[self.outer]


def trace(margin: np.ndarray, valid: np.ndarray) -> Outline:
    """Give the outline of `margin > 0`, where the margin crosses 0.

    A hard mask as +1 and -1 has its points half-way; probabilities tell where between the pixels they belong. Beside
    an ignored pixel there is no outline, nor at the frame.

    Args:
        margin: (H, W) float, how far a class leads (or trails) the strongest other one.
        valid: (H, W) bool, False where ignored.
    """
    numbers = np.arange(margin.size).reshape(margin.shape)
    parts = []
    for here, there in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        crosses = ((margin[here] > 0) != (margin[there] > 0)) & valid[here] & valid[there]
        first, second = numbers[here][crosses], numbers[there][crosses]
        leads = margin.ravel()[first] > 0
        parts.append((np.where(leads, first, second), np.where(leads, second, first)))
    inner, outer = (np.concatenate(side) for side in zip(*parts, strict=True))
    lead, trail = np.abs(margin.ravel()[inner]), np.abs(margin.ravel()[outer])
    return Outline(inner, outer, (lead / np.maximum(lead + trail, 1e-12)).astype(np.float32))


def objects_of(mask: np.ndarray, connectivity: int = EIGHT) -> tuple[np.ndarray, np.ndarray]:
    """Give the objects of a mask (H, W) bool: their numbers (H, W) int32, 0 outside, and areas (M + 1,), 0 first."""
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    areas[0] = 0
    return numbers, areas[:count]


def smoothed(mask: np.ndarray) -> np.ndarray:
    """Give a mask (H, W) bool without teeth and specks: what is inside for most of a pixel's surroundings."""
    blurred = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), BLUR, borderType=cv2.BORDER_REPLICATE)
    return blurred > 0.5


def ruggedness(mask: np.ndarray) -> float:
    """Give how many teeth and notches smoothing takes off, as a share of the pixels inside along the outline.

    Smoothing shrinks what is small or thin and cuts corners, without that anybody's hand was unsteady: counted is
    twice the lesser of the pixels that it adds and of those that it takes away. NaN without an outline. It is the
    label's own; no model is asked.
    """
    plane = mask.astype(np.uint8)
    rim = int(plane.sum()) - int(cv2.erode(plane, np.ones((3, 3), np.uint8)).sum())
    after = smoothed(mask)
    return 2.0 * min(int((after & ~mask).sum()), int((mask & ~after).sum())) / rim if rim else np.nan
