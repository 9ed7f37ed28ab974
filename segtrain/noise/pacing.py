"""How things grow in the course of a training: the share of the data in use, the share of a loss term."""

import math
from typing import Literal

__all__ = ["Pacing", "pace", "sigmoid_rampup"]

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


def sigmoid_rampup(progress: float) -> float:
    """Give exp(-5 (1 - progress)^2), from near 0 up to 1 at progress 1 and after (Laine and Aila 2017, section 2.1).

    >>> round(sigmoid_rampup(0.0), 4), sigmoid_rampup(2.0)
    (0.0067, 1.0)
    """
    return math.exp(-5.0 * (1.0 - min(1.0, max(0.0, progress))) ** 2)
