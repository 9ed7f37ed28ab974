"""Thresholds against a loop over pixels, and their refusals."""

import numpy as np
import pytest

from segtrain.errors import ConfigError
from segtrain.postprocess import Threshold


def some(num_classes, shape=(25, 20), seed=0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(num_classes), shape).transpose(2, 0, 1).astype(np.float32)


def image(probs):
    return np.zeros((*probs.shape[1:], 3), np.uint8)


def by_loop(probs, limits, background):
    """`limits`: class number -> threshold."""
    mask = np.empty(probs.shape[1:], int)
    for at in np.ndindex(mask.shape):
        p = probs[(slice(None), *at)]
        reached = {c: p[c] / np.float32(t) for c, t in limits.items() if p[c] >= np.float32(t)}
        if not reached and background is None:
            reached = {c: p[c] / np.float32(t) for c, t in limits.items()}
        mask[at] = max(reached, key=reached.get) if reached else background
    return mask


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 1.0])
def test_two_classes_compare_with_the_threshold(threshold):
    probs = some(2)
    mask = Threshold(threshold=threshold)(probs, image(probs)).argmax(0)
    assert np.array_equal(mask, probs[1] >= np.float32(threshold))


def test_the_threshold_itself_is_reached():
    probs = np.array([0.3, 0.7], np.float32).reshape(2, 1, 1)  # 0.7 in float32 is below 0.7 in float64
    assert Threshold(threshold=0.7)(probs, image(probs)).argmax(0) == 1


@pytest.mark.parametrize("threshold", [0.1, 0.4, 0.6])
@pytest.mark.parametrize("background", [0, 2, None])
def test_many_classes(threshold, background):
    probs = some(4)
    limits = {c: threshold for c in range(4) if c != background}
    mask = Threshold(threshold=threshold, background=background)(probs, image(probs)).argmax(0)
    assert np.array_equal(mask, by_loop(probs, limits, background))
    if background is None:
        assert np.array_equal(mask, probs.argmax(0))


@pytest.mark.parametrize(("background", "classes"), [(0, [1, 2]), (1, [0, 2]), (None, [0, 1, 2])])
def test_per_class(background, classes):
    probs = some(3)
    per_class = [0.2, 0.6, 0.35][: len(classes)]
    mask = Threshold(per_class=per_class, background=background)(probs, image(probs)).argmax(0)
    assert np.array_equal(mask, by_loop(probs, dict(zip(classes, per_class, strict=True)), background))
    assert not np.array_equal(mask, probs.argmax(0))


def test_lower_threshold_finds_more():
    probs = some(2)
    areas = [Threshold(threshold=t)(probs, image(probs)).argmax(0).sum() for t in (0.2, 0.5, 0.8)]
    assert areas[0] > areas[1] > areas[2] > 0


def test_faults_come_all_at_once():
    with pytest.raises(ConfigError) as caught:
        Threshold(threshold=0, per_class=[0.5, 1.5], background=-1)
    assert caught.value.faults == [
        "The 'threshold' of Threshold must be in (0, 1], got 0",
        "The 'per_class' of Threshold must be in (0, 1], got 1.5",
        "The 'background' of Threshold must be a class number, 0 or more, got -1",
    ]


def test_other_classes_are_refused():
    probs = some(3)
    with pytest.raises(ConfigError, match=r"must have 2 numbers, .* got 1"):
        Threshold(per_class=[0.5])(probs, image(probs))
    with pytest.raises(ConfigError, match="must be one of the 3 classes, got 3"):
        Threshold(background=3)(probs, image(probs))
