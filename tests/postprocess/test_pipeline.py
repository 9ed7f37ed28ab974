"""Post-processors in a row."""

import numpy as np

from segtrain.postprocess import Morphology, Pipeline, Threshold

IMAGE = np.zeros((30, 30, 3), np.uint8)


def some(shape, seed=0):
    """Random probabilities: shape (..., C, H, W)."""
    raw = np.random.default_rng(seed).gamma(0.5, size=shape).astype(np.float32)
    return raw / raw.sum(-3, keepdims=True)


class Recorder:
    """Notes the order of calls and what it was given."""

    idempotent = True

    def __init__(self, name, log):
        self.name, self.log = name, log

    def __call__(self, probs, image):
        self.log.append((self.name, probs.shape, image is IMAGE))
        return probs[::-1].copy()


def test_steps_run_in_order_and_feed_each_other():
    log = []
    probs = some((3, 30, 30))
    result = Pipeline({"b": Recorder("b", log), "a": Recorder("a", log)})(probs, IMAGE)
    assert log == [("b", (3, 30, 30), True), ("a", (3, 30, 30), True)]
    assert np.array_equal(result, probs)  # turned over twice


def test_order_matters():
    probs = some((2, 30, 30))
    threshold, morphology = Threshold(threshold=0.3), Morphology(opening_radius=1)
    one = Pipeline({"threshold": threshold, "morphology": morphology})(probs, IMAGE)
    other = Pipeline({"morphology": morphology, "threshold": threshold})(probs, IMAGE)
    assert np.array_equal(one, morphology(threshold(probs, IMAGE), IMAGE))
    assert np.array_equal(other, threshold(morphology(probs, IMAGE), IMAGE))
    assert not np.array_equal(one, other)


def test_overlapping_classes_go_through_one_by_one():
    probs = some((3, 2, 30, 30))
    log = []
    Pipeline({"a": Recorder("a", log), "b": Recorder("b", log)})(probs, IMAGE)
    assert log == [(name, (2, 30, 30), True) for name in "ababab"]
    pipeline = Pipeline({"threshold": Threshold(threshold=0.3), "morphology": Morphology(min_object_area=3)})
    result = pipeline(probs, IMAGE)
    assert np.array_equal(result, np.stack([pipeline(one, IMAGE) for one in probs]))
    assert not np.array_equal(result, probs)


def test_no_step_changes_nothing():
    for shape in ((3, 30, 30), (2, 2, 30, 30)):
        probs = some(shape)
        assert np.array_equal(Pipeline({})(probs, IMAGE), probs)
