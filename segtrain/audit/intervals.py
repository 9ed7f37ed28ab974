"""Robust locations, differences and rates, each with an interval that a few images can bear."""

from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

__all__ = ["UNKNOWN", "Interval", "difference", "location", "rate", "rate_difference"]

MOST = 400
"""Values of a sample that enter the pairwise differences; more are thinned evenly."""
FEW = 20
"""Values up to which the rank-sum statistic's own distribution is taken, not the normal one: it has thinner tails."""


class Interval(NamedTuple):
    """An estimate with the limits that it has at the wanted confidence; NaN where nothing is known."""

    value: float
    low: float
    high: float

    @property
    def significant(self) -> bool:
        """Whether it leaves 0 out."""
        return bool(self.low > 0 or self.high < 0)


UNKNOWN = Interval(np.nan, -np.inf, np.inf)


def location(values: np.ndarray, confidence: float = 0.95) -> Interval:
    """Give the centre of a sample: the median of all pairwise means (Hodges and Lehmann 1963).

    The limits are those of Wilcoxon's signed-rank test; fewer than six values bear none at 95 %. NaN is left out.
    """
    values = _thinned(values)
    count = len(values)
    if not count:
        return UNKNOWN
    rows, columns = np.triu_indices(count)
    means = np.sort((values[rows] + values[columns]) / 2)
    deviation = np.sqrt(count * (count + 1) * (2 * count + 1) / 24)
    return _cut(means, len(means) / 2, deviation, confidence)


def difference(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> Interval:
    """Give how far `first` lies above `second`: the median of all differences of pairs (Hodges and Lehmann 1963).

    The limits are those of the rank-sum test (Moses): where labels are no worse than the clean ones, both samples
    are alike, and the interval leaves 0 out as often as its confidence allows, however far off the model is. A
    sample of one bears no limits, nor do two of very few. NaN is left out.
    """
    counts = [np.isfinite(values).sum() for values in (first, second)]
    first, second = _thinned(first), _thinned(second)
    few, many = sorted((len(first), len(second)))
    if not few:
        return UNKNOWN
    pairs = np.sort((first[:, None] - second[None]).ravel())
    if few <= FEW:
        return _limited(pairs, int((_rank_sums(few, many) <= (1 - confidence) / 2).sum()) if few > 1 else 0)
    total = counts[0] * counts[1]
    deviation = np.sqrt(total * (counts[0] + counts[1] + 1) / 12)
    return _cut(pairs, total / 2, deviation, confidence)


@lru_cache(maxsize=64)
def _rank_sums(few: int, many: int) -> np.ndarray:
    """Give the chance that the rank-sum statistic U of two like samples is at most 0, 1, ..., half of its range.

    The largest value of all is either in the first sample, and above `m` of the second, or in the second: the
    recurrence of Mann and Whitney (1947).
    """
    reach = few * many // 2 + 1
    ways = np.zeros((many + 1, reach))  # orders of no values of the first and m of the second, by their U
    ways[:, 0] = 1
    for _ in range(few):
        for m in range(1, many + 1):
            ways[m] = ways[m - 1] + np.concatenate([np.zeros(min(m, reach)), ways[m, : max(0, reach - m)]])
    return ways[many].cumsum() / comb(few + many, few)


def _thinned(values: np.ndarray) -> np.ndarray:
    """Give the finite values in order, at most `MOST` of them, evenly spread over the ranks."""
    values = np.sort(values[np.isfinite(values)].astype(np.float64))
    if len(values) <= MOST:
        return values
    return values[np.linspace(0, len(values) - 1, MOST).round().astype(np.int64)]


def _cut(ordered: np.ndarray, middle: float, deviation: float, confidence: float) -> Interval:
    """Give the median of ordered values, and the two that a rank statistic (normal for long) cuts off."""
    share = (middle - norm.ppf((1 + confidence) / 2) * deviation) / (2 * middle)  # of the values, at either end
    return _limited(ordered, int(np.floor(share * len(ordered))))


def _limited(ordered: np.ndarray, cut: int) -> Interval:
    """Give the median of ordered values, and the values of rank `cut` from either end; none if that is 0."""
    if cut < 1:
        return Interval(float(np.median(ordered)), -np.inf, np.inf)
    return Interval(float(np.median(ordered)), float(ordered[cut - 1]), float(ordered[-cut]))


def rate_difference(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray], confidence: float = 0.95
) -> Interval:
    """Give how much more often something happens in the first group's images than in the second's.

    The limits are Newcombe's (1998, method 10) on Wilson's; objects of one image are alike, so that they count for
    fewer, by the design effect of both groups.

    Args:
        first: events and trials of each image, (n,) each.
        second: likewise, (m,).
        confidence: of the interval.
    """
    groups = [(float(events.sum()), float(trials.sum())) for events, trials in (first, second)]
    if not groups[0][1]:
        return UNKNOWN
    rates = [events / max(trials, 1e-12) for events, trials in groups]
    effect = _design_effect(zip((first, second), rates, strict=True))
    (low, high), (base_low, base_high) = (
        _wilson(rate, trials / effect, confidence) for rate, (_, trials) in zip(rates, groups, strict=True)
    )
    gap = rates[0] - rates[1]
    below = np.hypot(rates[0] - low, base_high - rates[1])
    above = np.hypot(high - rates[0], rates[1] - base_low)
    return Interval(gap, gap - float(below), gap + float(above))


def _design_effect(groups: "zip[tuple[tuple[np.ndarray, np.ndarray], float]]") -> float:
    """Give by how much the images' rates vary more than independent trials would, at least 1."""
    found = expected = 0.0
    for (events, trials), rate in groups:
        found += float(((events - rate * trials) ** 2).sum())
        expected += float((rate * (1 - rate) * trials).sum())
    return max(1.0, found / expected) if expected > 0 else 1.0


def _wilson(rate: float, trials: float, confidence: float) -> tuple[float, float]:
    if trials <= 0:
        return 0.0, 1.0
    z = float(norm.ppf((1 + confidence) / 2))
    middle = (rate + z**2 / (2 * trials)) / (1 + z**2 / trials)
    reach = z / (1 + z**2 / trials) * np.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    return float(middle - reach), float(middle + reach)


def rate(events: np.ndarray, trials: np.ndarray, confidence: float = 0.95) -> Interval:
    """Give how often something happens in a group's images, with Wilson's limits; see `rate_difference`."""
    if not trials.sum():
        return UNKNOWN
    share = float(events.sum() / trials.sum())
    effect = _design_effect(zip([(events, trials)], [share], strict=True))
    return Interval(share, *_wilson(share, float(trials.sum()) / effect, confidence))
