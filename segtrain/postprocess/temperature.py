"""Calibrate probabilities by one number, without a change of any decision."""

from collections.abc import Iterable

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from segtrain.postprocess.base import check
from segtrain.postprocess.decision import agree
from segtrain.types import CLASS_AXIS

__all__ = ["Temperature", "fit_temperature"]

FLOOR = 1e-7
"""What a probability is at least: below it a single wrong pixel would outweigh an image."""
INVERSES = np.geomspace(1 / 20, 20, 25)
"""Inverse temperatures at which the loss's slope is summed, a factor of 1.28 apart."""


class Temperature:
    """Soften (T > 1) or sharpen (T < 1) probabilities, so that what is said with 80 % is right 80 % of the time.

    With q = softmax(log p / T) (Guo et al. 2017, eq. 9) the most probable class stays the same and the confidence alone
    changes, which matters to whatever weighs probabilities afterwards. `fit_temperature` finds T, on labels that were
    not trained on.

    Args:
        temperature: T, > 0.

    Raises:
        ConfigError: it is out of its range.
    """

    idempotent = False

    def __init__(self, temperature: float = 1.0) -> None:
        self.temperature = temperature
        check(self, {"temperature": (temperature > 0, "above 0")})

    def __call__(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Calibrate: `probs` (C, H, W) float32 -> (C, H, W) float32; the image is not looked at."""
        ratios = np.maximum(probs, FLOOR)
        ratios = (ratios / ratios.max(0)) ** np.float32(1 / self.temperature)
        return agree(ratios / ratios.sum(0), probs.argmax(0))  # rounding can make a draw of two that were close


def fit_temperature(chunks: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> float:
    """Find the temperature with the least negative log-likelihood (Guo et al. 2017, section 4.2).

    With l = log p and b = 1 / T a pixel's loss logsumexp(b l) - b (y . l) is convex in b. Its first and second
    derivatives, mean(l) - y . l and var(l) under softmax(b l), are summed at fixed b, whatever the number of chunks;
    between the two where the sum changes its sign, a cubic through both gives the minimum.

    Args:
        chunks: probs (..., C, H, W), target of the same shape, and weight (..., H, W), each asked for once.

    Returns:
        T in [1/20, 20]; 1 where no pixel counts.
    """
    slopes, bends = np.zeros(len(INVERSES)), np.zeros(len(INVERSES))
    for probs, target, weight in chunks:
        logs, right, counts = _counted(probs, target, weight)
        chosen = (right * logs).sum(0)  # (N,)
        for number, inverse in enumerate(INVERSES):
            shares = np.exp(np.float32(inverse) * (logs - logs.max(0, initial=-np.inf)))  # (C, N)
            shares /= shares.sum(0)
            mean = (shares * logs).sum(0)  # (N,)
            slopes[number] += counts @ (mean - chosen)
            bends[number] += counts @ ((shares * logs**2).sum(0) - mean**2)
    if not bends.any():
        return 1.0
    if slopes[0] >= 0 or slopes[-1] <= 0:
        return float(1 / INVERSES[0 if slopes[0] >= 0 else -1])
    return float(1 / CubicHermiteSpline(INVERSES, slopes, bends).solve(extrapolate=False)[0])


def _counted(probs: np.ndarray, target: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give log p and target, (C, N) float32, and weight, (N,), of the pixels that count."""
    first = [np.moveaxis(each, CLASS_AXIS, 0) for each in (probs, target)]  # (C, ..., H, W)
    weight = np.broadcast_to(weight, first[0].shape[1:])
    counted = weight > 0
    logs, right = (each[:, counted].astype(np.float32) for each in first)
    return np.log(np.maximum(logs, FLOOR)), right, weight[counted].astype(np.float64)
