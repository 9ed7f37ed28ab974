"""Graphs over pixels or regions: who is tied to whom, and how strongly.

Two pixels p and q are tied by exp(-|F_p - F_q|^2 / (2 sigma^2)) / |p - q| (Boykov & Jolly 2001, sec. 2.4), where F are
their features. With sigma^2 the mean squared difference over all pairs, the graph asks no unit of the features.
"""

from typing import Literal, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from segtrain.errors import ConfigError

__all__ = ["MOST_PAIRS", "Connectivity", "Graph", "contracted", "full_graph", "offsets_of", "pixel_graph"]

Connectivity = Literal["full", "neighbours", "local"]

MOST_PAIRS = 2**25
"""Pairs that a graph may have."""
BYTES = 48
"""That a pair takes while its graph is made and cut."""
DISC = 16 / (3 * np.pi)
"""The mean of 1 / distance over all pairs within a disc of radius 1."""


class Graph(NamedTuple):
    """N nodes and their undirected ties, each pair once."""

    tails: np.ndarray
    """(E,) int32."""
    heads: np.ndarray
    """(E,) int32, never the tail itself."""
    weights: np.ndarray
    """(E,) float, >= 0."""
    loops: np.ndarray
    """(N,) float, the sum of the ties within a node: 0 of a pixel."""

    def matrix(self) -> csr_array:
        """Give the symmetric weights (N, N), without the loops."""
        size = len(self.loops)
        ends = np.concatenate([self.tails, self.heads]), np.concatenate([self.heads, self.tails])
        return csr_array((np.concatenate([self.weights, self.weights]), ends), shape=(size, size))

    def degrees(self) -> np.ndarray:
        """Give the sum of each node's ties (N,); one within the node has both its ends there."""
        size = len(self.loops)
        ends = np.bincount(self.tails, self.weights, size) + np.bincount(self.heads, self.weights, size)
        return ends + 2 * self.loops


def offsets_of(connectivity: Connectivity, neighbours: int = 8, radius: float = 5.0) -> list[tuple[int, int]]:
    """Give where a pixel's partners lie, (rows, columns), one of each two opposite ones.

    Args:
        connectivity: "neighbours" or "local".
        neighbours: 4 or 8.
        radius: pixels, of "local".
    """
    if connectivity == "neighbours":
        return [(0, 1), (1, 0)] if neighbours == 4 else [(0, 1), (1, -1), (1, 0), (1, 1)]
    reach = int(radius)
    return [
        (row, column)
        for row in range(reach + 1)
        for column in range(-reach, reach + 1)
        if (row, column) > (0, 0) and row**2 + column**2 <= radius**2
    ]


def pixel_graph(
    features: np.ndarray, offsets: list[tuple[int, int]], sigma: float | None = None, contour: bool = False
) -> Graph:
    """Tie each pixel to those at the offsets.

    Args:
        features: (H, W, F) float32.
        offsets: see `offsets_of`.
        sigma: difference of features that counts, > 0; None = the root of the mean squared difference of all pairs.
        contour: weaken a tie across an edge of the image, too: times exp(-g^2 / (2 s^2)), where g is the greatest
            slope of the features on the line between the two (Leung & Malik 1998), and s^2 is the mean of g^2.

    Raises:
        ConfigError: there are more pairs than fit.
    """
    height, width = features.shape[:2]
    inside = [(row, column) for row, column in offsets if row < height and abs(column) < width]
    _fit(sum((height - row) * (width - abs(column)) for row, column in inside), height * width, "pixels")
    slopes = _slopes(features) if contour else None
    numbers = np.arange(height * width, dtype=np.int32).reshape(height, width)
    columns: list[tuple[np.ndarray, ...]] = []
    for offset in inside:
        here, there = _window(offset, height, width)
        squares = np.square(features[here] - features[there]).sum(-1)
        barriers = np.zeros_like(squares) if slopes is None else _highest(slopes, offset)
        distances = np.full(squares.shape, np.hypot(*offset), np.float32)
        columns.append(tuple(c.ravel() for c in (numbers[here], numbers[there], squares, barriers, distances)))
    if not columns:
        none = np.zeros(0, np.int32)
        return Graph(none, none, np.zeros(0, np.float32), np.zeros(height * width))
    tails, heads, squares, barriers, distances = (np.concatenate(c) for c in zip(*columns, strict=True))
    weights = _likeness(squares, sigma) * _likeness(barriers, None) / distances
    return Graph(tails, heads, weights, np.zeros(height * width))


