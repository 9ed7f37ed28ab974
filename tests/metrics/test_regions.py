"""Scores of regions and boundaries against loops, scikit-learn, scikit-image and scipy's assignment."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from skimage.metrics import variation_of_information
from sklearn.metrics import rand_score

from segtrain.metrics import BoundaryMatches, boundary_matches, region_boundary, region_scores


@pytest.fixture(params=range(4))
def maps(request):
    """A prediction and three truths, of blocks with ragged sides."""
    rng = np.random.default_rng(request.param)

    def one():
        rows, columns = np.indices((21, 26)) + rng.integers(-1, 2, (2, 21, 26))
        size = rng.integers(5, 11)
        return (rows.clip(0) // size) * 7 + columns.clip(0) // size

    return one(), [one() for _ in range(3)]


def covering(pred, truth):
    """Arbelaez et al. 2011, sec. 3.1, region by region."""
    total = 0.0
    for region in np.unique(truth):
        inside = truth == region
        ious = [(inside & (pred == other)).sum() / (inside | (pred == other)).sum() for other in np.unique(pred)]
        total += inside.sum() * max(ious)
    return total / truth.size


def test_scores_are_those_of_loops_and_libraries(maps):
    pred, truths = maps
    scores = region_scores(pred, truths)
    assert scores.covering == pytest.approx(np.mean([covering(pred, truth) for truth in truths]))
    assert scores.rand == pytest.approx(np.mean([rand_score(pred.ravel(), truth.ravel()) for truth in truths]))
    bits = [sum(variation_of_information(truth, pred)) for truth in truths]  # scikit-image's are bits, too
    assert scores.variation == pytest.approx(np.mean(bits))


def test_the_same_regions_under_other_numbers_are_the_same(maps):
    pred, _ = maps
    renamed = np.random.default_rng(0).permutation(1000)[pred]
    assert region_scores(pred, [renamed]) == pytest.approx((1, 1, 0), abs=1e-12)
    matches = boundary_matches(region_boundary(pred), [region_boundary(renamed)])
    assert matches.f1 == 1
    assert matches.matched_pred == matches.pred == matches.truth == matches.matched_truth > 0


def test_one_pixel_and_one_region():
    one = np.zeros((1, 1), int)
    assert region_scores(one, [one]) == (1, 1, 0)
    whole = np.zeros((8, 9), int)
    assert boundary_matches(region_boundary(whole), [region_boundary(whole)]).f1 == 1
    halves = whole.copy()
    halves[4:] = 1
    assert region_scores(whole, [halves])[::2] == pytest.approx((0.5, 1.0))
    assert boundary_matches(region_boundary(whole), [region_boundary(halves)]).f1 == 0


def test_a_boundary_is_one_pixel_wide():
    label = np.zeros((7, 9), int)
    label[:, 4:] = 1
    assert np.array_equal(np.argwhere(region_boundary(label)), [[row, 3] for row in range(7)])
    corner = np.array([[0, 0, 0], [0, 1, 1], [0, 1, 1]])
    assert region_boundary(corner).sum() == 4


@pytest.mark.parametrize("tolerance", [0.0, 0.03, 0.09])
def test_as_many_pixels_match_as_an_assignment_can(maps, tolerance):
    pred, truths = (region_boundary(maps[0]), [region_boundary(truth) for truth in maps[1]])
    found = boundary_matches(pred, truths, tolerance)
    reach = tolerance * np.hypot(21, 26)
    expected = 0
    for truth in truths:
        near = cdist(np.argwhere(pred), np.argwhere(truth)) <= reach
        rows, columns = linear_sum_assignment(near, maximize=True)
        expected += near[rows, columns].sum()
    assert found.matched_truth == expected
    assert found.truth == sum(truth.sum() for truth in truths)
    assert found.pred == pred.sum()
    near_any = np.any([(cdist(np.argwhere(pred), np.argwhere(truth)) <= reach).any(1) for truth in truths], axis=0)
    assert max(expected / 3, 0) <= found.matched_pred <= near_any.sum()


def test_each_pixel_has_one_partner():
    pred, truth = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    pred[10:13, 5:35] = True  # three lines where people drew one
    truth[11, 5:35] = True
    matches = boundary_matches(pred, [truth], tolerance=0.05)
    assert matches == BoundaryMatches(matched_pred=30, pred=90, matched_truth=30, truth=30)
    assert matches.f1 == pytest.approx(0.5)
    assert boundary_matches(truth, [pred], tolerance=0.05) == (30, 30, 30, 90)


def test_boundaries_of_bsds(real_data):
    folder = real_data / "bsds" / "gt"
    for file in sorted(folder.glob("*.npz"))[:3]:
        with np.load(file) as content:
            assert np.array_equal(region_boundary(content["segs"][0].astype(int)), content["bounds"][0] > 0)
