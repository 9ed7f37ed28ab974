"""When learning turns into memorising: the slope of the curve by which a network comes to agree with its labels."""

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit

__all__ = ["rise", "slope_drop"]

FEWEST = 4
"""Points that a fit of three parameters needs at least."""
LEARNED = 0.25
"""Agreement from which on a class counts as learned: what is not learned is not memorised either."""


def rise(t: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    """Give a (1 - exp(-t^b / c)), the agreement after t rounds of training (Liu et al. 2022, eq. 2)."""
    return a * (1 - np.exp(-(t**b) / c))


def slope_drop(agreement: Sequence[float]) -> float:
    """Give how far the slope has fallen since the first round, 1 - f'(now) / f'(1), at most 1 (Liu et al. 2022, eq. 3).

    The paper's curve is fitted to the points, those before the class is learned at all left out; later points count
    more, as in the authors' code. Fewer than four points tell nothing yet, and give 0: what a class gains in its first
    round is more than in any later one, even while it climbs. Where the curve cannot be fitted, as to one that falls,
    the slopes are those between the points: the last two rises' mean against the greatest of one round so far.

    Args:
        agreement: after each round, in [0, 1], such as the IoU of predictions with the given labels.

    >>> slope_drop([0.5, 0.7, 0.78, 0.79, 0.79]) > 0.9 > slope_drop([0.2, 0.4, 0.6])
    True
    """
    points = np.asarray(agreement, dtype=float)
    if not (points >= LEARNED).any():
        return 0.0
    points = points[np.argmax(points >= LEARNED) :]
    if len(points) < FEWEST:
        return 0.0
    fitted = _fitted_drop(points)
    return _drop_between(points) if fitted is None else fitted


def _fitted_drop(points: np.ndarray) -> float | None:
    rounds = np.arange(1.0, len(points) + 1)
    deviations = np.geomspace(1.0, 0.1, len(points))
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)  # of the errors of the parameters, which nobody asks for
            parameters, _ = curve_fit(
                rise, rounds, points, p0=(points.max(), 1, 1), sigma=deviations, bounds=([0, 0, 1e-6], [1, 1, np.inf])
            )
    except (RuntimeError, ValueError):
        return None
    first, now = _slope(rounds[0], *parameters), _slope(rounds[-1], *parameters)
    return float(1 - now / first) if np.isfinite(now) and first > 0 else None


def _slope(t: float, a: float, b: float, c: float) -> float:
    return float(a * b / c * t ** (b - 1) * np.exp(-(t**b) / c))


def _drop_between(points: np.ndarray) -> float:
    rises = np.diff(points, prepend=0.0)
    return float(np.clip(1 - rises[-2:].mean() / rises.max(), 0.0, 1.0))
