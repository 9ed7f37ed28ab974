"""How well a segmentation agrees with those that people drew: regions and their boundaries.

A segmentation gives each pixel the number of its region, (H, W) integers; what number it is means nothing. All scores
compare one prediction with the segmentations of several annotators.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from skimage.morphology import thin

__all__ = ["BoundaryMatches", "RegionScores", "boundary_matches", "region_boundary", "region_scores"]

OUTLIER = 100
"""Times the largest distance of a pair: what a pixel without a partner costs (Martin et al. 2004)."""


class RegionScores(NamedTuple):
    """How one segmentation agrees with the annotators', on average."""

    covering: float
    """[0, 1], 1 = the same."""
    rand: float
    """The probabilistic Rand index, [0, 1], 1 = the same."""
    variation: float
    """The variation of information, bits, >= 0, 0 = the same."""


class _Overlaps(NamedTuple):
    """Where regions of two segmentations meet."""

    pixels: np.ndarray
    """(P,) float64, the pixels that a region u of the one and a region v of the other share."""
    pred_area: np.ndarray
    """(P,) of u, pixels."""
    truth_area: np.ndarray
    """(P,) of v, pixels."""
    truth: np.ndarray
    """(P,) int, the number of v."""
    pred_areas: np.ndarray
    """Of each region, pixels."""
    truth_areas: np.ndarray
    """Of each region, pixels."""


def region_scores(pred: np.ndarray, truths: Sequence[np.ndarray]) -> RegionScores:
    """Score the regions of one image.

    - Covering of a truth S by the prediction S' (Arbelaez et al. 2011, sec. 3.1): 1/N sum over R in S of
      |R| max over R' in S' of |R n R'| / |R u R'|.
    - Rand index: the share of the pairs of pixels that both put together or both part; its mean over the annotators is
      the probabilistic one (Unnikrishnan et al. 2007).
    - Variation of information H(S) + H(S') - 2 I(S, S') (Meila 2005), in bits as the published figures on BSDS are.

    Args:
        pred: (H, W) numbers of regions, >= 0.
        truths: of each annotator (H, W), at least one.
    """
    scores = []
    for truth in truths:
        overlaps = _overlaps(pred, truth)
        scores.append((_covering(overlaps), _rand(overlaps), _variation(overlaps)))
    return RegionScores(*np.mean(scores, axis=0).tolist())


def _overlaps(pred: np.ndarray, truth: np.ndarray) -> _Overlaps:
    ones = np.ones(pred.size)
    table = coo_array((ones, (pred.ravel(), truth.ravel()))).tocsr().tocoo()
    pred_areas, truth_areas = table.sum(1), table.sum(0)
    rows, columns = table.coords
    return _Overlaps(table.data, pred_areas[rows], truth_areas[columns], columns, pred_areas, truth_areas)


def _covering(overlaps: _Overlaps) -> float:
    ious = overlaps.pixels / (overlaps.pred_area + overlaps.truth_area - overlaps.pixels)
    best = np.zeros(len(overlaps.truth_areas))
    np.maximum.at(best, overlaps.truth, ious)
    return float((overlaps.truth_areas * best).sum() / overlaps.truth_areas.sum())


def _rand(overlaps: _Overlaps) -> float:
    size = overlaps.pixels.sum()
    parted = (np.square(overlaps.pred_areas).sum() + np.square(overlaps.truth_areas).sum()) / 2
    return float(1 - (parted - np.square(overlaps.pixels).sum()) / max(size * (size - 1) / 2, 1))


def _variation(overlaps: _Overlaps) -> float:
    share = overlaps.pixels / overlaps.pixels.sum()
    given_pred, given_truth = overlaps.pixels / overlaps.pred_area, overlaps.pixels / overlaps.truth_area
    return float(-(share * (np.log2(given_pred) + np.log2(given_truth))).sum())  # H(S | S') + H(S' | S)


class BoundaryMatches(NamedTuple):
    """Pixels of boundaries that found a partner, of how many; those of several images add up."""

    matched_pred: int
    """Pixels of the prediction with a partner in at least one truth."""
    pred: int
    matched_truth: int
    """Summed over the truths."""
    truth: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, in [0, 1]; 1 where there is no boundary at all."""
        if not self.pred or not self.truth:
            return float(self.pred == self.truth)
        precision, recall = self.matched_pred / self.pred, self.matched_truth / self.truth
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def region_boundary(label: np.ndarray) -> np.ndarray:
    """Give the boundaries between regions, thinned to one pixel as those of BSDS are: (H, W) -> (H, W) bool.

    A pixel lies on one if the pixel to the right, below or right below belongs to another region.
    """
    around = np.pad(label, (0, 1), mode="edge")
    right, below, both = around[:-1, 1:], around[1:, :-1], around[1:, 1:]
    return thin((right != label) | (below != label) | (both != label))


def boundary_matches(pred: np.ndarray, truths: Sequence[np.ndarray], tolerance: float = 0.0075) -> BoundaryMatches:
    """Match the boundaries of one image one to one (Martin et al. 2004, sec. 3.2).

    As many pixels as possible find a partner within the tolerance, each at most one in each truth; a pixel of the
    prediction counts if it has one in any truth, as people draw different parts of what is there.

    Args:
        pred: (H, W) bool, see `region_boundary`.
        truths: of each annotator (H, W) bool, at least one.
        tolerance: share of the image's diagonal.
    """
    reach = tolerance * np.hypot(*pred.shape)
    matched = np.stack([_matching(pred, truth, reach) for truth in truths])  # (A, P)
    num_truth = sum(int(np.count_nonzero(truth)) for truth in truths)
    return BoundaryMatches(int(matched.any(0).sum()), matched.shape[1], int(matched.sum()), num_truth)


def _matching(here: np.ndarray, there: np.ndarray, reach: float) -> np.ndarray:
    """Say which of P pixels of one map get a partner among the Q of another: (P,) bool.

    It is the assignment of the least distance in which a pixel without a partner costs more than any other could, as
    in the authors' program: a largest matching, and the closest of these.
    """
    count = int(np.count_nonzero(there))
    rim = int(reach)
    numbers = np.full(there.shape, -1, np.int32)
    numbers[there] = np.arange(count)
    numbers = np.pad(numbers, rim, constant_values=-1)
    offsets = np.mgrid[-rim : rim + 1, -rim : rim + 1].reshape(2, -1)
    distances = np.hypot(*offsets)
    (rows, columns), distances = offsets[:, distances <= reach], distances[distances <= reach]
    places = np.argwhere(here) + rim  # (P, 2)
    partners = numbers[places[:, :1] + rows, places[:, 1:] + columns]  # (P, offsets)
    pixels, chosen = np.nonzero(partners >= 0)
    alone = np.arange(len(places))
    costs = np.concatenate([1 + distances[chosen], np.full(len(places), OUTLIER * (1 + reach))])
    tails, heads = np.concatenate([pixels, alone]), np.concatenate([partners[pixels, chosen], count + alone])
    graph = coo_array((costs, (tails, heads)), shape=(len(places), count + len(places))).tocsr()
    _, found = min_weight_full_bipartite_matching(graph)
    return found < count
