"""Label quality against hand-counted cases, scikit-learn, and the published noisy chest labels."""

import os
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imread
from sklearn.metrics import f1_score, jaccard_score

from segtrain.metrics import correction, label_quality
from segtrain.types import IGNORE

DATA = Path(os.environ.get("SEGTRAIN_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def test_is_sklearns():
    rng = np.random.default_rng(0)
    true = [rng.integers(0, 3, size=size, dtype=np.uint8) for size in ((20, 30), (8, 9))]
    given = [np.where(rng.random(t.shape) < 0.3, rng.integers(0, 3, t.shape), t).astype(np.uint8) for t in true]
    quality = label_quality(given, true, classes=["background", "a", "b"])
    flat_true, flat_given = (np.concatenate([m.ravel() for m in masks]) for masks in (true, given))
    dice = f1_score(flat_true, flat_given, average=None)
    iou = jaccard_score(flat_true, flat_given, average=None)
    assert [quality[f"dice/{c}"] for c in ("background", "a", "b")] == pytest.approx(dice.tolist())
    assert [quality[f"iou/{c}"] for c in ("background", "a", "b")] == pytest.approx(iou.tolist())
    assert quality["dice"] == pytest.approx(dice[1:].mean())
    assert quality["area_bias/a"] == pytest.approx((flat_given == 1).sum() / (flat_true == 1).sum() - 1)
    assert quality["area_bias"] == pytest.approx((quality["area_bias/a"] + quality["area_bias/b"]) / 2)


def test_area_bias():
    true, given = np.zeros((2, 20, 20), np.uint8)
    true[5:15, 5:15] = 1  # 100 pixels
    given[5:15, 5:20] = 1  # 150
    quality = label_quality([given], [true], classes=["background", "cell"])
    assert quality["area_bias"] == quality["area_bias/cell"] == pytest.approx(0.5)
    absent = label_quality([given], [np.zeros_like(true)], classes=["background", "cell"])
    assert np.isnan(absent["area_bias/cell"])


def test_ignored_in_either_never_counts():
    true, given = np.zeros((2, 10, 10), np.uint8)
    true[:4] = given[:4] = 1
    given[4:6] = IGNORE
    given[9], true[9] = 1, IGNORE
    quality = label_quality([given], [true], classes=["background", "cell"])
    assert quality["dice/cell"] == 1
    assert quality["area_bias/cell"] == 0


def test_overlapping():
    true, given = np.zeros((2, 2, 10, 10), np.uint8)
    true[0, :5] = given[0, :5] = 1
    true[1, :4], given[1, :6] = 1, 1
    given[0, 9] = IGNORE
    quality = label_quality([given], [true], classes=["lung", "heart"], overlapping=True)
    assert quality["dice/lung"] == 1
    assert quality["iou/heart"] == pytest.approx(4 / 6)
    assert quality["area_bias/heart"] == pytest.approx(0.5)
    assert quality["area_bias"] == pytest.approx(0.25)


def test_correction_counts():
    true = np.array([[0, 0, 1, 1, 2, 1, 0]], np.uint8)
    given = np.array([[0, 1, 1, 0, 0, IGNORE, 0]], np.uint8)
    corrected = np.array([[1, 0, 1, 0, 1, 1, IGNORE]], np.uint8)
    # harmed, mended, kept right, kept wrong, moved from wrong to wrong, given says nothing, corrected says nothing
    assert correction(given, corrected, true) == (3, 1, 1)
    assert correction(given, given, true) == (3, 0, 0)
    planes = [np.stack([m, m]) for m in (given, corrected, true)]
    assert correction(*planes) == (6, 2, 2)


def test_mismatched_lists_are_refused():
    with pytest.raises(ValueError, match="zip"):
        label_quality([np.zeros((2, 2), np.uint8)], [], classes=["a", "b"])


@pytest.mark.skipif(not (DATA / "chest").is_dir(), reason=f"the chest radiographs are not in {DATA}")
def test_published_noisy_chest_labels():
    """Dice .784 / .773 / .829 (mean over images), areas +39 to +59 %: the numbers stated with the data."""
    organs = ["lung", "heart", "clavicle"]
    chest = DATA / "chest"

    def mask(kind, image):
        paths = [chest / f"masks_{kind}" / organ / f"{image}.png" for organ in organs]
        return np.stack([imread(path) > 127 for path in paths]).astype(np.uint8)

    images = (chest / "train.txt").read_text().split()
    given, true = [mask("noisy", image) for image in images], [mask("clean", image) for image in images]
    each = [label_quality([g], [t], organs, overlapping=True) for g, t in zip(given, true, strict=True)]
    means = [np.mean([quality[f"dice/{organ}"] for quality in each]) for organ in organs]
    assert means == pytest.approx([0.784, 0.773, 0.829], abs=1e-3)
    bias = label_quality(given, true, organs, overlapping=True)
    assert [bias[f"area_bias/{organ}"] for organ in organs] == pytest.approx([0.55, 0.59, 0.39], abs=0.02)
