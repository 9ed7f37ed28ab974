"""One class on the noisy samples against the same class on the clean ones: what of it is the labels' fault."""

from typing import NamedTuple

import numpy as np

from segtrain.audit.intervals import UNKNOWN, Interval, difference, location, rate, rate_difference
from segtrain.audit.survey import Survey

__all__ = ["Contrast"]

SINE = 0.878
"""Spread of an outline that is moved as a whole by one pixel: sin(0.6827 pi / 2), as `Displacement.spread` is."""
BEYOND = 0.3
"""Pixels that have to be left along outlines for each pixel that objects are moved, for outlines to wander: a
wandering outline moves its object's centre too, and of a far move the corners leave a little (0.1 to 0.2)."""


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

    def variation(self) -> tuple[Interval, Interval, Interval]:
        """Give how far outlines vary: from sample to sample, along themselves, and by moving whole objects.

        Each of the three looks a little like the others. An outline moved as a whole varies along itself, too. One
        that wanders moves its object's centre, and its mean: where enough is left along outlines that no move of
        whole objects explains, they wander, and no object is moved. What neither explains are objects of one image
        of which some are drawn wider than others. A tooth is a pixel out of place.
        """
        sway, shift, teeth = self._sway(), self._beyond(*self.column("shift")), self.more("teeth")
        rough = np.sqrt(teeth.value) if teeth.low > 0 else 0.0
        along, rest = (_less(self._beyond(*self.column(name)), rough) for name in ("spread", "wander"))
        moved, left = (max(0.0, np.nan_to_num(amount.value)) for amount in (shift, rest))
        if rest.low > 0 and left >= BEYOND * moved:
            return (sway if np.nan_to_num(sway.value) >= along.value else UNKNOWN), along, UNKNOWN
        uneven = _less(along, np.hypot(left, SINE * moved))
        return (uneven if uneven.low > sway.low else sway), _less(rest, BEYOND * moved), shift

    def _sway(self) -> Interval:
        """Give the typical deviation of samples' displacements from their centre."""
        return self._beyond(*(_deviations(values) for values in self.column("middle")))

    def rate(self, events: str, trials: str, on_clean: bool = False) -> Interval:
        """Give how much more often something happens on the noisy samples; `on_clean`: on the clean ones.

        One clean sample shows no habit; there it takes two.
        """
        groups = [
            (np.nan_to_num(happened), np.nan_to_num(possible))
            for happened, possible in zip(self.column(events), self.column(trials), strict=True)
        ]
        if not self.calibrated:
            return UNKNOWN if on_clean else rate(*groups[0], self.confidence)
        if on_clean and (groups[1][0] > 0).sum() < 2:
            return UNKNOWN
        first, second = groups[::-1] if on_clean else groups
        return rate_difference(first, second, self.confidence)

    def _beyond(self, noisy: np.ndarray, clean: np.ndarray) -> Interval:
        """Give the deviation that comes on top of the clean samples': deviations add up as their squares."""
        if not self.calibrated:
            return location(noisy, self.confidence)
        gap = difference(noisy, clean, self.confidence)
        if not np.isfinite(gap.value):
            return UNKNOWN
        base = float(np.nanmedian(clean))
        return Interval(*(_root(max(0.0, base + more) ** 2 - base**2) if np.isfinite(more) else more for more in gap))


def _deviations(values: np.ndarray) -> np.ndarray:
    """Give each value's distance from the centre, made up for its being part of it, so that few deviate like many."""
    count = np.isfinite(values).sum()
    if count < 2:
        return np.full_like(values, np.nan)
    return np.abs(values - location(values).value) * count / (count - 1)


def _root(square: float) -> float:
    return float(np.sign(square) * np.sqrt(np.abs(square)))


def _less(amount: Interval, explained: float) -> Interval:
    """Give a deviation less a part of it."""
    return Interval(*(_root(np.sign(part) * part**2 - explained**2) if np.isfinite(part) else part for part in amount))
