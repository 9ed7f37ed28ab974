"""The recovered gap by hand, and its interval against what the noise put in says."""

import numpy as np
import pytest

from segtrain.reports.recovered_gap import recovered_gap


def constant(score: float, seeds: int = 2, images: int = 40) -> np.ndarray:
    return np.full((seeds, images), score)


def test_it_is_the_share_of_the_gap() -> None:
    scores = {"noisy": constant(0.8), "oracle": constant(0.9), "clean_only": constant(0.88), "mine": constant(0.87)}
    gaps = recovered_gap(scores)
    assert gaps["mine"].recovered == pytest.approx((0.7, 0.7, 0.7))
    assert gaps["oracle"].recovered == pytest.approx((1.0, 1.0, 1.0))
    assert gaps["mine"].gain == pytest.approx((0.07, 0.07, 0.07))
    assert gaps["mine"].over_clean == pytest.approx((-0.01, -0.01, -0.01))


def test_a_narrow_gap_gives_no_ratio() -> None:
    scores = {"noisy": constant(0.8), "oracle": constant(0.815), "mine": constant(0.81)}
    gaps = recovered_gap(scores)
    assert gaps["mine"].recovered is None
    assert gaps["mine"].gain.value == pytest.approx(0.01)
    assert gaps["mine"].over_clean is None


def test_the_interval_has_the_width_of_the_mean() -> None:
    """Images differ with deviation 0.05 around a true gain of 0.05: the mean's error is 0.05 / sqrt(100)."""
    rng = np.random.default_rng(3)
    base = constant(0.8, 3, 100)
    scores = {"noisy": base, "oracle": base + 0.1, "mine": base + 0.05 + rng.normal(0, 0.05, 100)}
    gain = recovered_gap(scores)["mine"].gain
    assert gain.low < 0.05 < gain.high
    assert gain.high - gain.low == pytest.approx(2 * 1.96 * 0.005, rel=0.25)


def test_images_are_resampled_together() -> None:
    """What is hard for all arms says nothing about their difference."""
    hard = np.random.default_rng(0).uniform(0.2, 0.9, (1, 50))
    gain = recovered_gap({"noisy": hard, "mine": hard + 0.03})["mine"].gain
    assert gain == pytest.approx((0.03, 0.03, 0.03))


def test_an_image_without_the_class_does_not_count() -> None:
    table = constant(0.8, 1, 10)
    table[0, 3] = np.nan
    assert recovered_gap({"noisy": table, "mine": table + 0.1})["mine"].gain.value == pytest.approx(0.1)
