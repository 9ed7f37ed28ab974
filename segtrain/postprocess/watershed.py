"""Part objects that touch, by a watershed from their middles."""

from typing import Literal

import numpy as np
from scipy.ndimage import label
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from segtrain.postprocess import binary
from segtrain.postprocess.base import by_class, check

__all__ = ["Watershed", "split_objects"]


class Watershed:
    """Draw a line, a pixel wide, between the objects of a class that have grown together (see `split_objects`).

    The line goes to the most probable other class that it meets, as a rule the background.

    Args:
        landscape: "distance": from the outline, for objects that are round; "probability": of the class, for a model
            that is less sure between objects.
        height: how far a saddle lies below the lower of two middles that are parted: pixels of "distance", or
            probability, > 0. Higher parts less.
        classes: numbers of the classes to part; None = all but 0.

    Raises:
        ConfigError: a value is out of its range; or, when called, the probabilities have no such class.
    """

    idempotent = False  # the halves have other middles than the whole had

    def __init__(
        self,
        landscape: Literal["distance", "probability"] = "distance",
        height: float = 0.75,
        classes: list[int] | None = None,
    ) -> None:
        self.landscape = landscape
        self.height = height
        self.classes = classes
        laws = {
            "landscape": (landscape in ("distance", "probability"), "distance or probability"),
            "height": (height > 0, "above 0"),
        }
        check(self, laws, classes)

    def __call__(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Part: `probs` (C, H, W) float32 -> (C, H, W) float32; the image is not looked at."""
        strength = probs.max(0) if self.landscape == "probability" else None  # of each pixel's own class
        return by_class(self, probs, self.classes, lambda mask: self._part(mask, strength))

    def _part(self, mask: np.ndarray, landscape: np.ndarray | None) -> np.ndarray:
        objects = np.pad(split_objects(mask, landscape, self.height), 1)
        own, height, width = objects[1:-1, 1:-1], *mask.shape
        parted = mask.copy()
        for y, x in np.ndindex(3, 3):  # of two neighbours of different objects, that of the lower number gives way
            parted &= objects[y : y + height, x : x + width] <= own
        return parted


def split_objects(mask: np.ndarray, landscape: np.ndarray | None = None, height: float = 0.75) -> np.ndarray:
    """Tell objects apart that touch: a watershed (Beucher and Lantuejoul 1979) from the middle of each.

    Middles are the landscape's h-maxima: tops that rise by more than `height` above the highest saddle on the way to a
    higher one (Soille 2003, section 6.3.4). Objects that do not touch, by side or corner, are never one, and each has
    a number.

    Args:
        mask: (H, W) bool.
        landscape: (H, W) float, highest in the middle of each object, such as a probability; None = distance from the
            outline in pixels.
        height: in units of the landscape, > 0.

    Returns:
        (H, W) int32, 1.. in objects, 0 elsewhere.
    """
    if landscape is None:
        landscape = np.zeros(mask.shape) if mask.all() else np.maximum(-binary.signed_distance(mask), 0)
    below = float(landscape.min()) - 2 * height  # beneath every object, so that each is an island, in the frame, too
    island, sunk = (
        np.pad(np.where(mask, each, below), 1, constant_values=below)
        for each in (landscape.astype(np.float64), landscape.astype(np.float64) - height)
    )
    tops = local_maxima(reconstruction(sunk, island, footprint=binary.EIGHT), connectivity=2)
    middles, _ = label(tops[1:-1, 1:-1] & mask, binary.EIGHT)
    objects: np.ndarray = watershed(-island[1:-1, 1:-1], middles, mask=mask, connectivity=2)
    return objects.astype(np.int32)
