"""One class on the noisy samples against the same class on the clean ones: what of it is the labels' fault."""

from typing import NamedTuple

import numpy as np

from segtrain.audit.intervals import UNKNOWN, Interval, difference, location, rate, rate_difference
from segtrain.audit.survey import Survey

__all__ = ["Contrast"]

DEVIATION = 1.4826
"""Standard deviations in a median absolute deviation."""


class Contrast(NamedTuple):
    """Amounts of noise in one class; without clean samples, of noise and model's error together."""

    survey: Survey
    number: int
    """The class."""
    calibrated: bool
    """There are clean samples to compare with."""
    confidence: float

    def column(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Give a column of the noisy and of the clean samples."""
        noisy, clean = (self.survey.column(name, is_clean)[:, self.number] for is_clean in (False, True))
        return noisy.astype(np.float64), clean.astype(np.float64)

    def displacement(self) -> Interval:
        """Give how far outside the truth labels are drawn; only clean samples can tell."""
        return difference(*self.column("offset"), self.confidence) if self.calibrated else UNKNOWN

    def more(self, name: str) -> Interval:
        """Give how much larger a column is."""
        noisy, clean = self.column(name)
        return difference(noisy, clean, self.confidence) if self.calibrated else location(noisy, self.confidence)

    def shift(self) -> Interval:
        """Give how far objects are moved as a whole."""
        return self._beyond(*self.column("shift"))

    def wobble(self) -> Interval:
        """Give the standard deviation of outlines along themselves, less what moving whole objects explains."""
        along = self._beyond(*self.column("spread"))
        explained = max(0.0, self.shift().value) / np.sqrt(2)  # the root mean square of a sine
        return Interval(*(_less(amount, explained) for amount in along))

    def unsteadiness(self) -> Interval:
        """Give the standard deviation of the displacement from one sample to another."""
        noisy, clean = (DEVIATION * _deviations(values) for values in self.column("offset"))
        return self._beyond(noisy, clean)

    def rate(self, events: str, trials: str, on_clean: bool = False) -> Interval:
        """Give how much more often something happens on the noisy samples; `on_clean`: on the clean ones."""
        groups = [
            (np.nan_to_num(happened), np.nan_to_num(possible))
            for happened, possible in zip(self.column(events), self.column(trials), strict=True)
        ]
        if not self.calibrated:
            return UNKNOWN if on_clean else rate(*groups[0], self.confidence)
        first, second = groups[::-1] if on_clean else groups
        return rate_difference(first, second, self.confidence)

    def _beyond(self, noisy: np.ndarray, clean: np.ndarray) -> Interval:
        """Give the deviation that comes on top of the clean samples': deviations add up as their squares."""
        if not self.calibrated:
            return location(noisy, self.confidence)
        gap = difference(noisy, clean, self.confidence)
        base = float(np.nanmedian(clean)) if np.isfinite(clean).any() else 0.0
        return Interval(*(_root(max(0.0, base + more) ** 2 - base**2) for more in gap))


def _deviations(values: np.ndarray) -> np.ndarray:
    return np.abs(values - np.nanmedian(values)) if np.isfinite(values).any() else values


def _root(square: float) -> float:
    return float(np.sign(square) * np.sqrt(np.abs(square)))


def _less(amount: float, explained: float) -> float:
    return _root(np.sign(amount) * amount**2 - explained**2) if np.isfinite(amount) else amount
