"""Pull outlines to the image's edges, where such edges are near and run along them."""

from typing import NamedTuple

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt, map_coordinates
from scipy.sparse import csr_array, diags_array

from segtrain.postprocess import binary
from segtrain.postprocess.base import boxed, by_class, check
from segtrain.postprocess.guide import gradients

__all__ = ["Edges", "canny"]

STEP = 0.5
"""Pixels between the places where an edge is looked for across an outline."""
ALONG = 8
"""Averages over neighbours along an outline: a Gaussian of about sqrt(2 * 8 / 3) = 2.3 pixels."""
ALIGNED = np.cos(np.pi / 4)
"""Between an edge's and an outline's normal, so that edges that cross an outline do not count."""
NEIGHBOURS = tuple(np.ndindex(3, 3))
"""Of a pixel of a padded map, and itself."""


class Field(NamedTuple):
    """Edges of an image."""

    edges: np.ndarray
    """(H, W) bool, one pixel thin."""
    normals: np.ndarray
    """(2, H, W) float32, along rows and columns, of length 1 where there is a gradient."""
    strength: np.ndarray
    """(H, W) float32, in units of the image's contrast."""


def canny(image: np.ndarray, sigma: float, low: float, high: float) -> Field:
    """Find edges: the crests of the gradient above `low` that are connected with one above `high` (Canny 1986).

    Args:
        image: (H, W, D) of any number type; of several channels the strongest counts.
        sigma: of the Gaussian, pixels, > 0.
        low, high: heights of steps, as shares of the image's contrast (from its 1st to its 99th percentile).
    """
    dx, dy = gradients(image, sigma)
    strength = np.hypot(dx, dy)
    unit = 10000 / max(strength.max(), 1e-6)  # OpenCV takes 16-bit gradients
    dx_16, dy_16 = (np.rint(each * unit).astype(np.int16) for each in (dx, dy))
    edges = np.asarray(cv2.Canny(dx_16, dy_16, low * unit, high * unit, L2gradient=True))
    normals = np.stack([dy, dx]) / np.maximum(strength, 1e-12)
    return Field(edges > 0, normals, strength)


