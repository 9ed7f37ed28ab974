"""When a curve of agreement has flattened, by Liu et al. 2022."""

import math

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from segtrain.noise import learning_curve
from segtrain.noise.learning_curve import rise, slope_drop

CURVES = [(0.9, 0.7, 1.0), (0.7, 1.0, 2.0), (1.0, 0.5, 0.8), (0.85, 0.9, 1.5)]
"""(a, b, c); each begins at 0.25 or more, from where on a class counts as learned."""


def curve(count: int, a: float, b: float, c: float) -> np.ndarray:
    return np.array([a * (1 - math.exp(-(t**b) / c)) for t in range(1, count + 1)])


def true_drop(now: float, *parameters: float) -> float:
    """1 - f'(now) / f'(1), by differences."""
    first, last = (approx_fprime([t], lambda t: rise(t, *parameters)[0], 1e-6)[0] for t in (1.0, now))
    return float(1 - last / first)


def drop_by_search(points: np.ndarray, deviations: np.ndarray) -> float:
    """Try out parameters for the least squares, a in [0, 1] and b in (0, 1]; for each b and c the best a is known."""
    t, weight = np.arange(1.0, len(points) + 1), deviations**-2.0
    b, c = np.meshgrid(np.linspace(0.01, 1, 200), np.geomspace(0.05, 50, 400), indexing="ij")
    shape = 1 - np.exp(-(t ** b[..., None]) / c[..., None])  # (200, 400, T)
    a = ((weight * shape * points).sum(-1) / (weight * shape**2).sum(-1)).clip(0, 1)
    best = (weight * (points - a[..., None] * shape) ** 2).sum(-1).argmin()
    return true_drop(len(points), a.flat[best], b.flat[best], c.flat[best])


@pytest.mark.parametrize("parameters", CURVES)
def test_the_curve_is_the_papers(parameters: tuple[float, float, float]) -> None:
    assert np.allclose(rise(np.arange(1.0, 9), *parameters), curve(8, *parameters), rtol=1e-12)


@pytest.mark.parametrize("parameters", CURVES)
def test_the_slope_of_such_a_curve_is_found(parameters: tuple[float, float, float]) -> None:
    for count in (4, 7, 12):
        points = curve(count, *parameters)
        assert points[0] >= 0.25
        assert slope_drop(points.tolist()) == pytest.approx(true_drop(count, *parameters), abs=0.01)


@pytest.mark.parametrize("parameters", CURVES)
def test_a_class_is_flagged_in_the_round_in_which_its_slope_has_dropped_so_far(
    parameters: tuple[float, float, float],
) -> None:
    rounds = range(4, 40)
    expected = next(t for t in rounds if true_drop(t, *parameters) > 0.9)
    points = curve(40, *parameters).tolist()
    assert next(t for t in rounds if slope_drop(points[:t]) > 0.9) == expected


@pytest.mark.parametrize("seed", range(6))
def test_the_fit_to_a_ragged_curve_is_the_one_of_least_squares(seed: int) -> None:
    chance = np.random.default_rng(seed)
    count = int(chance.integers(5, 14))
    points = curve(count, chance.uniform(0.7, 1), chance.uniform(0.4, 1), chance.uniform(0.8, 2))
    points = (points + chance.normal(0, 0.01, count)).clip(0.25, 1)
    # As in the authors' code, the last point counts as if it were measured ten times as exactly as the first.
    found = drop_by_search(points, np.geomspace(1, 0.1, count))
    assert slope_drop(points.tolist()) == pytest.approx(found, abs=0.01)


def test_later_points_count_more() -> None:
    points = np.array([0.3, 0.7, 0.6, 0.62, 0.68, 0.74, 0.8])
    weighted, alike = drop_by_search(points, np.geomspace(1, 0.1, 7)), drop_by_search(points, np.ones(7))
    assert abs(weighted - alike) > 0.1
    assert slope_drop(points.tolist()) == pytest.approx(weighted, abs=0.01)


def test_fewer_than_four_points_flag_nothing() -> None:
    for points in ([], [0.3], [0.3, 0.9], [0.6, 0.6, 0.6], [0.5, 0.54, 0.57], [0.1, 0.2, 0.5, 0.55, 0.55]):
        assert slope_drop(points) == 0


def test_a_class_that_still_climbs_is_not_flagged() -> None:
    """Its first round, from nothing, does not count as the slope that others are held against."""
    lung = [0.547, 0.647, 0.615, 0.767, 0.821, 0.837, 0.865]  # measured on chest radiographs; it came to 0.923
    slow = [0.26, 0.28, 0.30, 0.32, 0.34, 0.36, 0.38]
    for points in (lung, slow):
        assert max(slope_drop(points[:count]) for count in range(8)) < 0.9


def test_a_class_that_is_not_learned_is_not_memorised() -> None:
    assert slope_drop([0.1, 0.2, 0.24] + [0.24] * 20) == 0
    points = curve(9, 0.9, 0.7, 1.0).tolist()
    assert slope_drop([0.0, 0.0, 0.1, 0.2, *points]) == slope_drop(points) > 0.9


def test_a_curve_that_does_not_rise_has_flattened() -> None:
    """The paper's curve cannot fall: its slope is then 0 from the first round on."""
    assert slope_drop([1.0, 0.95, 0.9, 0.85, 0.8]) == 1
    assert slope_drop([0.6] * 6) == pytest.approx(1, abs=1e-6)


def test_without_a_fit_the_slopes_are_those_between_the_points(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("Optimal parameters not found")

    monkeypatch.setattr(learning_curve, "curve_fit", fail)
    assert slope_drop([0.4, 0.6, 0.7, 0.75]) == pytest.approx(1 - (0.1 + 0.05) / 2 / 0.4)
    assert slope_drop([0.3, 0.4, 0.8, 0.85, 0.9]) == pytest.approx(1 - 0.05 / 0.4)
    assert slope_drop([0.3, 0.4, 0.8, 0.6, 0.6]) == 1  # it falls


def test_whatever_the_points_it_is_a_share() -> None:
    chance = np.random.default_rng(0)
    for _ in range(100):
        points = chance.uniform(0, 1, chance.integers(1, 12))
        assert 0 <= slope_drop(points.tolist()) <= 1
