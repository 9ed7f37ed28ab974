"""Clean masks by shape: what a disc reaches, holes, small objects; one step by one, or all in one."""

import numpy as np

from segtrain.postprocess import binary
from segtrain.postprocess.base import ByClass, check

__all__ = ["Closing", "Dilation", "Erosion", "FillHoles", "Morphology", "Opening", "RemoveSmall"]


class _Disc(ByClass):
    """What a disc of some radius does to each class's mask (Serra 1982); for pixels in dispute see `base.by_class`.

    Args:
        radius: of the disc, pixels, >= 1.
        classes: numbers of the classes to refine; None = all but 0.

    Raises:
        ConfigError: a value is out of its range; or, when called, the probabilities have no such class.
    """

    def __init__(self, radius: int = 1, classes: list[int] | None = None) -> None:
        self.radius = radius
        self.classes = classes
        check(self, {"radius": (radius >= 1, "at least 1 pixel")}, classes)
        self.reach = radius


class Erosion(_Disc):
    """Take away what lies within a radius of the outline, where outlines are drawn too wide; thinner objects go."""

    def refine(self, mask: np.ndarray) -> np.ndarray:
        return binary.erosion(mask, self.radius)


class Dilation(_Disc):
    """Add what lies within a radius of the objects, where outlines are drawn too tight; it ends at listed classes."""

    def refine(self, mask: np.ndarray) -> np.ndarray:
        return binary.dilation(mask, self.radius)


class Opening(_Disc):
    """Remove what a disc inside the objects cannot reach: specks, spurs, and thin structures that are right."""

    def refine(self, mask: np.ndarray) -> np.ndarray:
        return binary.opening(mask, self.radius)


class Closing(_Disc):
    """Add what a disc outside the objects cannot reach: gaps close, and objects less than two radii apart may join."""

    def refine(self, mask: np.ndarray) -> np.ndarray:
        return binary.closing(mask, self.radius)


class FillHoles(ByClass):
    """Fill the holes of each class's objects, small ones or all; what another listed class holds stays its own.

    Args:
        max_area: fill holes of up to so many pixels, >= 1; None = every hole.
        classes: numbers of the classes to fill; None = all but 0.

    Raises:
        ConfigError: a value is out of its range; or, when called, the probabilities have no such class.
    """

    def __init__(self, max_area: int | None = 64, classes: list[int] | None = None) -> None:
        self.max_area = max_area
        self.classes = classes
        check(self, {"max_area": (max_area is None or max_area >= 1, "at least 1 pixel")}, classes)

    def refine(self, mask: np.ndarray) -> np.ndarray:
        return binary.fill_holes(mask, np.inf if self.max_area is None else self.max_area)


class RemoveSmall(ByClass):
    """Remove each class's small objects, right ones, too; for small holes there is `FillHoles`.

    Args:
        min_area: remove objects of fewer pixels, >= 1.
        classes: numbers of the classes to sort out; None = all but 0.

    Raises:
        ConfigError: a value is out of its range; or, when called, the probabilities have no such class.
    """

    def __init__(self, min_area: int = 64, classes: list[int] | None = None) -> None:
        self.min_area = min_area
        self.classes = classes
        check(self, {"min_area": (min_area >= 1, "at least 1 pixel")}, classes)

    def refine(self, mask: np.ndarray) -> np.ndarray:
        return binary.keep_objects(mask, self.min_area)


class Morphology(ByClass):
    """Clean each class's mask in one go: opening, closing, holes, small objects, the largest object, in this order.

    Pixels in dispute are settled once, at the end, and not after each step (`base.by_class`).

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
        check(self, {key: (getattr(self, key) >= 0, "at least 0 pixels") for key in pixels}, classes)

    def refine(self, mask: np.ndarray) -> np.ndarray:
        if self.opening_radius:
            mask = binary.opening(mask, self.opening_radius)
        if self.closing_radius:
            mask = binary.closing(mask, self.closing_radius)
        if self.fill_holes or self.max_hole_area:
            mask = binary.fill_holes(mask, np.inf if self.fill_holes else self.max_hole_area)
        if self.min_object_area or self.keep_largest:
            mask = binary.keep_objects(mask, self.min_object_area, self.keep_largest)
        return mask
