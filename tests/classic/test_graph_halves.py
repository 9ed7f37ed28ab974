"""Graphs cut in two against networkx, scikit-image and all cuts of small graphs."""

import itertools

import networkx as nx
import numpy as np
import pytest
from skimage import data, segmentation
from skimage import graph as skimage_graph
from sklearn.metrics import adjusted_rand_score

from segtrain.classic import graph_halves
from segtrain.classic.graph import Graph, contracted, offsets_of, pixel_graph
from segtrain.classic.graph_bisection import bisected
from segtrain.classic.graph_halves import least_global_cut, least_normalized_cut, normalized_cut_values
from segtrain.errors import ConfigError


def some(seed, size=(3, 4), power=3):
    features = np.random.default_rng(seed).normal(size=(*size, 2)).astype(np.float32)
    graph = pixel_graph(features, offsets_of("neighbours", 4 if seed % 2 else 8))
    return graph._replace(weights=graph.weights.astype(float) ** power)


def normalized(graph, side):
    cut = graph.weights[side[graph.tails] != side[graph.heads]].sum()
    return cut / graph.degrees()[side].sum() + cut / graph.degrees()[~side].sum()


def halves_of(size):
    for sides in itertools.product([False, True], repeat=size - 1):
        if any(sides):
            yield np.array([False, *sides])


@pytest.mark.parametrize("seed", range(12))
def test_the_least_cut_is_networkxs(seed):
    graph = some(seed, (6, 5 + seed % 3))
    network = nx.Graph()
    network.add_weighted_edges_from(
        zip(graph.tails.tolist(), graph.heads.tolist(), graph.weights.tolist(), strict=True)
    )
    expected, _ = nx.stoer_wagner(network)
    side, value = least_global_cut(graph)
    assert 0 < side.sum() < len(side)
    assert value == pytest.approx(expected)
    assert graph.weights[side[graph.tails] != side[graph.heads]].sum() == pytest.approx(expected)


def test_the_least_cut_of_equal_ties_is_compared_node_by_node():
    """No tie is as heavy as a corner's two, so that nothing is joined before."""
    ring = Graph(np.arange(30), (np.arange(30) + 1) % 30, np.r_[np.full(29, 1.0), 0.5], np.zeros(30))
    side, value = least_global_cut(ring)
    assert value == pytest.approx(1.5)
    assert side.sum() in (1, 29)
    bridge = pixel_graph(np.zeros((4, 9, 1), np.float32), offsets_of("neighbours", 4))
    middle = (bridge.tails % 9 == 4) & (bridge.heads % 9 == 5)
    side, value = least_global_cut(bridge._replace(weights=np.where(middle, 0.3, 1.0)))
    assert value == pytest.approx(1.2)
    assert sorted(np.flatnonzero(side if side[8] else ~side) % 9) == [5] * 4 + [6] * 4 + [7] * 4 + [8] * 4


def test_too_many_nodes_to_compare_are_refused(monkeypatch):
    monkeypatch.setattr(graph_halves, "MOST_NODES", 20)
    with pytest.raises(ConfigError, match="at most 20 nodes, and 25 are left: choose fewer regions"):
        least_global_cut(pixel_graph(np.zeros((5, 5, 1), np.float32), offsets_of("neighbours", 4)))


@pytest.mark.parametrize("seed", range(8))
def test_normalized_values_are_the_papers(seed):
    graph = contracted(some(seed, (5, 6)), np.arange(30) // 2)
    assert graph.loops.any()
    order = np.random.default_rng(seed).permutation(15)
    for number, value in enumerate(normalized_cut_values(graph, order)):
        side = np.zeros(15, bool)
        side[order[: number + 1]] = True
        assert value == pytest.approx(normalized(graph, side))


def test_the_normalized_cut_is_near_the_least_of_all():
    """The eigenvector is a relaxation: the least of all cuts may be lower."""
    ratios = []
    for seed in range(10):
        graph = some(seed)
        side, value = least_normalized_cut(graph)
        assert value == pytest.approx(normalized(graph, side))
        ratios.append(value / min(normalized(graph, half) for half in halves_of(12)))
    assert min(ratios) > 1 - 1e-9
    assert np.mean(ratios) < 1.1


def test_dense_and_iterated_eigenvectors_agree(monkeypatch):
    graph = some(2, (12, 14), power=1)
    dense = least_normalized_cut(graph)
    monkeypatch.setattr(graph_halves, "DENSE", 2)
    iterated = least_normalized_cut(graph)
    assert iterated.value == pytest.approx(dense.value, rel=1e-6)
    assert np.array_equal(iterated.side, dense.side) or np.array_equal(iterated.side, ~dense.side)
    assert np.array_equal(least_normalized_cut(graph).side, iterated.side)


def test_the_parts_are_scikit_images():
    image = data.astronaut()[::2, ::2]
    regions = segmentation.slic(image, 150, start_label=0)
    theirs = skimage_graph.rag_mean_color(image, regions, mode="similarity")
    edges = np.array(list(theirs.edges(data="weight")))
    tails, heads = edges[:, :2].T.astype(int)
    graph = Graph(tails, heads, edges[:, 2], np.full(len(theirs), 0.5))  # they tie a node to itself by 1, once
    expected = skimage_graph.cut_normalized(regions, theirs, thresh=0.001, in_place=False, rng=0)
    parts = bisected(graph, least_normalized_cut, len(graph.loops), most_value=0.001)
    assert 10 < len(np.unique(expected)) < 100
    assert adjusted_rand_score(expected.ravel(), parts[regions].ravel()) > 0.97


def test_what_is_not_connected_falls_apart_first():
    one, other = some(0, (3, 3)), some(1, (3, 4))
    both = Graph(
        *(
            np.concatenate(c)
            for c in ((one.tails, other.tails + 9), (one.heads, other.heads + 9), *zip(one[2:], other[2:], strict=True))
        )
    )
    assert bisected(both, least_normalized_cut, 2).tolist() == [0] * 9 + [1] * 12
    assert bisected(both, least_global_cut, 100, most_value=0).tolist() == [0] * 9 + [1] * 12
    parts = bisected(both, least_normalized_cut, 5)
    assert sorted(set(parts.tolist())) == [0, 1, 2, 3, 4]
    assert bisected(both, least_global_cut, 100).max() == 20  # nothing is left to cut
    assert not bisected(both, least_global_cut, 1).any()


def test_the_bias_of_the_least_cut_and_its_cure():
    """Two halves of noise about two levels: the least cut takes away one pixel, the normalised one the half."""
    rng = np.random.default_rng(0)
    image = np.where(np.arange(40) < 20, 0.0, 3.0) + rng.normal(0, 1, (40, 40))
    graph = pixel_graph(image[..., None].astype(np.float32), offsets_of("neighbours", 8))
    biased, cured = least_global_cut(graph), least_normalized_cut(graph)
    size = min(biased.side.sum(), (~biased.side).sum())
    assert size <= 2
    assert min(cured.side.sum(), (~cured.side).sum()) > 600
    truth = np.arange(1600) % 40 >= 20
    assert max((cured.side == truth).mean(), (cured.side != truth).mean()) > 0.9
