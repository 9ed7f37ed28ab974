"""The recovered gap by hand, and its interval against what the noise put in says."""

import numpy as np
import pytest

from segtrain.reports.recovered_gap import recovered_gap


def constant(score: float, seeds: int = 2, images: int = 40) -> dict[int, np.ndarray]:
    return {seed: np.full(images, score) for seed in range(seeds)}


def above(table: dict[int, np.ndarray], by: float | np.ndarray) -> dict[int, np.ndarray]:
    return {seed: scores + by for seed, scores in table.items()}


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
    scores = {"noisy": base, "oracle": above(base, 0.1), "mine": above(base, 0.05 + rng.normal(0, 0.05, 100))}
    gain = recovered_gap(scores)["mine"].gain
    assert gain.low < 0.05 < gain.high
    assert gain.high - gain.low == pytest.approx(2 * 1.96 * 0.005, rel=0.25)


def test_images_are_resampled_together() -> None:
    """What is hard for all arms says nothing about their difference."""
    hard = {0: np.random.default_rng(0).uniform(0.2, 0.9, 50)}
    gain = recovered_gap({"noisy": hard, "mine": above(hard, 0.03)})["mine"].gain
    assert gain == pytest.approx((0.03, 0.03, 0.03))


def test_an_image_without_the_class_does_not_count() -> None:
    table = constant(0.8, 1, 10)
    table[0][3] = np.nan
    assert recovered_gap({"noisy": table, "mine": above(table, 0.1)})["mine"].gain.value == pytest.approx(0.1)


def lucky(scores: list[float], images: int = 40) -> dict[int, np.ndarray]:
    """Arms whose seeds differ more than they do themselves."""
    return {seed: np.full(images, score) for seed, score in enumerate(scores)}


def test_an_arm_is_compared_with_the_same_seeds() -> None:
    noisy = lucky([0.90, 0.80, 0.70])
    scores = {"noisy": noisy, "oracle": above(noisy, 0.1), "clean_only": above(noisy, 0.05)}
    scores["mine"] = above({0: noisy[0]}, 0.02)
    scores["ours"] = above(noisy, 0.02)
    gaps = recovered_gap(scores)
    for arm in ("mine", "ours"):  # whatever the seed, it gives back a fifth
        assert gaps[arm].gain == pytest.approx((0.02, 0.02, 0.02))
        assert gaps[arm].recovered == pytest.approx((0.2, 0.2, 0.2))
        assert gaps[arm].over_clean == pytest.approx((-0.03, -0.03, -0.03))


def test_seeds_that_disagree_widen_the_interval() -> None:
    noisy = lucky([0.8, 0.8, 0.8])
    gain = recovered_gap({"noisy": noisy, "mine": lucky([0.81, 0.83, 0.85])})["mine"].gain
    assert gain == pytest.approx((0.03, 0.01, 0.05))  # 1 draw in 27 takes the worst seed three times, above 2.5 %


def test_no_ratio_where_the_oracle_lacks_the_seed() -> None:
    noisy = lucky([0.8, 0.7])
    gaps = recovered_gap({"noisy": noisy, "oracle": {0: noisy[0] + 0.1}, "mine": {1: noisy[1] + 0.05}})
    assert gaps["mine"].recovered is None
    assert gaps["mine"].gain.value == pytest.approx(0.05)
    assert gaps["mine"].over_clean is None


def test_a_seed_that_the_baseline_lacks_is_refused() -> None:
    with pytest.raises(KeyError):
        recovered_gap({"noisy": lucky([0.8]), "mine": lucky([0.9, 0.9])})
