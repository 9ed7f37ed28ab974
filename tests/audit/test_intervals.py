"""Locations, differences and rates, against scipy's tests and published numbers."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, wilcoxon

from segtrain.audit.intervals import difference, location, rate_difference


def test_location_is_the_median_of_pairwise_means() -> None:
    values = np.random.default_rng(0).standard_normal(15)
    means = [(a + b) / 2 for i, a in enumerate(values) for b in values[i:]]
    assert location(values).value == pytest.approx(np.median(means))


def test_the_limits_of_a_location_are_where_the_signed_rank_test_turns() -> None:
    values = np.random.default_rng(1).standard_normal(24) + 0.3
    found = location(values)
    for limit, inward in ((found.low, 1), (found.high, -1)):
        assert wilcoxon(values - limit - inward * 0.02).pvalue > 0.05
        assert wilcoxon(values - limit + inward * 0.05).pvalue < 0.05


def test_the_limits_of_a_difference_are_where_the_rank_sum_test_turns() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.standard_normal(9) + 1, rng.standard_normal(40)
    found = difference(first, second)
    assert found.value == pytest.approx(np.median(first[:, None] - second[None]))
    for limit, inward in ((found.low, 1), (found.high, -1)):
        assert mannwhitneyu(first - limit - inward * 0.05, second).pvalue > 0.05
        assert mannwhitneyu(first - limit + inward * 0.05, second).pvalue < 0.05


def test_one_outlier_moves_neither() -> None:
    values = np.random.default_rng(3).standard_normal(20)
    wild = np.append(values[1:], 1e6)
    assert abs(location(wild).value - location(values).value) < 0.5
    assert abs(difference(wild, values).value) < 0.5


def test_nothing_is_claimed_of_too_few() -> None:
    few = np.array([1.0, 1.1, 0.9, 1.0, 1.2])
    assert not location(few).significant
    assert not difference(few[:1], np.zeros(100)).significant
    assert not difference(np.array([np.nan]), few).significant
    assert np.isnan(location(np.array([])).value)
    assert difference(few[:3], np.random.default_rng(0).normal(0, 0.1, 100)).significant


def test_nan_is_left_out() -> None:
    values = np.array([1.0, np.nan, 2.0, 3.0, np.nan])
    assert location(values) == location(np.array([1.0, 2.0, 3.0]))
    assert difference(values, values) == difference(values[[0, 2, 3]], values[[0, 2, 3]])


def test_large_samples_keep_their_limits_when_thinned() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.standard_normal(3000) + 0.2, rng.standard_normal(5000)
    found = difference(first, second)
    assert found.value == pytest.approx(0.2, abs=0.06)
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(np.pi / 3 * (1 / 3000 + 1 / 5000)), rel=0.15)


@pytest.mark.parametrize("few", [3, 8])
def test_where_both_are_alike_a_difference_is_claimed_as_rarely_as_promised(few: int) -> None:
    rng = np.random.default_rng(5)
    claims = [difference(rng.standard_t(3, few), rng.standard_t(3, 80)).significant for _ in range(400)]
    assert np.mean(claims) < 0.08


def test_rates_match_newcombes_example() -> None:
    """56 of 70 against 48 of 80: method 10 gives 0.0524 to 0.3339 (Newcombe 1998, table II a)."""
    first, second = ((np.array([events]), np.array([trials])) for events, trials in ((56.0, 70.0), (48.0, 80.0)))
    found = rate_difference(first, second)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_objects_of_one_image_count_for_fewer() -> None:
    trials = np.full(12, 10.0)
    apart = rate_difference((np.full(12, 2.0), trials), (np.zeros(12), trials))
    together = rate_difference((np.repeat([10.0, 0.0], [2, 10]) * 1.2, trials * 1.2), (np.zeros(12), trials))
    assert apart.value == pytest.approx(0.2)
    assert apart.low > 0
    assert together.low < 0
    assert not rate_difference((np.zeros(3), np.zeros(3)), (np.ones(3), np.ones(3))).significant
