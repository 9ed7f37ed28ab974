"""Let outlines settle where what is inside differs most from what is outside."""

import cv2
import numpy as np

from segtrain.postprocess import binary
from segtrain.postprocess.base import boxed, by_class, check
from segtrain.postprocess.guide import planes

__all__ = ["ActiveContour"]


class ActiveContour:
    """Move each class's outlines, a pixel at a time, to where both sides are most uniform, and keep them smooth.

    A pixel beside the outline goes to the side whose mean colour it is closer to (Chan and Vese 2001), the means
    being taken nearby (Lankton and Tannenbaum 2008), so that the background may be uneven; medians of 3 x 3 pixels
    stand for the curvature (as the morphological operators of Marquez-Neila et al. 2014 do). Pixels farther from the
    given outline than the radius never change, and an object's deepest pixels stay with it.

    Args:
        radius: how far an outline may move, pixels, >= 1.
        window: half of the side of the square in which means are taken, pixels, >= 2.
        iterations: steps at most, >= 1; it ends before where nothing moves.
        smoothing: medians after each step, >= 0.
        classes: numbers of the classes to move; None = all but 0.

    Raises:
        ConfigError: a value is out of its range; or, when called, the probabilities have no such class.
    """

    idempotent = False  # from the new outline it may go on

    def __init__(
        self,
        radius: int = 3,
        window: int = 10,
        iterations: int = 20,
        smoothing: int = 1,
        classes: list[int] | None = None,
    ) -> None:
        self.radius = radius
        self.window = window
        self.iterations = iterations
        self.smoothing = smoothing
        self.classes = classes
        laws = {
            "radius": (radius >= 1, "at least 1 pixel"),
            "window": (window >= 2, "at least 2 pixels"),
            "iterations": (iterations >= 1, "at least 1"),
            "smoothing": (smoothing >= 0, "at least 0"),
        }
        check(self, laws, classes)

    def __call__(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Move: `probs` (C, H, W) float32, `image` (H, W, D) -> (C, H, W) float32."""
        guide = planes(image)
        return by_class(self, probs, self.classes, lambda mask: self._settle(mask, guide))

    def _settle(self, given: np.ndarray, guide: np.ndarray) -> np.ndarray:
        if given.all():
            return given
        box = boxed(given, self.radius + self.window)
        signed = binary.signed_distance(given[box])
        free = (np.abs(signed) <= self.radius) & ~binary.deepest(signed)
        mask, before = given[box], given[box]
        for _ in range(self.iterations):
            stepped = self._step(mask, before, free, guide[:, *box])
            if np.array_equal(stepped, mask):
                break
            mask = stepped
        settled = given.copy()
        settled[box] = mask
        return settled

    def _step(self, mask: np.ndarray, given: np.ndarray, free: np.ndarray, guide: np.ndarray) -> np.ndarray:
        """Let each free pixel (H, W) beside the outline choose its side."""
        sides = [mask.astype(np.float32), (~mask).astype(np.float32)]
        square = (2 * self.window + 1,) * 2
        shares = [np.maximum(cv2.blur(side, square), 1e-6) for side in sides]
        lean = np.zeros(mask.shape, np.float32)  # positive: closer to what is inside
        for plane in guide:
            inside, outside = (
                cv2.blur(plane * side, square) / share for side, share in zip(sides, shares, strict=True)
            )
            lean += (plane - outside) ** 2 - (plane - inside) ** 2
        beside = binary.dilation(mask, 1) & ~binary.erosion(mask, 1) & (lean != 0)
        moved = np.where(beside, lean > 0, mask)
        for _ in range(self.smoothing):
            moved = cv2.medianBlur(moved.view(np.uint8), 3).view(bool)
        return np.where(free, moved, given)
