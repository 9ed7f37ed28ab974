"""How much better one method is than another on the same images, with the spread that other images would give."""

from typing import NamedTuple

import numpy as np

__all__ = ["PairedGain", "paired_gain"]

DRAWS = 4000


class PairedGain(NamedTuple):
    """A mean difference and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def paired_gain(differences: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> PairedGain:
    """Give the mean of paired differences and its percentile interval (Efron and Tibshirani 1993, section 13.3).

    Images of one patient are alike: groups are resampled, not images, and each draw's mean is over all its images.

    Args:
        differences: (N,), one for each image; NaN where there is none.
        groups: (N,) int, the patient, slide or track; negative = an image by itself. None = all by themselves.
        seed: of the draws.
    """
    told = np.isfinite(differences)
    if not told.any():
        return PairedGain(np.nan, np.nan, np.nan)
    values = differences[told]
    names = np.full(len(values), -1) if groups is None else groups[told]
    names = np.where(names < 0, names.max() + 1 + np.arange(len(values)), names)
    _, owner = np.unique(names, return_inverse=True)
    sums, sizes = np.bincount(owner, values), np.bincount(owner)  # (G,)
    count = len(sums)
    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=DRAWS)  # (draws, G)
    low, high = np.percentile(times @ sums / (times @ sizes), [2.5, 97.5])
    return PairedGain(float(values.mean()), float(low), float(high))
