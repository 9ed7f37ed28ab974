"""The graph of an image against loops over all pairs of pixels."""

import itertools
from math import dist

import numpy as np
import pytest
from skimage import draw

from segtrain.classic import graph as graphs
from segtrain.classic.graph import contracted, full_graph, offsets_of, pixel_graph
from segtrain.errors import ConfigError


def features_of(height, width, depth=3, seed=0):
    return np.random.default_rng(seed).normal(size=(height, width, depth)).astype(np.float32)


def ties(graph):
    """Give {(node, node): weight}, each pair once."""
    pairs = zip(graph.tails.tolist(), graph.heads.tolist(), graph.weights.tolist(), strict=True)
    found = {tuple(sorted((tail, head))): weight for tail, head, weight in pairs}
    assert len(found) == len(graph.weights)
    return found


def witness(features, tied, sigma=None):
    """Tie all pixels of which `tied(rows apart, columns apart)`, by Boykov and Jolly's formula."""
    height, width = features.shape[:2]
    places = list(itertools.product(range(height), range(width)))
    pairs = {}
    for (first, one), (second, other) in itertools.combinations(enumerate(places), 2):
        if tied(abs(one[0] - other[0]), abs(one[1] - other[1])):
            pairs[first, second] = float(((features[one] - features[other]) ** 2).sum()), dist(one, other)
    spread = np.mean([square for square, _ in pairs.values()]) if sigma is None else sigma**2
    return {key: np.exp(-square / (2 * spread)) / apart for key, (square, apart) in pairs.items()}


def assert_ties(graph, expected):
    found = ties(graph)
    assert found.keys() == expected.keys()
    assert [found[key] for key in expected] == pytest.approx(list(expected.values()), rel=1e-4)


KINDS = {
    "4": (offsets_of("neighbours", 4), lambda row, column: row + column == 1),
    "8": (offsets_of("neighbours", 8), lambda row, column: max(row, column) == 1),
    "radius": (offsets_of("local", radius=2.5), lambda row, column: 0 < np.hypot(row, column) <= 2.5),
    "radius beyond the image": (offsets_of("local", radius=9), lambda row, column: row + column > 0),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(4, 6), (1, 5), (5, 1)])
@pytest.mark.parametrize("sigma", [None, 1.5])
def test_pixels_are_tied_as_by_a_loop(kind, size, sigma):
    offsets, tied = KINDS[kind]
    features = features_of(*size)
    assert_ties(pixel_graph(features, offsets, sigma), witness(features, tied, sigma))


def test_a_full_graph_ties_all():
    features = features_of(4, 5)
    places = np.indices((4, 5)).reshape(2, -1).T.astype(np.float32)
    graph = full_graph(features.reshape(20, -1), places, np.ones(20, int))
    assert_ties(graph, witness(features, lambda row, column: row + column > 0))
    assert not graph.loops.any()


def test_a_full_graph_of_regions_is_that_of_their_pixels():
    """Of two flat regions that lie far apart, and whose pixels lie close together."""
    features = np.zeros((9, 40, 1), np.float32)
    features[:, 20:] = 1
    regions = np.full((9, 40), 2)
    regions[:, :9], regions[:, -9:] = 0, 1
    pixels = full_graph(
        features.reshape(-1, 1), np.indices((9, 40)).reshape(2, -1).T.astype(np.float32), np.ones(360, int), 1.0
    )
    expected = contracted(pixels, regions.ravel())
    sizes = np.bincount(regions.ravel())
    middles = np.array([[4, 4], [4, 35], [4, 19.5]], np.float32)
    means = np.array([[0], [1], [0.5]], np.float32)
    graph = full_graph(means, middles, sizes, 1.0)
    assert ties(graph)[0, 1] == pytest.approx(ties(expected)[0, 1], rel=0.02)
    assert graph.loops[:2] == pytest.approx(expected.loops[:2], rel=0.2)  # the mean of a disc, for a square of dots


@pytest.mark.parametrize("offset", [(0, 1), (1, -1), (2, 3), (4, -1), (3, 0)])
def test_a_contour_weakens_by_the_highest_slope_on_the_line(offset):
    features = features_of(12, 12, 1)
    slopes = sum(np.gradient(features[..., 0], axis=axis) ** 2 for axis in (0, 1))
    bare, weakened = (pixel_graph(features, [offset], contour=contour) for contour in (False, True))
    barriers = []
    for tail, head in zip(bare.tails, bare.heads, strict=True):
        (top, left), (bottom, right) = divmod(int(tail), 12), divmod(int(head), 12)
        barriers.append(
            max(slopes[draw.line(top, left, bottom, right)].max(), slopes[draw.line(bottom, right, top, left)].max())
        )
    expected = np.exp(-np.array(barriers) / (2 * np.mean(barriers)))
    agree = np.isclose(weakened.weights / bare.weights, expected, rtol=0.05)
    assert agree.mean() > 0.7  # lines that pass between pixels are rounded one way or another
    assert agree.all() or offset in [(2, 3), (4, -1)]


def test_degrees_and_matrix():
    graph = contracted(pixel_graph(features_of(6, 6), offsets_of("neighbours")), np.arange(36) // 5)
    matrix = graph.matrix().toarray()
    assert np.array_equal(matrix, matrix.T)
    assert not np.diagonal(matrix).any()
    assert graph.degrees() == pytest.approx(matrix.sum(1) + 2 * graph.loops)


def test_a_contraction_keeps_what_cuts_cost():
    graph = pixel_graph(features_of(7, 8), offsets_of("local", radius=3))
    regions = np.random.default_rng(0).permutation(np.arange(56) % 9)
    small = contracted(graph, regions)
    assert small.degrees().sum() == pytest.approx(graph.degrees().sum())
    for sides in itertools.islice(itertools.product([False, True], repeat=9), 0, 512, 37):
        side = np.array(sides)
        cut = sum(weight for (tail, head), weight in ties(graph).items() if side[regions[tail]] != side[regions[head]])
        assert small.weights[side[small.tails] != side[small.heads]].sum() == pytest.approx(cut)


def test_one_pixel_and_one_colour():
    graph = pixel_graph(features_of(1, 1), offsets_of("local", radius=4))
    assert len(graph.weights) == 0
    assert graph.loops.tolist() == [0]
    flat = pixel_graph(np.ones((3, 3, 2), np.float32), offsets_of("neighbours", 4), contour=True)
    assert flat.weights.tolist() == [1] * 12


def test_too_large_a_graph_is_refused_with_its_number():
    features = np.zeros((300, 300, 1), np.float32)
    with pytest.raises(
        ConfigError, match=r"90,000 nodes has 4,049,955,000 pairs, about 181.0 GiB, and at most 33,554,432"
    ):
        full_graph(features.reshape(-1, 1), np.zeros((90000, 2), np.float32), np.ones(90000, int))
    with pytest.raises(ConfigError, match="choose connectivity=neighbours, a smaller radius, or fewer regions"):
        pixel_graph(features, offsets_of("local", radius=40))
    assert graphs.MOST_PAIRS * graphs.BYTES < 2 * 2**30
