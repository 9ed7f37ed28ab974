"""Binary morphology on one mask: opening, closing, holes and small objects.

Objects are connected by sides and corners, holes by sides only (the two must differ, or a diagonal line would both
part and not part the background).
"""

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion, label

__all__ = ["EIGHT", "closing", "fill_holes", "keep_objects", "opening"]

EIGHT = np.ones((3, 3), bool)
"""Connected by sides and corners."""


def _disc(radius: int) -> np.ndarray:
    return np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1]) <= radius


def opening(mask: np.ndarray, radius: int) -> np.ndarray:
    """Keep what a disc inside the mask can reach: specks and thin lines go.

    What lies beyond the frame is not asked: an object that the frame cuts is not worn down there.

    Args:
        mask: (H, W) bool.
        radius: of the disc, pixels, >= 1.
    """
    eroded = binary_erosion(mask, _disc(radius), border_value=1)
    return binary_dilation(eroded, _disc(radius))


def closing(mask: np.ndarray, radius: int) -> np.ndarray:
    """Add what no disc outside the mask can reach: gaps and cracks close.

    Beyond the frame there is no object, so that nothing grows together with the frame.

    Args:
        mask: (H, W) bool.
        radius: of the disc, pixels, >= 1.
    """
    dilated = binary_dilation(np.pad(mask, radius), _disc(radius))
    return binary_erosion(dilated, _disc(radius))[radius:-radius, radius:-radius]


def fill_holes(mask: np.ndarray, max_area: float = np.inf) -> np.ndarray:
    """Fill the holes of up to `max_area` pixels; a gap that is open to the frame is no hole.

    Args:
        mask: (H, W) bool.
        max_area: pixels.
    """
    regions, _ = label(~mask)
    is_hole = np.bincount(regions.ravel()) <= max_area  # (regions + 1,)
    is_hole[0] = False  # the mask itself
    for edge in (regions[0], regions[-1], regions[:, 0], regions[:, -1]):
        is_hole[edge] = False
    return mask | is_hole[regions]


def keep_objects(mask: np.ndarray, min_area: int = 0, largest: bool = False) -> np.ndarray:
    """Keep the objects of at least `min_area` pixels, or of these only the largest one (the first of equals).

    Args:
        mask: (H, W) bool.
        min_area: pixels.
        largest: keep one object.
    """
    objects, _ = label(mask, EIGHT)
    areas = np.bincount(objects.ravel())  # (objects + 1,)
    areas[0] = 0
    kept = areas >= max(min_area, 1)
    if largest:
        kept &= np.arange(len(areas)) == areas.argmax()
    return kept[objects]
