"""Pacing functions: how much of the data a curriculum draws at which point of its growth."""

import math
from typing import Literal

__all__ = ["Pacing", "pace"]

Pacing = Literal["linear", "root", "step"]


def pace(kind: Pacing, start: float, progress: float) -> float:
    """Give the share of samples in use, from `start` at progress 0 to 1 at progress 1 (Wu et al. 2021, table 2).

    Args:
        kind: "linear" grows evenly; "root" fast at first, so that each new share has the same time to be learned
            (Platanios et al. 2019, eq. 8 with p = 2); "step" takes all at once at progress 1.
        start: share in (0, 1].
        progress: in [0, inf); past 1 all samples are in use.

    >>> pace("linear", 0.5, 0.5)
    0.75
    """
    if progress >= 1.0:
        return 1.0
    if kind == "step":
        return start
    if kind == "root":
        return math.sqrt(start**2 + (1.0 - start**2) * progress)
    return start + (1.0 - start) * progress
