"""Boundary scores against brute force over all pairs of pixels, scipy and hand-counted cases."""

import time

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.spatial.distance import cdist, directed_hausdorff

from segtrain.metrics import boundary, boundary_scores
from segtrain.types import IGNORE


def blobs(num_classes, side=40, seed=0, sigma=3.0):
    """Class numbers (side, side): smooth regions, or specks for a small sigma."""
    rng = np.random.default_rng(seed)
    fields = [gaussian_filter(rng.normal(size=(side, side)), sigma) for _ in range(num_classes)]
    return np.argmax(fields, axis=0).astype(np.uint8)


def outline(mask, valid):
    """The boundary by a loop over pixels: a list of (row, column)."""
    height, width = mask.shape
    found = []
    for i in range(height):
        for j in range(width):
            around = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
            beyond = any(not (0 <= y < height and 0 <= x < width) for y, x in around)
            inside = [(y, x) for y, x in around if 0 <= y < height and 0 <= x < width]
            ends = beyond or any(valid[y, x] and not mask[y, x] for y, x in inside)
            if mask[i, j] and valid[i, j] and ends:
                found.append((i, j))
    return found


def brute_force(pred, label, c, tolerance):
    valid = label != IGNORE
    p, t = outline(pred == c, valid), outline(label == c, valid)
    if not p and not t:
        return np.nan, np.nan
    if not p or not t:
        return 0.0, float(np.hypot(*label.shape))
    distances = cdist(p, t)
    precision, recall = (distances.min(1) <= tolerance).mean(), (distances.min(0) <= tolerance).mean()
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return f1, max(np.percentile(distances.min(1), 95), np.percentile(distances.min(0), 95))


@pytest.mark.parametrize("sigma", [0.0, 1.0, 4.0])  # from noise (a distance transform) to few outlines (a tree)
@pytest.mark.parametrize("tolerance", [0.0, 1.5, 2.0])
def test_is_brute_force(sigma, tolerance):
    pred, label = blobs(3, seed=1, sigma=sigma), blobs(3, seed=2, sigma=sigma)
    label[5:12, 8:30] = IGNORE
    scores = boundary_scores(pred, label, 3, tolerance)
    expected = np.array([brute_force(pred, label, c, tolerance) for c in range(3)])
    np.testing.assert_allclose(scores.f1, expected[:, 0])
    np.testing.assert_allclose(scores.hd95, expected[:, 1])


def test_sparse_outlines_are_brute_force():
    pred, label = np.zeros((60, 60), np.uint8), np.zeros((60, 60), np.uint8)
    pred[5:9, 5:9] = label[40:47, 30:50] = 1
    label[20, 3] = 1
    scores = boundary_scores(pred, label, 2)
    assert (scores.f1[1], scores.hd95[1]) == pytest.approx(brute_force(pred, label, 1, 2.0))


def test_outline_is_the_mask_less_its_erosion():
    mask = blobs(2, sigma=1.0) == 1
    expected = mask & ~binary_erosion(mask)
    assert np.array_equal(boundary.boundary(mask, np.ones_like(mask)), expected)


def test_hd100_is_scipys_hausdorff(monkeypatch):
    monkeypatch.setattr(boundary, "PERCENTILE", 100.0)
    pred, label = blobs(2, seed=1), blobs(2, seed=2)
    everywhere = np.ones(label.shape, bool)
    p, t = outline(pred == 1, everywhere), outline(label == 1, everywhere)
    expected = max(directed_hausdorff(p, t)[0], directed_hausdorff(t, p)[0])
    assert boundary_scores(pred, label, 2).hd95[1] == pytest.approx(expected)


def test_shifted_square():
    label, pred = np.zeros((2, 50, 50), np.uint8)
    label[10:30, 10:30] = 1
    pred[13:33, 10:30] = 1
    assert boundary_scores(pred, label, 2, tolerance=3.0).f1[1] == 1
    assert boundary_scores(pred, label, 2, tolerance=2.0).f1[1] < 0.8
    assert boundary_scores(pred, label, 2).hd95[1] == 3


def test_empty_and_full_masks():
    nothing, everything = np.zeros((30, 40), np.uint8), np.ones((30, 40), np.uint8)
    both_empty = boundary_scores(nothing, nothing, 2)
    assert np.isnan(both_empty.f1[1])
    assert np.isnan(both_empty.hd95[1])
    one_empty = boundary_scores(nothing, everything, 2)
    assert one_empty.f1.tolist() == [0, 0]
    assert one_empty.hd95.tolist() == [50, 50]
    both_full = boundary_scores(everything, everything, 2)
    assert both_full.f1[1] == 1
    assert both_full.hd95[1] == 0


def test_ignored_pixels_never_count():
    label = blobs(2, seed=2)
    label[10:25, 5:30] = IGNORE
    pred = blobs(2, seed=1)
    other = np.where(label == IGNORE, 1 - pred, pred)
    np.testing.assert_array_equal(boundary_scores(pred, label, 2), boundary_scores(other, label, 2))
    # a perfect prediction stays perfect although the label stops at the ignored region
    whole = blobs(2, seed=2)
    perfect = boundary_scores(whole, label, 2)
    assert perfect.f1.tolist() == [1, 1]
    assert perfect.hd95.tolist() == [0, 0]


def test_overlapping_classes():
    pred, label = np.stack([blobs(2, seed=s) for s in (1, 2)]), np.stack([blobs(2, seed=s) for s in (3, 4)])
    label[0, :9] = IGNORE
    scores = boundary_scores(pred, label, 2)
    for k in range(2):
        alone = boundary_scores(pred[k], label[k], 2)
        assert (scores.f1[k], scores.hd95[k]) == (alone.f1[1], alone.hd95[1])


def test_large_image_is_fast():
    pred, label = blobs(2, side=1000, seed=1, sigma=20), blobs(2, side=1000, seed=2, sigma=20)
    start = time.thread_time()
    boundary_scores(pred, label, 2)
    assert time.thread_time() - start < 0.6  # measured 0.1 s of one core
