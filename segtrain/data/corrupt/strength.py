"""How strong a mistake is: the limits it is drawn from, and the unit of a length."""

from dataclasses import dataclass
from typing import Literal

from segtrain.data.corrupt.base import ObjectCorruption, Shape, require

__all__ = ["LengthCorruption", "pick", "require_limits"]


def pick(limits: list[float], draw: float) -> float:
    """Give the strength that a `draw` in [0, 1) stands for, evenly spread between two limits."""
    return limits[0] + draw * (limits[1] - limits[0])


def require_limits(owner: ObjectCorruption, key: str) -> None:
    """Refuse limits that are not two numbers in order.

    Raises:
        ConfigError: as it says.
    """
    limits = getattr(owner, key)
    require(len(limits) == 2 and 0 <= limits[0] <= limits[1], owner, key, "[low, high] with 0 <= low <= high")


@dataclass(kw_only=True)
class LengthCorruption(ObjectCorruption):
    """The shared home of mistakes whose strength is a length.

    Args:
        unit: of every length: "pixels", or "diameters" of the object (of the disc of equal area).
    """

    unit: Literal["pixels", "diameters"] = "pixels"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.unit in ("pixels", "diameters"), self, "unit", '"pixels" or "diameters"')

    def _pixels(self, length: float, shape: Shape) -> float:
        return length * shape.diameter if self.unit == "diameters" else length
