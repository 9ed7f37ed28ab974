"""Mistakes that roughen an outline, as published: pixels that come and go at random, discs that are added and cut."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from segtrain.data.corrupt.base import Draw, ObjectCorruption, Shape, require
from segtrain.data.corrupt.outline import innermost, signed_distance
from segtrain.data.corrupt.strength import LengthCorruption, require_limits

__all__ = ["EdgeDistort", "Markov"]

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_BLUR = 5
_BAND = 3.0
"""How far from the outline pixels are flipped: what the blur can still turn over."""


@dataclass(kw_only=True)
class Markov(ObjectCorruption):
    """Outlines that wander pixel by pixel, to one side or to both (Yao et al. 2023, definition 1).

    In each step the object grows or shrinks: each pixel next to the outline joins or leaves it. At last pixels are
    flipped, and the mask is smoothed by a Gaussian (5 x 5 pixels, deviation 2) and cut at one half. As published
    the flips leave specks anywhere in the image; here they roughen the outline alone. An object never vanishes.

    Args:
        steps: T, at least 1; lengths are pixels, so a T is meant for images of its data's size.
        growth: theta_1, chance that a step grows, in [0, 1]: above 0.5 outlines are too wide, below too tight.
        pace: theta_2, chance that a pixel at the outline moves in a step, in [0, 1].
        flips: theta_3, chance that a pixel within 3 pixels of the outline is flipped at last, in [0, 0.5).
    """

    steps: int = 180
    growth: float = 0.8
    pace: float = 0.05
    flips: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.steps >= 1, self, "steps", "at least 1")
        require(0 <= self.growth <= 1, self, "growth", "in [0, 1]")
        require(0 <= self.pace <= 1, self, "pace", "in [0, 1]")
        require(0 <= self.flips < 0.5, self, "flips", "in [0, 0.5)")

    def _redraw(self, shape: Shape, draw: Draw) -> Shape:
        reach = min(self.steps, int(5 * self.pace * self.steps)) + _BLUR  # an outline runs at 2 to 3 times the pace
        window = shape.padded(reach)
        pixels = self._wander(window.pixels, draw.rng)
        near = np.abs(signed_distance(np.pad(pixels, 1))[1:-1, 1:-1]) < _BAND
        flipped = pixels ^ (near & (draw.rng.random(pixels.shape) < self.flips))
        smooth = cv2.GaussianBlur(flipped.astype(np.float32), (_BLUR, _BLUR), 2)
        return window._replace(pixels=(smooth > 0.5) | innermost(window.pixels))

    def _wander(self, pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        wandered = pixels.astype(np.uint8)  # (h, w)
        for grows in rng.random(self.steps) < self.growth:
            moved = (cv2.dilate if grows else cv2.erode)(wandered, _CROSS)
            rim = np.flatnonzero(moved != wandered)
            wandered.flat[rim[rng.random(len(rim)) < self.pace]] = grows
        return wandered > 0


@dataclass(kw_only=True)
class EdgeDistort(LengthCorruption):
    """Discs stuck onto an outline, then others cut out of it (the edge distortion of Zhang et al. 2020 and of PyMIC).

    The discs are many: outlines come out rough, and their bays filled, rather than moved. An object never vanishes.

    Args:
        radius: [low, high], of the discs, each drawn evenly.
        share: of the outline's pixels that are the middle of a disc, in [0, 1].
    """

    radius: list[float] = field(default_factory=lambda: [6.0, 12.0])
    share: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_limits(self, "radius")
        require(0 <= self.share <= 1, self, "share", "in [0, 1]")

    def _redraw(self, shape: Shape, draw: Draw) -> Shape:
        limits = [self._pixels(length, shape) for length in self.radius]
        window = shape.padded(int(limits[1]) + 2)
        stuck = self._discs(window.pixels, limits, draw.rng) | window.pixels
        cut = stuck & ~self._discs(stuck, limits, draw.rng)
        return window._replace(pixels=cut | innermost(window.pixels))

    def _discs(self, pixels: np.ndarray, limits: list[float], rng: np.random.Generator) -> np.ndarray:
        """Draw discs around pixels just outside of the object (h, w) bool."""
        inside = pixels.astype(np.uint8)
        rim = np.argwhere(cv2.dilate(inside, _CROSS) != inside)
        middles = rng.permutation(rim)[: round(self.share * len(rim))]
        discs = np.zeros_like(inside)
        radii = rng.uniform(limits[0], limits[1], len(middles))
        for (row, column), radius in zip(middles.tolist(), radii.tolist(), strict=True):
            cv2.circle(discs, (column, row), round(radius), 1, cv2.FILLED)
        return discs > 0
