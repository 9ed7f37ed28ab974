"""What a strategy gives back of what noise took: the recovered gap, with an interval over images and seeds."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["LEAST_GAP", "Gap", "Interval", "Scores", "recovered_gap"]

Scores = Mapping[int, np.ndarray]
"""Seed -> (images,) of one arm."""

LEAST_GAP = 0.02
"""Dice between oracle and noisy baseline below which a ratio to it says nothing."""
DRAWS = 2000


class Interval(NamedTuple):
    """An estimate and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


class Gap(NamedTuple):
    """How an arm stands to the controls."""

    gain: Interval
    """Its score less the noisy baseline's."""
    recovered: Interval | None
    """The gain over what the oracle gains; None where that is under `LEAST_GAP` or there is no oracle."""
    over_clean: Interval | None
    """Its score less that of training on the clean samples alone; None without that control."""


def recovered_gap(scores: Mapping[str, Scores], draws: int = DRAWS) -> dict[str, Gap]:
    """Compare each arm with the controls, on the seeds that both were trained with.

    RG = (arm - noisy) / (oracle - noisy). Each bootstrap draw resamples the images, the same for all arms, as they
    were all tested on the same ones, and the seeds, the same for an arm and what it is compared with, as a seed gives
    both the same weights to start from and the same order.

    Args:
        scores: arm -> seed -> (images,), higher is better; "noisy" must be there with every seed of every arm,
            "oracle" and "clean_only" may be.
        draws: of the bootstrap.

    Raises:
        KeyError: the noisy baseline was not trained with a seed of another arm.
    """
    rng = np.random.default_rng(0)
    noisy, clean, oracle = scores["noisy"], scores.get("clean_only", {}), scores.get("oracle", {})
    images = len(next(iter(noisy.values())))
    counts = rng.multinomial(images, np.full(images, 1 / images), size=draws)
    room = _difference(oracle, noisy, _shared(oracle, noisy), counts) if oracle else None
    wide = room is not None and room[0] >= LEAST_GAP
    gaps = {}
    for arm, own in scores.items():
        gain = _difference(own, noisy, list(own), counts)
        three = _shared(own, oracle) if wide else []
        recovered = (
            _difference(own, noisy, three, counts) / _difference(oracle, noisy, three, counts) if three else None
        )
        both = _shared(own, clean)
        over = _difference(own, clean, both, counts) if both else None
        gaps[arm] = Gap(
            _interval(gain), *(None if values is None else _interval(values) for values in (recovered, over))
        )
    return gaps


def _shared(one: Scores, other: Scores) -> list[int]:
    return [seed for seed in one if seed in other]


def _difference(one: Scores, other: Scores, seeds: Sequence[int], counts: np.ndarray) -> np.ndarray:
    """Give the mean difference, and then that of each draw: (1 + draws,).

    Args:
        one, other: what is compared.
        seeds: that both have.
        counts: (draws, images), how often each draw has an image.
    """
    table = np.array([one[seed] - other[seed] for seed in seeds])
    # The same seeds are drawn in each call with as many, so that a ratio's two halves are of the same draws.
    times = np.random.default_rng(0).multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), size=len(counts))
    told = ~np.isnan(table)  # an image without the class has no score
    sums, numbers = ((times @ values * counts).sum(axis=1) for values in (np.where(told, table, 0), told))
    return np.array([np.nanmean(table), *(sums / numbers)])


def _interval(values: np.ndarray) -> Interval:
    """The first value is the estimate, the others the bootstrap's."""
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return Interval(float(values[0]), float(low), float(high))
