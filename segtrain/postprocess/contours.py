"""Smooth outlines to a fraction of a pixel, or make polygons of them, without a change of area."""

from typing import Literal

import cv2
import numpy as np

from segtrain.postprocess.base import ByClass, check
from segtrain.postprocess.outlines import area, fill, following, offset, trace

__all__ = ["Contours"]

SMALL = 16
"""Pixels of area, or of outline, below which the pixels are all that is known of a shape."""
BEYOND = 16
"""Pixels by which objects that the frame cuts are taken to go on, so that they are not rounded there."""
SIDE = 8
"""Pixels, the longest side of which a corner is cut."""
OFFSETS = 3
"""Steps of Newton's method to the given area."""
CUTS = 3
"""Rounds of corner cutting; more changes less than a tenth of a pixel."""


class Contours(ByClass):
    """Smooth each class's outlines, holes' too, and give each the area that it had.

    "fourier": an outline as a complex function of its length, cut off after the lower frequencies (Zahn and Roskies
    1972; Granlund 1972). "polygon": the fewest corners within a tolerance of the outline (Douglas and Peucker 1973).
    "chaikin": such a polygon, corners cut at a quarter of its sides (Chaikin 1974). The result is then offset until
    its area is the given one; what is smaller than 16 pixels, or cannot be offset, stays as it is.

    Args:
        method: one of these.
        wavelength: of "fourier": what is finer goes, pixels, >= 2.
        harmonics: of "fourier", in place of `wavelength`: so many frequencies for each outline, long or short, >= 1.
        tolerance: of "polygon" and "chaikin", pixels, > 0.
        classes: numbers of the classes to smooth; None = all but 0.

    Raises:
        ConfigError: a value is out of its range; or, when called, the probabilities have no such class.
    """

    reach = BEYOND

    def __init__(
        self,
        method: Literal["fourier", "chaikin", "polygon"] = "fourier",
        wavelength: float = 12.0,
        harmonics: int | None = None,
        tolerance: float = 1.0,
        classes: list[int] | None = None,
    ) -> None:
        self.method = method
        self.wavelength = wavelength
        self.harmonics = harmonics
        self.tolerance = tolerance
        self.classes = classes
        laws = {
            "method": (method in ("fourier", "chaikin", "polygon"), "fourier, chaikin or polygon"),
            "wavelength": (wavelength >= 2, "at least 2 pixels"),
            "harmonics": (harmonics is None or harmonics >= 1, "at least 1"),
            "tolerance": (tolerance > 0, "above 0 pixels"),
        }
        check(self, laws, classes)

    def refine(self, mask: np.ndarray) -> np.ndarray:
        if mask.all():
            return mask
        outlines = trace(np.pad(mask, BEYOND, mode="edge"))
        smooth = [self._smooth(outline) for outline in outlines]
        return fill(smooth, tuple(np.add(mask.shape, 2 * BEYOND)))[BEYOND:-BEYOND, BEYOND:-BEYOND]

    def _smooth(self, outline: np.ndarray) -> np.ndarray:
        """Smooth one outline, corners (N, 2), to (M, 2)."""
        if len(outline) < SMALL or abs(size := area(outline)) < SMALL:
            return outline
        middles = (outline + following(outline)) / 2  # of the pixels' sides: stairs become slopes
        points = self._fourier(middles) if self.method == "fourier" else self._polygon(middles)
        for _ in range(OFFSETS):
            length = np.hypot(*(following(points) - points).T).sum()
            points = offset(points, (size - area(points)) / max(length, 1e-9))
        return points if abs(area(points) - size) < 0.01 * abs(size) else outline

    def _fourier(self, points: np.ndarray) -> np.ndarray:
        closed = np.concatenate([points, points[:1]])
        along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
        kept = self.harmonics or max(int(along[-1] / self.wavelength), 2)
        places = np.linspace(0, along[-1], len(points), endpoint=False)
        spectrum = np.fft.fft(np.interp(places, along, closed[:, 0]) + 1j * np.interp(places, along, closed[:, 1]))
        spectrum[kept + 1 : -kept] = 0
        curve = np.fft.ifft(spectrum)
        return np.stack([curve.real, curve.imag], 1)

    def _polygon(self, points: np.ndarray) -> np.ndarray:
        corners = cv2.approxPolyDP(points.astype(np.float32), self.tolerance, True)[:, 0].astype(np.float64)
        return _cut(corners) if self.method == "chaikin" else corners


def _cut(corners: np.ndarray) -> np.ndarray:
    """Cut the corners of a polygon (N, 2); long sides are parted first, or a corner would be cut far from itself."""
    side = following(corners) - corners
    parts = np.ceil(np.hypot(*side.T) / SIDE).astype(np.intp)
    of = np.repeat(np.arange(len(corners)), parts)
    share = (np.arange(len(of)) - np.repeat(np.cumsum(parts) - parts, parts)) / parts[of]
    points = corners[of] + share[:, None] * side[of]
    for _ in range(CUTS):
        after = following(points)
        points = np.stack([0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after], 1).reshape(-1, 2)
    return points
