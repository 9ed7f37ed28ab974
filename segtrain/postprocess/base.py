"""What post-processors share: checked parameters, and one answer where each class's mask is refined by itself."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from scipy.ndimage import find_objects, label

from segtrain.errors import ConfigError
from segtrain.postprocess.binary import EIGHT
from segtrain.postprocess.decision import agree

__all__ = ["ByClass", "boxed", "by_class", "check"]

NOBODY = -1


def check(step: object, laws: dict[str, tuple[bool, str]], classes: list[int] | None = None) -> None:
    """Refuse what a constructor stored, all faults at once.

    Args:
        step: with its parameters under their own names.
        laws: parameter -> whether it holds, and how it must be.
        classes: class numbers to work on; None = all but 0.

    Raises:
        ConfigError: "The 'radius' of Opening must be at least 1 pixel, got 0".
    """
    name = type(step).__name__
    faults = [
        f"The '{key}' of {name} must be {law}, got {getattr(step, key)}" for key, (ok, law) in laws.items() if not ok
    ]
    faults += [f"The 'classes' of {name} must be class numbers, 0 or more, got {c}" for c in classes or [] if c < 0]
    if faults:
        option = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        raise ConfigError(f"postprocess.{option} cannot be built:", faults)


class ByClass(ABC):
    """A step that refines each class's mask by itself, whatever the image."""

    idempotent = False  # what one class lets go falls to another and may be refined there the next time
    classes: list[int] | None
    reach = 1
    """How far beyond the mask's pixels `refine` looks and changes, pixels, >= 1."""

    def __call__(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Refine: `probs` (C, H, W) float32 -> (C, H, W) float32; the image is not looked at."""
        return by_class(self, probs, self.classes, self._refine_box)

    def _refine_box(self, mask: np.ndarray) -> np.ndarray:
        box = boxed(mask, self.reach)
        refined = np.zeros_like(mask)
        refined[box] = self.refine(mask[box])
        return refined

    @abstractmethod
    def refine(self, mask: np.ndarray) -> np.ndarray:
        """Give the mask as it should be: (H, W) bool, with a pixel at least -> (H, W) bool."""


def boxed(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Give the bounding box of a mask (H, W) with a pixel at least, and `margin` pixels of what surrounds it."""
    ((rows, columns),) = find_objects(mask.view(np.uint8))
    return (
        slice(max(rows.start - margin, 0), rows.stop + margin),
        slice(max(columns.start - margin, 0), columns.stop + margin),
    )


def by_class(
    step: object, probs: np.ndarray, classes: list[int] | None, refine: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Refine each class's mask by itself, and settle what classes then compete for.

    A pixel that several refined classes claim goes to the most probable of them; a class that is not refined gives
    way. A pixel that its class lets go, and that no other claims, goes to the most probable of the other classes
    that border its region (a connected region of such pixels), so that no new speck arises inside another object.

    Args:
        step: who asks, named where `classes` are not those of the probabilities.
        probs: (C, H, W) float32; left as it is.
        classes: numbers of the classes to refine; None = all but 0.
        refine: mask (H, W) bool with a pixel at least -> (H, W) bool.

    Returns:
        (C, H, W) float32, changed where the class changes only.

    Raises:
        ConfigError: the probabilities have no such class.
    """
    num_classes = len(probs)
    classes = list(range(1, num_classes)) if classes is None else classes
    if any(c >= num_classes for c in classes):
        name = type(step).__name__
        raise ConfigError(f"The 'classes' of {name} must be among the classes 0 to {num_classes - 1}, got {classes}")
    mask = probs.argmax(0)  # (H, W)
    claimant, strength = np.full_like(mask, NOBODY), np.full_like(probs[0], -1)  # (H, W)
    for c in classes:
        own = mask == c
        claimed = (refine(own) if own.any() else own) & (probs[c] > strength)
        claimant[claimed] = c
        strength[claimed] = probs[c][claimed]
    let_go = np.isin(np.arange(num_classes), classes)[mask]  # (H, W)
    owner = np.where((claimant == NOBODY) & ~let_go, mask, claimant)
    return agree(probs, _join(owner, mask, probs))


def _join(owner: np.ndarray, mask: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Give each pixel without an owner (H, W) to the most probable class that borders its region.

    It goes back to the class that let it go only where no other class borders the region.
    """
    left = owner == NOBODY
    if not left.any():
        return owner
    regions, num_regions = label(left, EIGHT)
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
