"""What a strategy gives back of what noise took: the recovered gap, with an interval over images and seeds."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

__all__ = ["LEAST_GAP", "Gap", "Interval", "recovered_gap"]

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


def recovered_gap(scores: Mapping[str, np.ndarray], draws: int = DRAWS) -> dict[str, Gap]:
    """Compare each arm with the controls.

    RG = (arm - noisy) / (oracle - noisy). Each bootstrap draw resamples the images, the same for all arms, as they
    were all tested on the same ones, and each arm's seeds.

    Args:
        scores: arm -> (seeds, images), higher is better; "noisy" must be there, "oracle" and "clean_only" may be.
        draws: of the bootstrap.
    """
    rng = np.random.default_rng(0)
    images = next(iter(scores.values())).shape[1]
    chosen = rng.integers(images, size=(draws, images))
    means = {arm: _bootstrap(table, chosen, rng) for arm, table in scores.items()}
    clean, noisy = means.get("clean_only"), means["noisy"]
    oracle = means.get("oracle")
    wide = oracle is not None and oracle[0] - noisy[0] >= LEAST_GAP
    return {
        arm: Gap(
            gain=_interval(mean - noisy),
            recovered=_interval((mean - noisy) / (oracle - noisy)) if wide and oracle is not None else None,
            over_clean=None if clean is None else _interval(mean - clean),
        )
        for arm, mean in means.items()
    }


def _bootstrap(table: np.ndarray, chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give the mean score, and then that of each draw: (1 + draws,)."""
    seeds = rng.integers(len(table), size=(len(chosen), len(table)))
    drawn = [np.nanmean(table[np.ix_(own, images)]) for own, images in zip(seeds, chosen, strict=True)]
    return np.array([np.nanmean(table), *drawn])


def _interval(values: np.ndarray) -> Interval:
    """The first value is the estimate, the others the bootstrap's."""
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return Interval(float(values[0]), float(low), float(high))
