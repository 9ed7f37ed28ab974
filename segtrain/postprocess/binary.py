"""Binary morphology on one mask: erosion, dilation, opening, closing, holes and small objects.

Objects are connected by sides and corners, holes by sides only (the two must differ, or a diagonal line would both
part and not part the background).
"""

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt, label, maximum_filter

__all__ = [
    "EIGHT", "closing", "deepest", "dilation", "erosion", "fill_holes", "keep_objects", "opening", "signed_distance",
]  # fmt: skip

EIGHT = np.ones((3, 3), bool)
"""Connected by sides and corners."""


def erosion(mask: np.ndarray, radius: int) -> np.ndarray:
    """Keep the pixels from which a disc reaches nothing outside the mask.

    What lies beyond the frame is not asked: an object that the frame cuts is not worn down there.

    Args:
        mask: (H, W) bool.
        radius: of the disc, pixels, >= 1.
    """
    return cv2.erode(mask.view(np.uint8), _disc(radius)).view(bool)


def dilation(mask: np.ndarray, radius: int) -> np.ndarray:
    """Add the pixels from which a disc reaches the mask.

    Args:
        mask: (H, W) bool.
        radius: of the disc, pixels, >= 1.
    """
    return cv2.dilate(mask.view(np.uint8), _disc(radius)).view(bool)


def _disc(radius: int) -> np.ndarray:
    inside: np.ndarray = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1]) <= radius
    return inside.view(np.uint8)


def opening(mask: np.ndarray, radius: int) -> np.ndarray:
    """Keep what a disc inside the mask can reach: specks and thin lines go. See `erosion` for the frame.

    Args:
        mask: (H, W) bool.
        radius: of the disc, pixels, >= 1.
    """
    return dilation(erosion(mask, radius), radius)


def closing(mask: np.ndarray, radius: int) -> np.ndarray:
    """Add what no disc outside the mask can reach: gaps and cracks close.

    Beyond the frame there is no object, so that nothing grows together with the frame.

    Args:
        mask: (H, W) bool.
        radius: of the disc, pixels, >= 1.
    """
    return erosion(dilation(np.pad(mask, radius), radius), radius)[radius:-radius, radius:-radius]


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


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Give how far each pixel's centre lies from the outline, negative inside the mask.

    Args:
        mask: (H, W) bool, neither empty nor full.

    Returns:
        (H, W) float32, pixels; -0.5 and 0.5 beside the outline.
    """
    # OpenCV's transform is faster, but its last bits differ from call to call.
    inside, outside = (distance_transform_edt(part).astype(np.float32) for part in (mask, ~mask))
    signed: np.ndarray = np.where(mask, 0.5 - inside, outside - 0.5)
    return signed


def deepest(signed: np.ndarray) -> np.ndarray:
    """Tell which pixels have no deeper one beside them, be it in an object or in a gap: what keeps thin ones alive.

    Args:
        signed: (H, W), distance from the outline.
    """
    depth = np.abs(signed)
    crest: np.ndarray = depth == maximum_filter(depth, 3)
    return crest
