"""Objects of two masks are counted as by hand; pixels flipped by chance are counted, and nothing else is."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass, label

from segtrain.audit.objects import compare_objects, shift_of, speckle
from tests.audit.scenes import SIDE, disc

EVERYWHERE = np.ones((SIDE, SIDE), bool)
EMPTY = ~EVERYWHERE


def test_objects_are_met_missing_extra_or_swapped() -> None:
    given = np.stack([disc(5, 12, 12) | disc(5, 12, 40), disc(5, 40, 12) | disc(4, 50, 50)])
    predicted = np.stack([disc(6, 13, 12) | disc(5, 40, 12), disc(5, 40, 50) & ~disc(4, 50, 50)])
    counts = compare_objects(given, predicted)
    assert counts.given.tolist() == [2, 2]
    assert counts.predicted.tolist() == [2, 1]
    assert counts.extra.tolist() == [1, 1]  # at (12, 40), and at (50, 50)
    assert counts.missing.tolist() == [0, 1]  # at (40, 50)
    assert counts.swapped.tolist() == [[0, 0], [1, 0]]  # at (40, 12), drawn as class 1 and predicted as class 0


def test_an_object_beside_the_other_class_is_missing_and_not_swapped() -> None:
    counts = compare_objects(np.stack([disc(8), EMPTY]), np.stack([disc(8), disc(3)]))  # overlapping classes
    assert counts.missing.tolist() == [0, 1]
    assert counts.swapped.sum() == 0


def test_specks_are_no_objects() -> None:
    counts = compare_objects(disc(1)[None], EMPTY[None])
    assert (counts.given, counts.extra) == (0, 0)
    assert compare_objects(EMPTY[None], EMPTY[None]).missing.tolist() == [0]


def test_shifts_are_the_differences_of_the_centres_of_mass() -> None:
    given = disc(5, 15, 15) | disc(7, 45, 45)
    predicted = disc(6, 17, 14) | disc(6, 44, 48)
    found = {tuple(np.round(move, 3)) for move in shift_of(given, predicted)}
    numbers, others = label(given)[0], label(predicted)[0]
    expected = np.subtract(center_of_mass(given, numbers, [1, 2]), center_of_mass(predicted, others, [1, 2]))
    assert found == {tuple(np.round(move, 3)) for move in expected}


def test_an_object_that_the_other_mask_parts_has_no_shift() -> None:
    joined = np.zeros((SIDE, SIDE), bool)
    joined[20:30, 10:50] = True
    parted = joined.copy()
    parted[:, 28:32] = False
    assert len(shift_of(joined, parted)) == len(shift_of(parted, joined)) == 0


@pytest.mark.parametrize("rate", [0.003, 0.01, 0.05, 0.15])
def test_the_share_of_flipped_pixels_is_estimated(rate: float) -> None:
    rng, truth = np.random.default_rng(0), disc(14)
    flips = [rng.random(truth.shape) < rate for _ in range(20)]
    found = [speckle(truth ^ flip, EVERYWHERE) for flip in flips]
    assert np.mean([share for share, _ in found]) == pytest.approx(rate, rel=0.15)
    wrong_before = np.mean([flip.mean() for flip in flips])
    assert np.mean([(mask ^ truth).mean() for _, mask in found]) < 0.6 * wrong_before


@pytest.mark.parametrize("radius", [3, 6, 14])
def test_small_objects_corners_and_thin_lines_are_no_specks(radius: int) -> None:
    square = np.zeros((SIDE, SIDE), bool)
    square[10 : 10 + radius, 10 : 10 + radius] = True
    line = np.eye(SIDE, dtype=bool) | np.eye(SIDE, k=1, dtype=bool)
    for mask in (disc(radius), square, line, EMPTY, EVERYWHERE):
        share, cleaned = speckle(mask, EVERYWHERE)
        assert share == 0
        assert (cleaned == mask).all()


def test_ignored_pixels_are_not_counted() -> None:
    mask = np.random.default_rng(0).random((SIDE, SIDE)) < 0.05
    mask[:, SIDE // 2 :] = False
    assert speckle(mask, np.arange(SIDE)[None] * np.ones((SIDE, 1)) > SIDE // 2 + 2)[0] == 0
    assert speckle(mask, EMPTY)[0] == 0
