"""Calibration by one number: against a softmax, and the fit against an optimiser that sees all the data."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from segtrain.errors import ConfigError
from segtrain.metrics import CalibrationError
from segtrain.postprocess import Temperature, fit_temperature

IMAGE = np.zeros((30, 40, 1), np.uint8)


def some(num_classes=3, size=(30, 40), sharpness=3.0, seed=0):
    """Probabilities that are `sharpness` times too sure in their logits, the labels drawn from the right ones."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (num_classes, *size))
    right = np.exp(logits) / np.exp(logits).sum(0)
    label = (right.cumsum(0) < rng.random(size)).sum(0).clip(0, num_classes - 1)
    target = (np.arange(num_classes).reshape(-1, 1, 1) == label).astype(np.float32)
    probs = np.exp(sharpness * logits)
    return (probs / probs.sum(0)).astype(np.float32), target, np.ones(size, np.float32)


def loss(temperature, probs, target, weight):
    logits = torch.from_numpy(np.maximum(probs, 1e-7)).double().log() / temperature
    each = torch.nn.functional.cross_entropy(logits[None], torch.from_numpy(target)[None].double(), reduction="none")[0]
    return float((each.numpy() * weight).sum() / weight.sum())


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_it_is_a_softmax_of_logits(temperature):
    probs, _, _ = some()
    expected = (torch.from_numpy(probs).clamp_min(1e-7).log() / temperature).softmax(0)
    np.testing.assert_allclose(Temperature(temperature=temperature)(probs, IMAGE), expected, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.01, 50.0])
def test_no_decision_changes(temperature):
    probs, _, _ = some()
    probs[:, 0] = np.array([0.3333333, 0.33333337, 0.33333334], np.float32)[:, None]
    calibrated = Temperature(temperature=temperature)(probs, IMAGE)
    assert np.array_equal(calibrated.argmax(0), probs.argmax(0))
    assert np.isfinite(calibrated).all()


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("sharpness", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("soft", [False, True])
def test_the_fit_is_an_optimisers(num_classes, sharpness, soft):
    probs, target, weight = some(num_classes, sharpness=sharpness)
    rng = np.random.default_rng(1)
    weight = (rng.random(weight.shape) * (rng.random(weight.shape) < 0.7)).astype(np.float32)  # some are ignored
    target = 0.8 * target + 0.2 / num_classes if soft else target
    expected = minimize_scalar(loss, bounds=(0.1, 10), args=(probs, target, weight), options={"xatol": 1e-6}).x
    rows = [(probs[:, y : y + 7], target[:, y : y + 7], weight[y : y + 7]) for y in range(0, 30, 7)]
    assert fit_temperature(iter(rows)) == pytest.approx(expected, rel=1e-3)
    if not soft:
        assert expected == pytest.approx(sharpness, rel=0.2)


def test_the_fit_calibrates():
    probs, target, weight = some(sharpness=4.0, size=(100, 100))
    errors = []
    for each in (probs, Temperature(temperature=fit_temperature([(probs, target, weight)]))(probs, IMAGE)):
        metric = CalibrationError()
        metric.update(torch.from_numpy(each), torch.from_numpy(target).argmax(0))
        errors.append(metric.compute())
    assert errors[0] > 0.1
    assert errors[1] < 0.02


def test_overlapping_classes_share_a_temperature_and_a_weight():
    both = [some(2, seed=seed) for seed in range(2)]
    stacked = tuple(np.stack(each) for each in zip(*both, strict=True))
    together = fit_temperature(both)
    assert fit_temperature([(stacked[0], stacked[1], both[0][2])]) == pytest.approx(together, rel=1e-5)


def test_nothing_to_learn_from():
    probs, target, weight = some()
    assert fit_temperature([]) == 1.0
    assert fit_temperature([(probs, target, 0 * weight)]) == 1.0
    assert fit_temperature([(np.full_like(probs, 1 / 3), target, weight)]) == 1.0  # no temperature changes anything
    hard = (probs == probs.max(0)).astype(np.float32)
    assert fit_temperature([(probs, hard, weight)]) == pytest.approx(1 / 20)  # always right: as sharp as it gets
    assert fit_temperature([(probs, 1 - hard, weight)]) == pytest.approx(20)


def test_zero_is_refused():
    with pytest.raises(ConfigError, match="The 'temperature' of Temperature must be above 0, got 0"):
        Temperature(temperature=0)
