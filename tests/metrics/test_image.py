"""One image's scores against scikit-learn; outlines have tests of their own."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, jaccard_score

from segtrain.metrics import ImageScores, boundary_scores

LABEL, PRED = np.random.default_rng(0).integers(0, 3, (2, 20, 30), dtype=np.uint8)


def test_exclusive_classes() -> None:
    scores = ImageScores(["background", "a", "b"], overlapping=False)
    found = scores(torch.from_numpy(PRED), torch.from_numpy(LABEL))
    dice = f1_score(LABEL.ravel(), PRED.ravel(), average=None)
    assert found["dice"].tolist() == pytest.approx(dice.tolist())
    assert found["iou"].tolist() == pytest.approx(jaccard_score(LABEL.ravel(), PRED.ravel(), average=None).tolist())
    assert np.array_equal(found["hd95"], boundary_scores(PRED, LABEL, 3).hd95)
    assert float(scores.mean(found["dice"])) == pytest.approx(dice[1:].mean())


def test_overlapping_classes() -> None:
    pred, label = (np.stack([mask > 0, mask > 1]).astype(np.uint8) for mask in (PRED, LABEL))
    scores = ImageScores(["lung", "background"], overlapping=True)
    found = scores(torch.from_numpy(pred), torch.from_numpy(label), ["dice"])
    expected = [f1_score(given.ravel(), predicted.ravel()) for given, predicted in zip(label, pred, strict=True)]
    assert found.keys() == {"dice"}
    assert found["dice"].tolist() == pytest.approx(expected)
    assert float(scores.mean(found["dice"])) == pytest.approx(np.mean(expected))


def test_a_class_that_does_not_occur_counts_nowhere() -> None:
    scores = ImageScores(["background", "a", "b"], overlapping=False)
    found = scores(torch.zeros(4, 4, dtype=torch.uint8), torch.zeros(4, 4, dtype=torch.uint8))
    assert all(bool(torch.isnan(values[1:]).all()) for values in found.values())
    assert bool(torch.isnan(scores.mean(found["dice"])))
