"""Mistakes in an outline: too tight, too wide, either, shaky, or drawn with too few corners."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from scipy import ndimage

from segtrain.data.corrupt.base import Draw, require
from segtrain.data.corrupt.strength import LengthCorruption, pick, require_limits
from segtrain.instances import Shape

__all__ = ["BoundaryJitter", "Dilate", "Erode", "ErodeDilate", "Polygon", "innermost", "move_outline", "smooth_field"]


def signed_distance(pixels: np.ndarray) -> np.ndarray:
    """Give the distance to the outline, in pixels, negative inside; `pixels` (h, w) bool.

    The outline runs half-way between the centres of the last pixel inside and the first one outside.
    """
    inside, outside = (
        cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for part in (pixels, ~pixels)
    )
    return np.where(pixels, 0.5 - inside, outside - 0.5)


def move_outline(shape: Shape, displacement: float | np.ndarray) -> Shape:
    """Move the outline outward by `displacement` pixels, a number or (h, w); the innermost pixels always stay."""
    distance = signed_distance(shape.pixels)
    return shape._replace(pixels=distance < np.maximum(displacement, distance.min() + 1e-3))


def innermost(pixels: np.ndarray) -> np.ndarray:
    """Give the pixels of an object (h, w) bool that lie farthest from its outline: what no mistake takes away."""
    distance = signed_distance(np.pad(pixels, 1))[1:-1, 1:-1]
    return distance < distance.min() + 1e-3


@dataclass(kw_only=True)
class Erode(LengthCorruption):
    """Outlines drawn too tight (a biased error): every object loses a rim, but never vanishes.

    Args:
        radius: [low, high], width of the rim, drawn evenly.
    """

    radius: list[float] = field(default_factory=lambda: [1.0, 3.0])

    def __post_init__(self) -> None:
        super().__post_init__()
        require_limits(self, "radius")

    def _redraw(self, shape: Shape, draw: Draw) -> Shape:
        return move_outline(shape.padded(1), -self._pixels(pick(self.radius, draw.strength), shape))


@dataclass(kw_only=True)
class Dilate(LengthCorruption):
    """Outlines drawn too wide (a biased error): every object gains a rim.

    Args:
        radius: [low, high], width of the rim, drawn evenly.
    """

    radius: list[float] = field(default_factory=lambda: [1.0, 3.0])

    def __post_init__(self) -> None:
        super().__post_init__()
        require_limits(self, "radius")

    def _redraw(self, shape: Shape, draw: Draw) -> Shape:
        radius = self._pixels(pick(self.radius, draw.strength), shape)
        return move_outline(shape.padded(int(radius) + 1), radius)


@dataclass(kw_only=True)
class ErodeDilate(LengthCorruption):
    """Outlines drawn too tight or too wide with equal chance, an unbiased error (Yao et al. 2023, noise "DE").

    Unbiased is the place of the outline: of the area the wide ones gain more than the tight ones lose, by 2 pi r^2
    for each pair of convex objects. A small object keeps its innermost pixels.

    Args:
        radius: [low, high], width of the rim, drawn evenly.
    """

    radius: list[float] = field(default_factory=lambda: [1.0, 3.0])

    def __post_init__(self) -> None:
        super().__post_init__()
        require_limits(self, "radius")

    def _redraw(self, shape: Shape, draw: Draw) -> Shape:
        radius = self._pixels(pick(self.radius, draw.strength), shape)
        return move_outline(shape.padded(int(radius) + 1), radius if draw.turn < 0.5 else -radius)


@dataclass(kw_only=True)
class BoundaryJitter(LengthCorruption):
    """Shaky outlines (an unbiased error): a smooth random field, as often outward as inward, moves each outline.

    Args:
        displacement: [low, high], standard deviation of the outline's displacement, drawn evenly.
        length: over which the displacement changes (standard deviation of the Gaussian that smooths it); at least
            1 pixel is taken. Shorter than the displacement, it tears specks off the objects.
    """

    displacement: list[float] = field(default_factory=lambda: [1.0, 3.0])
    length: float = 6.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_limits(self, "displacement")
        require(self.length > 0, self, "length", "greater than 0")

    def _redraw(self, shape: Shape, draw: Draw) -> Shape:
        deviation = self._pixels(pick(self.displacement, draw.strength), shape)
        window = shape.padded(int(4 * deviation) + 1)  # beyond 4 standard deviations nothing moves
        length = max(1.0, self._pixels(self.length, shape))
        return move_outline(window, deviation * smooth_field(window.pixels.shape, length, draw.rng))


@dataclass(kw_only=True)
class Polygon(LengthCorruption):
    """Outlines clicked with too few corners (Ramer-Douglas-Peucker); convex objects shrink a little.

    Args:
        tolerance: [low, high], how far the outline may lie from the true one, drawn evenly.
    """

    tolerance: list[float] = field(default_factory=lambda: [1.0, 4.0])

    def __post_init__(self) -> None:
        super().__post_init__()
        require_limits(self, "tolerance")

    def _redraw(self, shape: Shape, draw: Draw) -> Shape:
        tolerance = self._pixels(pick(self.tolerance, draw.strength), shape)
        outlines, _ = cv2.findContours(shape.pixels.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        drawn = np.zeros(shape.pixels.shape, np.uint8)
        cv2.fillPoly(drawn, [cv2.approxPolyDP(outline, tolerance, True) for outline in outlines], 1)
        return shape._replace(pixels=drawn > 0)


def smooth_field(size: tuple[int, ...], length: float, rng: np.random.Generator) -> np.ndarray:
    """Give a random field (h, w) of mean 0 and standard deviation 1 at each pixel, smooth over `length` pixels."""
    step = max(1.0, length / 3)  # a grid as coarse as the smoothness allows
    sigma = length / step
    border = int(4 * sigma) + 1  # cut off again, so that the field is the same at the edge as in the middle
    coarse = [int(np.ceil(side / step)) + 1 for side in size]
    white = rng.standard_normal([side + 2 * border for side in coarse])
    blurred = ndimage.gaussian_filter(white, sigma)[border:-border, border:-border]
    blurred *= 2 * np.sqrt(np.pi) * sigma  # a Gaussian filter leaves white noise a variance of 1 / (4 pi sigma^2)
    rows, columns = (np.arange(side, dtype=np.float32) / np.float32(step) for side in size)
    across, down = np.meshgrid(columns, rows)  # (h, w)
    return cv2.remap(blurred.astype(np.float32), across, down, cv2.INTER_LINEAR)  # (h, w)
