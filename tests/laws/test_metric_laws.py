"""What holds of every metric that segtrain.metrics offers."""

import inspect
import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from torchmetrics import Metric

import segtrain.metrics
from segtrain.types import IGNORE

CLASSES = ["background", "a", "b"]
METRICS = [of for _, of in inspect.getmembers(segtrain.metrics, inspect.isclass) if issubclass(of, Metric)]
BOTH = pytest.mark.parametrize("overlapping", [False, True])
EACH = pytest.mark.parametrize("of", METRICS)


def build(of, overlapping):
    known = {"classes": CLASSES, "overlapping": overlapping}
    return of(**{key: value for key, value in known.items() if key in inspect.signature(of).parameters})


def images(overlapping, count=4, seed=0):
    """Of each image what the model says, (C, H, W) or (K, 2, H, W), and the label; sizes differ."""
    generator = torch.Generator().manual_seed(seed)
    for n in range(count):
        size = (20 + n, 31 - n)
        shape = (len(CLASSES), 2, *size) if overlapping else (len(CLASSES), *size)
        coarse = torch.randn(*shape[:-2], 5, 6, generator=generator)
        logits = torch.nn.functional.interpolate(coarse.flatten(0, -3)[None], size=size, mode="bilinear")[0]
        probs = (3 * logits.view(shape)).softmax(-3)
        label = (probs.log() + torch.randn(shape, generator=generator)).argmax(-3).to(torch.uint8)
        label[..., 3:8, 5:20] = IGNORE
        yield probs, label


def update(metric, probs, label):
    """A metric asks either for probabilities or for the decision."""
    asked = next(iter(inspect.signature(type(metric).update).parameters.keys() - {"self", "label"}))
    metric.update(probs if asked == "probs" else probs.argmax(-3).to(torch.uint8), label)


def value(metric):
    result = metric.compute()
    return np.array(list(result.values()) if isinstance(result, dict) else [result])


def after(of, overlapping, seen):
    metric = build(of, overlapping)
    for probs, label in seen:
        update(metric, probs, label)
    return value(metric)


def test_metrics_are_found():
    assert {"SegmentationMetrics", "CalibrationError"} <= {of.__name__ for of in METRICS}


@EACH
@BOTH
def test_ignored_pixels_never_count(of, overlapping):
    seen = list(images(overlapping))
    spoiled = []
    for probs, label in seen:
        at = (label == IGNORE).unsqueeze(-3)
        spoiled.append((torch.where(at, probs.flip(-3), probs), label))
    assert not any(torch.equal(a[0], b[0]) for a, b in zip(seen, spoiled, strict=True))
    np.testing.assert_array_equal(after(of, overlapping, spoiled), after(of, overlapping, seen))
    kept = [(probs, torch.where(label == IGNORE, 0, label)) for probs, label in seen]
    assert not np.array_equal(after(of, overlapping, kept), after(of, overlapping, seen))


@EACH
@BOTH
def test_order_of_the_images_does_not_matter(of, overlapping):
    seen = list(images(overlapping))
    np.testing.assert_allclose(after(of, overlapping, seen[::-1]), after(of, overlapping, seen), rtol=1e-12)


@EACH
@BOTH
def test_by_parts_is_all_at_once(of, overlapping):
    """States of two halves, added as devices add them, are the state of the whole."""
    seen = list(images(overlapping))
    halves = [build(of, overlapping), build(of, overlapping)]
    for n, (probs, label) in enumerate(seen):
        update(halves[n % 2], probs, label)
    whole = build(of, overlapping)
    for name in whole._defaults:
        setattr(whole, name, sum(getattr(half, name) for half in halves))
    whole._update_count = 1
    np.testing.assert_allclose(value(whole), after(of, overlapping, seen), rtol=1e-12)
    assert {reduce.__name__ for reduce in whole._reductions.values()} == {"dim_zero_sum"}


@EACH
@BOTH
def test_a_batch_is_its_images(of, overlapping):
    pairs = [next(images(overlapping, count=1, seed=seed)) for seed in range(3)]
    batch = [(torch.stack([p for p, _ in pairs]), torch.stack([t for _, t in pairs]))]
    np.testing.assert_allclose(after(of, overlapping, batch), after(of, overlapping, pairs), rtol=1e-12)


@EACH
@BOTH
def test_memory_is_constant(of, overlapping):
    metric, sizes = build(of, overlapping), []
    for probs, label in images(overlapping):
        update(metric, probs, label)
        sizes.append(sum(getattr(metric, name).numel() for name in metric._defaults))
    assert all(a == b for a, b in pairwise(sizes))


@EACH
@BOTH
def test_reset_forgets_and_state_keys_stay_out_of_checkpoints(of, overlapping):
    first, *others = images(overlapping)
    metric = build(of, overlapping)
    assert metric.state_dict() == {}
    update(metric, *first)
    value(metric)
    metric.reset()
    for probs, label in others:
        update(metric, probs, label)
    np.testing.assert_array_equal(value(metric), after(of, overlapping, others))
    assert metric.state_dict() == {}


@EACH
@BOTH
def test_perfect_predictions(of, overlapping):
    seen = []
    for _, label in images(overlapping):
        truth = torch.where(label == IGNORE, 0, label).long().unsqueeze(-3)
        num_classes = 2 if overlapping else len(CLASSES)
        shape = (*label.shape[:-2], num_classes, *label.shape[-2:])
        seen.append((torch.zeros(shape).scatter_(-3, truth, 1.0), label))
    metric = build(of, overlapping)
    for probs, label in seen:
        update(metric, probs, label)
    result = metric.compute()
    scores = result.items() if isinstance(result, dict) else [("ece", result)]
    for name, score in scores:
        assert score == (0 if name.startswith("ece") else 1), name


@EACH
@BOTH
def test_pickles(of, overlapping):
    metric = build(of, overlapping)
    for probs, label in images(overlapping):
        update(metric, probs, label)
    np.testing.assert_array_equal(value(pickle.loads(pickle.dumps(metric))), value(metric))
