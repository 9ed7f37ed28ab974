"""From a refined mask back to probabilities."""

import numpy as np
import pytest

from segtrain.postprocess.decision import MARGIN, agree


def some(num_classes, shape=(13, 9), seed=0):
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(num_classes, 0.3), shape).transpose(2, 0, 1).astype(np.float32)
    mask = np.where(rng.random(shape) < 0.5, rng.integers(0, num_classes, shape), probs.argmax(0))
    return probs, mask


def test_example_of_two_classes():
    probs = np.array([0.9, 0.1], np.float32).reshape(2, 1, 1)
    changed = agree(probs, np.array([[1]]))
    assert changed.ravel().tolist() == pytest.approx([0.4995, 0.5005])


@pytest.mark.parametrize("num_classes", [2, 3, 7, 255])
def test_the_mask_wins_by_the_least(num_classes):
    probs, mask = some(num_classes)
    result = agree(probs, mask)
    assert np.array_equal(result.argmax(0), mask)
    np.testing.assert_allclose(result.sum(0), 1, atol=1e-5)
    same = probs.argmax(0) == mask
    assert np.array_equal(result[:, same], probs[:, same])
    for p, r, c in zip(probs[:, ~same].T, result[:, ~same].T, mask[~same], strict=True):
        others = np.arange(num_classes) != c
        assert r[c] / r[others].max() == pytest.approx(1, abs=3 * MARGIN)  # just above the runner-up
        assert r[c] > r[others].max()
        np.testing.assert_allclose(r[others] / r[others].sum(), p[others] / p[others].sum(), rtol=1e-5, atol=1e-7)


def test_certain_and_uniform_pixels():
    certain = np.zeros((5, 2, 2), np.float32)
    certain[3] = 1
    uniform = np.full((5, 2, 2), 0.2, np.float32)
    for probs in (certain, uniform):
        for c in range(5):
            result = agree(probs, np.full((2, 2), c))
            assert (result.argmax(0) == c).all()
            np.testing.assert_allclose(result.sum(0), 1, atol=1e-6)
            assert (result >= 0).all()


def test_input_stays():
    probs, mask = some(3)
    before = probs.copy()
    agree(probs, mask)
    assert np.array_equal(probs, before)
