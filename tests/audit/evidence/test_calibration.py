"""The precision of issues, estimated from false alarms, where the truth is known."""

import numpy as np
import pytest
from scipy.stats import beta

from segtrain.audit.evidence import calibrate

RIGHT, FALSE = beta(4, 2), beta(2, 4)
"""The scores of right issues and of false alarms."""


def simulated(
    rng: np.random.Generator, noisy: int, clean: int, right: float, false: float
) -> tuple[np.ndarray, int, np.ndarray, int]:
    """Draw issues; an image of either kind has `false` false alarms, a noisy one `right` right issues more."""
    draw = lambda law, count: law.rvs(rng.poisson(count), random_state=rng)  # noqa: E731
    return np.r_[draw(FALSE, false * noisy), draw(RIGHT, right * noisy)], noisy, draw(FALSE, false * clean), clean


def truth(score: float, right: float, false: float) -> float:
    hits, alarms = right * RIGHT.sf(score), false * FALSE.sf(score)
    return float(hits / (hits + alarms))


@pytest.mark.parametrize(("right", "false"), [(1.0, 1.0), (0.5, 2.0), (2.0, 0.2)])
def test_with_many_clean_samples_the_estimate_is_near_the_truth(right: float, false: float) -> None:
    precision = calibrate(*simulated(np.random.default_rng(0), 4000, 2000, right, false))
    for score in (0.1, 0.3, 0.5, 0.7):
        assert float(precision.of(np.array(score))) == pytest.approx(truth(score, right, false), abs=0.05)
        assert float(precision.at_least(np.array(score))) == pytest.approx(truth(score, right, false), abs=0.09)


@pytest.mark.parametrize(
    ("noisy", "clean", "right", "false"), [(200, 10, 1.0, 1.0), (100, 20, 1.0, 0.3), (500, 100, 0.5, 2.0)]
)
def test_it_promises_too_much_in_less_than_one_of_twenty_cases(
    noisy: int, clean: int, right: float, false: float
) -> None:
    rng = np.random.default_rng(1)
    cases = [calibrate(*simulated(rng, noisy, clean, right, false)) for _ in range(100)]
    for score in (0.3, 0.5, 0.7):
        over = [float(case.at_least(np.array(score))) > truth(score, right, false) for case in cases]
        assert np.mean(over) <= 0.05


def test_few_clean_samples_without_an_issue_promise_little() -> None:
    scores = np.linspace(0.5, 1, 40)
    few, many = (float(calibrate(scores, 40, np.empty(0), count).at_least(np.array(0.5))) for count in (2, 200))
    assert few == 0
    assert many > 0.97


def test_it_never_falls() -> None:
    precision = calibrate(*simulated(np.random.default_rng(2), 100, 30, 1.0, 1.0))
    places = np.linspace(0, 1, 300)
    for told in (precision.of(places), precision.at_least(places)):
        assert (np.diff(told) >= 0).all()
        assert ((told >= 0) & (told <= 1)).all()
    assert (precision.at_least(places) <= precision.of(places) + 1e-9).mean() > 0.95


def test_issues_in_clumps_promise_less() -> None:
    given = simulated(np.random.default_rng(3), 100, 30, 1.0, 1.0)
    places = np.linspace(0, 1, 50)
    loose, clumped = (calibrate(*given, clumping=clumping).at_least(places) for clumping in (1.0, 4.0))
    assert (clumped <= loose).all()
    assert clumped.mean() < loose.mean() - 0.02


@pytest.mark.parametrize("given", [([0.5], 3, [], 0), ([], 3, [], 2), ([], 0, [], 0)])
def test_without_clean_samples_or_issues_nothing_is_known(given: tuple[list[float], int, list[float], int]) -> None:
    noisy, noisy_images, clean, clean_images = given
    precision = calibrate(np.array(noisy), noisy_images, np.array(clean), clean_images)
    assert np.isnan(precision.of(np.array([0.2, 0.9]))).all()
    assert np.isnan(precision.at_least(np.array([0.5]))).all()
