"""One score from several."""

import numpy as np
import pytest

from segtrain.audit.evidence import combine

RNG = np.random.default_rng(0)
MAPS = {name: RNG.random((6, 7)).astype(np.float32) for name in "abc"}
WEIGHTS = {"a": 2.0, "b": 0.5}


def test_a_single_one_is_itself() -> None:
    edges = np.array([0.0, 0.3, 1.0], np.float32)
    assert np.array_equal(combine({"a": edges}), edges)
    assert np.array_equal(combine({"a": edges, "b": 1 - edges}, {"b": 0}), edges)


def test_many_that_say_the_same_say_it() -> None:
    same = {str(number): np.full(3, 0.6) for number in range(10)}
    assert combine(same) == pytest.approx(0.6)


def test_the_order_does_not_matter() -> None:
    assert np.array_equal(combine(MAPS, WEIGHTS), combine(dict(reversed(MAPS.items())), WEIGHTS))


def test_weights_are_shares() -> None:
    doubled = {name: 2 * WEIGHTS.get(name, 1.0) for name in MAPS}
    assert np.allclose(combine(MAPS, WEIGHTS), combine(MAPS, doubled), atol=1e-6)


@pytest.mark.parametrize("name", list(MAPS))
def test_it_rises_with_each(name: str) -> None:
    more = MAPS | {name: np.clip(MAPS[name] + 0.1, 0, 1)}
    before, after = combine(MAPS, WEIGHTS), combine(more, WEIGHTS)
    assert (after >= before).all()
    inside = (MAPS[name] > 0.01) & (MAPS[name] < 0.89)
    assert (after > before)[inside].all()


def test_it_lies_between_the_extremes() -> None:
    stacked = np.stack(list(MAPS.values()))
    found = combine(MAPS)
    assert ((found >= stacked.min(0) - 1e-3) & (found <= stacked.max(0) + 1e-3)).all()
    assert found.dtype == np.float32


def test_right_and_wrong_are_alike() -> None:
    """Doubt in a label and trust in it are combined in the same way."""
    opposite = {name: 1 - doubt for name, doubt in MAPS.items()}
    assert np.allclose(combine(opposite, WEIGHTS), 1 - combine(MAPS, WEIGHTS), atol=1e-5)


def test_nobody_is_so_sure_that_others_count_for_nothing() -> None:
    found = combine({"a": np.array([0.0, 1.0]), "b": np.array([1.0, 0.0])})
    assert found == pytest.approx(0.5)


def test_numbers_without_a_shape_are_combined() -> None:
    assert float(combine({"a": np.array(0.2), "b": np.array(0.8)})) == pytest.approx(0.5)


@pytest.mark.parametrize("weights", [{"a": -1.0}, dict.fromkeys("abc", 0.0), {"d": 1.0}])
def test_weights_that_mean_nothing_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        combine(MAPS, weights)


def test_nothing_cannot_be_combined() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        combine({})
