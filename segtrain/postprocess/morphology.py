"""Clean masks by shape: opening, closing, holes, small objects, the largest object."""

import numpy as np
from scipy.ndimage import find_objects, label

from segtrain.errors import ConfigError
from segtrain.postprocess import binary
from segtrain.postprocess.decision import agree

__all__ = ["Morphology"]

NOBODY = -1


class Morphology:
    """Clean each class's mask: opening, closing, holes, small objects, the largest object, in this order.

    A pixel that several cleaned classes claim goes to the most probable of them; a class that is not cleaned gives
    way. A pixel that its class lets go, and that no other claims, goes to the most probable of the other classes
    that border its region (a connected region of such pixels), so that no new speck arises inside another object.

    Args:
        opening_radius: of the disc that removes specks and thin lines, pixels, >= 0; 0 = off. It also removes thin
            structures that are right.
        closing_radius: of the disc that closes gaps, pixels, >= 0; 0 = off.
        fill_holes: fill every hole, whatever its size.
        max_hole_area: fill holes of up to so many pixels, >= 0; 0 = off.
        min_object_area: remove objects of fewer pixels, >= 0; 0 = off.
        keep_largest: keep only the largest object of each class, as for an organ of which there is one.
        classes: numbers of the classes to clean; None = all but 0.

    Raises:
        ConfigError: a value is out of its range; or, when called, the probabilities have no such class.
    """

    idempotent = False  # a closing joins what the next opening, or the next removal, meets as another object

    def __init__(
        self,
        opening_radius: int = 0,
        closing_radius: int = 0,
        fill_holes: bool = False,
        max_hole_area: int = 64,
        min_object_area: int = 64,
        keep_largest: bool = False,
        classes: list[int] | None = None,
    ) -> None:
        self.opening_radius = opening_radius
        self.closing_radius = closing_radius
        self.fill_holes = fill_holes
        self.max_hole_area = max_hole_area
        self.min_object_area = min_object_area
        self.keep_largest = keep_largest
        self.classes = classes
        pixels = ("opening_radius", "closing_radius", "max_hole_area", "min_object_area")
        faults = [
            f"The '{key}' of Morphology must be at least 0 pixels, got {getattr(self, key)}"
            for key in pixels
            if getattr(self, key) < 0
        ]
        faults += [
            f"The 'classes' of Morphology must be class numbers, 0 or more, got {c}" for c in classes or [] if c < 0
        ]
        if faults:
            raise ConfigError("postprocess.morphology cannot be built:", faults)

    def __call__(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Clean: `probs` (C, H, W) float32 -> (C, H, W) float32; the image is not looked at."""
        num_classes = len(probs)
        classes = list(range(1, num_classes)) if self.classes is None else self.classes
        if any(c >= num_classes for c in classes):
            raise ConfigError(
                f"The 'classes' of Morphology must be among the classes 0 to {num_classes - 1}, got {classes}"
            )
        mask = probs.argmax(0)  # (H, W)
        claimant, strength = np.full_like(mask, NOBODY), np.full_like(probs[0], -1)  # (H, W)
        for c in classes:
            claimed = self._clean(mask == c) & (probs[c] > strength)
            claimant[claimed] = c
            strength[claimed] = probs[c][claimed]
        let_go = np.isin(np.arange(num_classes), classes)[mask]  # (H, W)
        owner = np.where((claimant == NOBODY) & ~let_go, mask, claimant)
        return agree(probs, _join(owner, mask, probs))

    def _clean(self, mask: np.ndarray) -> np.ndarray:
        """Clean one class's mask (H, W), within its bounding box and one pixel of what surrounds it."""
        if not mask.any():
            return mask
        ((rows, columns),) = find_objects(mask.astype(np.uint8))
        box = np.s_[max(rows.start - 1, 0) : rows.stop + 1, max(columns.start - 1, 0) : columns.stop + 1]
        part = mask[box]
        if self.opening_radius:
            part = binary.opening(part, self.opening_radius)
        if self.closing_radius:
            part = binary.closing(part, self.closing_radius)
        if self.fill_holes or self.max_hole_area:
            part = binary.fill_holes(part, np.inf if self.fill_holes else self.max_hole_area)
        if self.min_object_area or self.keep_largest:
            part = binary.keep_objects(part, self.min_object_area, self.keep_largest)
        cleaned = np.zeros_like(mask)
        cleaned[box] = part
        return cleaned


def _join(owner: np.ndarray, mask: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Give each pixel without an owner (H, W) to the most probable class that borders its region.

    It goes back to the class that let it go only where no other class borders the region.
    """
    left = owner == NOBODY
    if not left.any():
        return owner
    regions, num_regions = label(left, binary.EIGHT)
    borders = np.zeros((num_regions + 1, len(probs)), bool)
    around = np.pad(owner, 1, constant_values=NOBODY)
    for neighbour in (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]):
        meets = left & (neighbour != NOBODY)
        borders[regions[meets], neighbour[meets]] = True
    allowed = borders[regions[left]]  # (P, C)
    allowed |= ~allowed.any(1, keepdims=True)  # the whole image was let go
    others = allowed.copy()
    others[np.arange(len(others)), mask[left]] = False
    allowed = np.where(others.any(1, keepdims=True), others, allowed)
    joined = owner.copy()
    joined[left] = np.where(allowed, probs[:, left].T, -1).argmax(1)
    return joined
