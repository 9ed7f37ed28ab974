"""The paired gain against scipy's bootstrap, and what a group does to it."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from segtrain.reports.paired import paired_gain


def test_is_scipys_percentile_bootstrap() -> None:
    differences = np.random.default_rng(0).normal(0.02, 0.1, 40)
    gain = paired_gain(differences)
    theirs = bootstrap((differences,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    assert gain.value == pytest.approx(differences.mean())
    assert (gain.low, gain.high) == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_images_of_one_patient_count_as_one() -> None:
    patients = np.random.default_rng(0).normal(0.02, 0.1, 12)
    alone, copied = paired_gain(patients), paired_gain(patients.repeat(5), np.arange(12).repeat(5))
    assert copied == pytest.approx(alone)
    assert paired_gain(patients.repeat(5), np.full(60, -1)).low > alone.low


def test_the_mean_of_a_draw_is_over_its_images() -> None:
    gain = paired_gain(np.array([1.0, 0, 0, 0]), np.array([0, 1, 1, 1]))
    assert (gain.value, gain.low, gain.high) == (0.25, 0, 1)


def test_unknown_differences_are_left_out() -> None:
    assert paired_gain(np.array([np.nan, 0.5, 0.5])) == (0.5, 0.5, 0.5)
    assert np.isnan(paired_gain(np.array([np.nan]))).all()
    assert str(paired_gain(np.array([0.5]))) == "+0.5000 [+0.5000, +0.5000]"
