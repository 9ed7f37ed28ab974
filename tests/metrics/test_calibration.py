"""Calibration against torchmetrics and a numpy loop."""

import numpy as np
import pytest
import torch
from torchmetrics.classification import BinaryCalibrationError, MulticlassCalibrationError

from segtrain.errors import ConfigError
from segtrain.metrics import CalibrationError
from segtrain.types import IGNORE


def predictions(shape, seed=0):
    """Probabilities (..., C, H, W) and a label (..., H, W) that follows them more or less."""
    generator = torch.Generator().manual_seed(seed)
    probs = (2 * torch.randn(shape, generator=generator)).softmax(-3)
    noise = torch.randn(shape, generator=generator)
    label = (probs.log() + 0.7 * noise).argmax(-3).to(torch.uint8)
    return probs, label.masked_fill(torch.rand(label.shape, generator=generator) < 0.1, IGNORE)


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("num_bins", [1, 10, 15])
def test_is_torchmetrics(num_classes, num_bins):
    probs, label = predictions((3, num_classes, 30, 20))
    metric = CalibrationError(num_bins=num_bins)
    metric.update(probs, label)
    witness = MulticlassCalibrationError(num_classes, n_bins=num_bins, ignore_index=IGNORE)
    assert metric.compute() == pytest.approx(float(witness(probs, label.long())), abs=1e-6)


def test_bins_are_those_of_a_loop():
    probs, label = predictions((4, 30, 20))
    metric = CalibrationError(num_bins=15)
    metric.update(probs, label)
    confidence, right, pixels = np.zeros(15), np.zeros(15), np.zeros(15)
    for p, t in zip(probs.flatten(1).T.numpy(), label.flatten().tolist(), strict=True):
        if t != IGNORE:
            b = min(int(p.max() * np.float32(15)), 14)
            confidence[b] += p.max()
            right[b] += p.argmax() == t
            pixels[b] += 1
    some = pixels > 0
    assert metric.bins.pixels.tolist() == pixels.tolist()
    np.testing.assert_allclose(metric.bins.confidence[some], confidence[some] / pixels[some])
    np.testing.assert_allclose(metric.bins.accuracy[some], right[some] / pixels[some])
    assert np.isnan(metric.bins.confidence[~some]).all()
    assert np.isnan(metric.bins.accuracy[~some]).all()
    assert (~some).any()  # confidence of the most probable of four is never below 1 / 4


def test_overlapping_counts_each_class_by_itself():
    probs, label = predictions((2, 3, 2, 20, 20))  # (B, K, 2, H, W)
    metric = CalibrationError()
    metric.update(probs, label)
    witness = MulticlassCalibrationError(2, n_bins=15, ignore_index=IGNORE)
    assert metric.compute() == pytest.approx(float(witness(probs.flatten(0, 1), label.flatten(0, 1).long())), abs=1e-6)
    # torchmetrics' binary form asks something else: the probability of class 1, not the confidence of the winner
    assert metric.compute() != pytest.approx(
        float(BinaryCalibrationError(n_bins=15, ignore_index=IGNORE)(probs[:, :, 1], label.long())), abs=1e-3
    )


def test_known_values():
    certain = torch.tensor([1.0, 0.0]).view(2, 1, 1).expand(2, 1, 4)
    metric = CalibrationError()
    metric.update(certain, torch.tensor([[0, 0, 0, 1]]))
    assert metric.compute() == pytest.approx(0.25)  # says 1, is right in 3 of 4
    assert metric.bins.pixels.tolist() == [0] * 14 + [4]
    empty = CalibrationError()
    empty.update(certain, torch.full((1, 4), IGNORE))
    assert np.isnan(empty.compute())


def test_half_precision_adds_up_exactly():
    probs = torch.full((2, 200, 200), 0.5, dtype=torch.float16)
    metric = CalibrationError()
    metric.update(probs, torch.zeros(200, 200, dtype=torch.uint8))
    assert metric.bins.confidence[7] == 0.5
    assert metric.compute() == 0.5


def test_num_bins_is_checked():
    with pytest.raises(ConfigError, match="'num_bins' of CalibrationError must be at least 1, got 0"):
        CalibrationError(num_bins=0)