def full_graph(features: np.ndarray, places: np.ndarray, sizes: np.ndarray, sigma: float | None = None) -> Graph:
    """Tie all to all: regions by their means, as if each pixel of one were tied to each of the other.

    With regions of one pixel it is the full graph of the pixels.

    Args:
        features: (N, F) float32, of each region the mean.
        places: (N, 2) float32, its middle, pixels.
        sizes: (N,) pixels.
        sigma: as in `pixel_graph`.

    Raises:
        ConfigError: there are more pairs than fit.
    """
    size = len(sizes)
    _fit(size * (size - 1) // 2, size, "nodes")
    tails, heads = (ends.astype(np.int32) for ends in np.triu_indices(size, 1))
    squares = np.square(features[tails] - features[heads]).sum(-1)
    distances = np.hypot(*(places[tails] - places[heads]).T)
    pairs = sizes[tails].astype(np.float64) * sizes[heads]
    within = DISC * np.sqrt(np.pi / sizes) * sizes * (sizes - 1) / 2
    return Graph(tails, heads, pairs * _likeness(squares, sigma, pairs) / np.maximum(distances, 1), within)


def contracted(graph: Graph, regions: np.ndarray) -> Graph:
    """Make each region one node: the cuts of the result are the cuts of `graph` that part no region.

    Args:
        graph: of the N pixels.
        regions: (N,) int, the region of each, 0..R-1, each at least once.
    """
    size = int(regions.max()) + 1
    tails, heads = regions[graph.tails], regions[graph.heads]
    ends = np.minimum(tails, heads), np.maximum(tails, heads)
    sums = csr_array((graph.weights.astype(np.float64), ends), shape=(size, size)).tocoo()
    loops = np.bincount(regions, graph.loops, size)
    same = sums.row == sums.col
    loops[sums.row[same]] += sums.data[same]
    return Graph(sums.row[~same].astype(np.int32), sums.col[~same].astype(np.int32), sums.data[~same], loops)


def _fit(pairs: int, nodes: int, noun: str) -> None:
    if pairs > MOST_PAIRS:
        raise ConfigError(
            f"The graph of {nodes:,} {noun} has {pairs:,} pairs, about {pairs * BYTES / 2**30:,.1f} GiB, and at most "
            f"{MOST_PAIRS:,} are taken: choose connectivity=neighbours, a smaller radius, or fewer regions"
        )


def _window(offset: tuple[int, int], height: int, width: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Give the pixels that have a partner at the offset (rows >= 0), and their partners."""
    row, column = offset
    left, right = max(-column, 0), max(column, 0)
    here = slice(0, height - row), slice(left, width - right)
    return here, (slice(row, height), slice(left + column, width - right + column))


def _slopes(features: np.ndarray) -> np.ndarray:
    """Give the squared slope of the features (H, W): the sum over features and both axes."""
    slopes = np.zeros(features.shape[:2], features.dtype)
    for axis in (0, 1):
        if features.shape[axis] > 1:
            slopes += np.square(np.gradient(features, axis=axis)).sum(-1)
    return slopes


def _highest(slopes: np.ndarray, offset: tuple[int, int]) -> np.ndarray:
    """Give the greatest of the slopes between each pixel and its partner, both ends with it."""
    (rows, columns), _ = _window(offset, *slopes.shape)
    steps = max(abs(offset[0]), abs(offset[1]))
    highest = np.zeros(slopes[rows, columns].shape, slopes.dtype)
    for step in range(steps + 1):
        down, across = (round(step / steps * side) for side in offset)
        on_line = slopes[rows.start + down : rows.stop + down, columns.start + across : columns.stop + across]
        np.maximum(highest, on_line, out=highest)
    return highest


def _likeness(squares: np.ndarray, sigma: float | None, counts: np.ndarray | None = None) -> np.ndarray:
    """Give exp(-squares / (2 sigma^2)), where sigma^2 = the mean of the squares by default; 1 where all are 0."""
    spread = np.average(squares, weights=counts) if sigma is None else sigma**2
    return np.exp(squares * (-0.5 / max(float(spread), 1e-12)))