class Edges:
    """Pull each class's outlines to the nearest edge that runs along them, and leave them where there is none.

    Edges are Canny's. From each pixel of an outline they are looked for along its normal, as far as the radius and not
    beyond the middle of a thin object or gap. Neighbours along the outline vote for a distance; where enough of
    them find an edge there, the outline moves to the crest of the gradient, to a fraction of a pixel, else it stays.
    Pixels farther from the given outline than the radius never change, and an object's deepest pixels stay with it.

    It costs three distance transforms for each class, and some 80 (4 radius + 1) bytes for each pixel of an outline.

    Args:
        radius: how far an outline may move, pixels, >= 1.
        sigma: of the Gaussian before the gradient, pixels, > 0.
        high: a step in the image of so much of its contrast is an edge, in (0, 1].
        low: a step so high goes on with one, in (0, high].
        agreement: share of the neighbouring outline that must find the edge, in (0, 1].
        classes: numbers of the classes to pull; None = all but 0.

    Raises:
        ConfigError: a value is out of its range; or, when called, the probabilities have no such class.
    """

    idempotent = False  # from the new outline, further edges are near

    def __init__(
        self,
        radius: int = 3,
        sigma: float = 1.0,
        high: float = 0.2,
        low: float = 0.1,
        agreement: float = 0.6,
        classes: list[int] | None = None,
    ) -> None:
        self.radius = radius
        self.sigma = sigma
        self.high = high
        self.low = low
        self.agreement = agreement
        self.classes = classes
        laws = {
            "radius": (radius >= 1, "at least 1 pixel"),
            "sigma": (sigma > 0, "above 0 pixels"),
            "high": (0 < high <= 1, "in (0, 1]"),
            "low": (0 < low <= high, f"above 0 and at most 'high', {high}"),
            "agreement": (0 < agreement <= 1, "in (0, 1]"),
        }
        check(self, laws, classes)

    def __call__(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Pull: `probs` (C, H, W) float32, `image` (H, W, D) -> (C, H, W) float32."""
        field = canny(image, self.sigma, self.low, self.high)
        return by_class(self, probs, self.classes, lambda mask: self._pull(mask, field))

    def _pull(self, mask: np.ndarray, field: Field) -> np.ndarray:
        if mask.all():
            return mask
        box = boxed(mask, self.radius + 2)
        part = mask[box]
        signed = binary.signed_distance(part)
        rim = signed == -0.5
        near = distance_transform_edt(~rim, return_distances=False, return_indices=True)  # (2, h, w)
        local = Field(field.edges[box], field.normals[:, *box], field.strength[box])
        move = np.zeros(part.shape, np.float32)
        move[rim] = self._moves(signed, rim, local)
        pulled = mask.copy()
        pulled[box] = np.where(binary.deepest(signed), part, signed < move[tuple(near)])
        return pulled

    def _moves(self, signed: np.ndarray, rim: np.ndarray, field: Field) -> np.ndarray:
        """Tell how far outwards each pixel of the rim should move, (P,) pixels in [-radius, radius]; 0 = it stays."""
        normals = _normals(signed, self.radius)[:, rim]  # (2, P)
        offsets = np.arange(-self.radius, self.radius + STEP / 2, STEP, dtype=np.float32)  # (J,)
        # The rim's own pixels are at -0.5.
        at = np.argwhere(rim).T.astype(np.float32)[..., None] + normals[..., None] * (offsets + 0.5)  # (2, P, J)
        found = self._found(at, offsets, normals, signed, field)  # (P, J)
        crest = found * _between(field.strength, at) ** 2
        spread = np.hstack([found, crest, crest * offsets])
        neighbours = _neighbours(rim, normals.T)
        for _ in range(ALONG):
            spread = neighbours @ spread
        votes, mass, moment = np.split(spread, 3, axis=1)
        best = (votes * (1 - np.abs(offsets) / (2 * self.radius))).argmax(1)  # (P,), of two edges rather the nearer
        window = np.abs(offsets - offsets[best, None]) <= 2  # (P, J), the whole width of the crest
        move = (moment * window).sum(1) / np.maximum((mass * window).sum(1), 1e-12)
        agreed = votes[np.arange(len(best)), best] >= self.agreement
        return np.where(agreed, move, 0).clip(-self.radius, self.radius)

    def _found(
        self, at: np.ndarray, offsets: np.ndarray, normals: np.ndarray, signed: np.ndarray, field: Field
    ) -> np.ndarray:
        """Tell where there is an edge that belongs to this part of the outline and runs along it, (P, J) float32."""
        thick = cv2.dilate(field.edges.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
        own = np.abs(_between(signed, at) - offsets) < 0.75  # else the place is nearer to another part
        rows, columns = (
            np.rint(axis).astype(np.intp).clip(0, size - 1) for axis, size in zip(at, signed.shape, strict=True)
        )
        slope = (normals[..., None] * field.normals[:, rows, columns]).sum(0)
        return (own & thick[rows, columns] & (np.abs(slope) >= ALIGNED)).astype(np.float32)


def _normals(signed: np.ndarray, radius: int) -> np.ndarray:
    """Give the outward directions, (2, H, W) float32 along rows and columns."""
    smooth = cv2.GaussianBlur(signed.clip(-radius - 2, radius + 2), (0, 0), 1.5, borderType=cv2.BORDER_REPLICATE)
    slope = np.stack(np.gradient(smooth)) if min(signed.shape) > 1 else np.zeros((2, *signed.shape), np.float32)
    normals: np.ndarray = slope / np.maximum(np.hypot(*slope), 1e-6)
    return normals


def _between(plane: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolate a plane (H, W) at places (2, P, J), (P, J) float32; beyond the frame it is 0."""
    values: np.ndarray = map_coordinates(plane, at, order=1, output=np.float32)
    return values


def _neighbours(rim: np.ndarray, normals: np.ndarray) -> csr_array:
    """Give the mean over each pixel of a rim and its neighbours on the same side, as a matrix (P, P)."""
    number = np.full(np.add(rim.shape, 2), -1)
    number[1:-1, 1:-1][rim] = np.arange(len(normals))
    rows, columns = np.nonzero(number >= 0)
    pairs = [np.stack([number[rows, columns], number[rows + dy - 1, columns + dx - 1]]) for dy, dx in NEIGHBOURS]
    here, there = np.concatenate(pairs, axis=1)
    beside = (there >= 0) & ((here == there) | ((normals[here] * normals[there]).sum(1) > 0))
    matrix = csr_array((beside[beside].astype(np.float32), (here[beside], there[beside])), shape=(len(normals),) * 2)
    share = diags_array(1 / matrix.sum(1))
    return csr_array(share @ matrix, dtype=np.float32)
