"""Calibration: how many issues are right, told from those that are found where nothing is wrong."""

from typing import NamedTuple

import numpy as np

from segtrain.audit.intervals import rate

__all__ = ["Precision", "calibrate"]

STEPS = 400
"""Scores at most at which issues are counted, evenly spread over theirs."""


class Precision(NamedTuple):
    """The estimated share of right issues among those with a score or a higher one."""

    scores: np.ndarray
    """(S,) increasing."""
    shares: np.ndarray
    """(S,) in [0, 1], never falling; NaN where no clean label tells."""
    floors: np.ndarray
    """(S,) likewise, what the share is at least, with 95 % confidence."""

    def of(self, scores: np.ndarray) -> np.ndarray:
        """Give the estimate at each of these scores, float64 of the same shape; NaN where no clean label tells."""
        return self._at(scores, self.shares)

    def at_least(self, scores: np.ndarray) -> np.ndarray:
        """Give what it is at least, likewise."""
        return self._at(scores, self.floors)

    def _at(self, scores: np.ndarray, known: np.ndarray) -> np.ndarray:
        if not len(self.scores):
            return np.full(np.shape(scores), np.nan)
        place = np.searchsorted(self.scores, scores, side="right") - 1
        return known[np.maximum(place, 0)]


def calibrate(
    noisy_scores: np.ndarray,
    noisy_images: int,
    clean_scores: np.ndarray,
    clean_images: int,
    clumping: float = 1.0,
) -> Precision:
    """Compare issues on noisy labels with those on clean ones, which are all false alarms.

    From a score t on, precision(t) = 1 - min(1, false alarms an image / issues an image), as a search of decoys tells
    the false discoveries (Elias and Gygi 2007). One false alarm more is counted than was seen, so that a few clean
    labels without any promise no certainty. For what it is at least, the ratio of the two rates is at its upper
    limit: of two Poisson counts one is binomial given their sum (Przyborowski and Wilenski 1940), and `rate` has its
    limits. A higher score is never less precise, so that what holds from a lower one on holds on.

    It supposes that noisy labels have as many false alarms as clean ones.

    Args:
        noisy_scores: (n,), of all issues on labels that are not known to be clean.
        noisy_images: how many such labels there are, with issues or without.
        clean_scores: (m,), of all issues on clean labels.
        clean_images: how many there are; 0 = nothing is known, NaN.
        clumping: variance by mean of the number of issues an image, at least 1: so many count as one where images
            have many or none.

    >>> calibrate(np.array([0.6, 0.9, 0.9, 0.9]), 4, np.array([0.6]), 4).of(np.array([0.5, 0.9])).round(2).tolist()
    [0.5, 0.67]
    """
    noisy, clean = (np.sort(np.asarray(scores, np.float64).ravel()) for scores in (noisy_scores, clean_scores))
    if clean_images < 1 or noisy_images < 1 or not len(noisy):
        return Precision(np.empty(0), np.empty(0), np.empty(0))
    found = np.unique(noisy)
    scores = found[np.unique(np.linspace(0, len(found) - 1, min(STEPS, len(found))).round().astype(np.int64))]
    issues, alarms = (len(each) - np.searchsorted(each, scores) for each in (noisy, clean))
    odds = (alarms + 1) / issues, np.array([_odds(*counts, clumping) for counts in zip(alarms, issues, strict=True)])
    shares, floors = (1 - np.minimum(1, each * noisy_images / clean_images) for each in odds)
    return Precision(scores, np.maximum.accumulate(shares), np.maximum.accumulate(floors))


def _odds(alarms: float, issues: float, clumping: float) -> float:
    """Give the greatest ratio of the counts' expectations that is possible."""
    most = rate(np.array([alarms / clumping]), np.array([(alarms + issues) / clumping])).high
    return most / max(1 - most, 1e-12)
