"""Regions of an image: numbering connected ones, and joining neighbours that are alike or too small."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.measure import label as number_regions

__all__ = ["connected", "linked", "merge_regions"]


class _Regions(NamedTuple):
    """Regions and which of them touch."""

    areas: np.ndarray
    """(R,) float64, pixels."""
    means: np.ndarray
    """(R, F) float64, of the features."""
    pairs: np.ndarray
    """(2, E) int64, neighbours by a side, each pair once and the smaller number first."""


def connected(label: np.ndarray) -> np.ndarray:
    """Number the connected regions (by sides) of a label map: (H, W) -> (H, W) int32, 0..k-1 in reading order.

    >>> connected(np.array([[7, 0, 7], [7, 0, 7]]))
    array([[0, 1, 2],
           [0, 1, 2]], dtype=int32)
    """
    return number_regions(label, background=-1, connectivity=1).astype(np.int32) - 1


def linked(features: np.ndarray, reach: float) -> np.ndarray:
    """Number the regions that neighbours (by sides) make whose features differ by at most `reach`.

    Args:
        features: (H, W, F).
        reach: Euclidean distance, >= 0.

    Returns:
        (H, W) int32, 0..k-1 in reading order.
    """
    height, width = features.shape[:2]
    numbers = np.arange(height * width, dtype=np.int32).reshape(height, width)
    ends = []
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        alike = np.square(features[here] - features[there]).sum(-1) <= reach**2
        ends.append((numbers[here][alike], numbers[there][alike]))
    tails, heads = (np.concatenate(end) for end in zip(*ends, strict=True))
    return _joined(tails, heads, height * width).reshape(height, width)


def merge_regions(
    label: np.ndarray, features: np.ndarray, reach: float = 0.0, min_area: int = 1, grain: float = 0.0
) -> np.ndarray:
    """Join neighbours (by sides) that are small, then those that are alike.

    First each region of fewer than `min_area` pixels goes to its nearest neighbour, all of them at a time, again and
    again. Then regions that are each other's nearest, and whose mean features differ by at most `reach`, become one,
    again and again. The other order is twenty times slower, as there may be as many small regions as pixels, and no
    better.

    With a grain G, a difference d of regions of A and B pixels counts as d / sqrt(1 + G/A + G/B): as in statistical
    region merging (Nock & Nielsen 2004) more of a difference is asked of regions that are small.

    Args:
        label: (H, W) numbers of regions, 0..k-1.
        features: (H, W, F).
        reach: Euclidean distance of means, >= 0; 0 joins only what does not differ.
        min_area: pixels.
        grain: pixels, >= 0.

    Returns:
        (H, W) int32, 0..k-1; connected where `label` was.
    """
    regions = _regions(label, features)
    owner = np.arange(len(regions.areas))
    for small in (True, False):
        while regions.pairs.size:
            joined = _small(regions, min_area) if small else _alike(regions, reach, grain)
            if not joined.size:
                break
            group = _joined(joined[0], joined[1], len(regions.areas))
            regions, owner = _contracted(regions, group), group[owner]
    return owner[label].astype(np.int32)


def _regions(label: np.ndarray, features: np.ndarray) -> _Regions:
    numbers = label.ravel()
    areas = np.bincount(numbers).astype(float)
    sums = [np.bincount(numbers, plane) for plane in np.moveaxis(features, -1, 0).reshape(features.shape[-1], -1)]
    means = np.stack(sums, axis=-1) / areas[:, None]  # (R, F)
    sides = [(label[:, :-1], label[:, 1:]), (label[:-1], label[1:])]
    pairs = np.concatenate([np.stack([here.ravel(), there.ravel()]) for here, there in sides], axis=1)
    return _Regions(areas, means, _unique(pairs, len(areas)))


def _unique(pairs: np.ndarray, count: int) -> np.ndarray:
    """Give each pair of two different regions once: (2, P) -> (2, E)."""
    low, high = pairs.min(0).astype(np.int64), pairs.max(0)
    codes = np.unique((low * count + high)[low != high])
    return np.stack([codes // count, codes % count])


def _nearest(regions: _Regions, grain: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the pairs from the farthest to the nearest, their squared distances, and each region's last pair."""
    pairs = np.random.default_rng(0).permutation(regions.pairs, axis=1)  # or equals would be joined one by one
    distances = np.square(regions.means[pairs[0]] - regions.means[pairs[1]]).sum(-1)  # (E,)
    distances /= 1 + (grain / regions.areas[pairs]).sum(0)
    order = np.argsort(-distances, kind="stable")
    pairs, distances = pairs[:, order], distances[order]
    last = np.full((2, len(regions.areas)), -1)
    for ends, of_end in zip(pairs, last, strict=True):
        of_end[ends] = np.arange(len(order))  # what is written last stays
    return pairs, distances, last.max(0)


def _alike(regions: _Regions, reach: float, grain: float) -> np.ndarray:
    pairs, distances, last = _nearest(regions, grain)
    numbers = np.arange(len(distances))
    mutual = (last[pairs[0]] == numbers) & (last[pairs[1]] == numbers)
    return pairs[:, mutual & (distances <= reach**2)]


def _small(regions: _Regions, min_area: int) -> np.ndarray:
    pairs, _, last = _nearest(regions)
    return pairs[:, np.unique(last[regions.areas < min_area])]


def _joined(tails: np.ndarray, heads: np.ndarray, count: int) -> np.ndarray:
    """Give each of `count` nodes the number of its connected component, (count,) int32."""
    graph = coo_array((np.ones(len(tails), bool), (tails, heads)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def _contracted(regions: _Regions, group: np.ndarray) -> _Regions:
    areas = np.bincount(group, regions.areas)
    sums = [np.bincount(group, regions.areas * means) for means in regions.means.T]
    return _Regions(areas, np.stack(sums, axis=-1) / areas[:, None], _unique(group[regions.pairs], len(areas)))
