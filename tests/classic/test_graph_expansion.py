"""Alpha-expansion against all labellings of tiny images."""

import itertools

import numpy as np
import pytest

from segtrain.classic import graph_expansion
from segtrain.classic.graph import offsets_of, pixel_graph
from segtrain.classic.graph_expansion import expand, potts_energy


def problem(seed, num_labels, size=(2, 3), smoothness=1.0):
    rng = np.random.default_rng(seed)
    graph = pixel_graph(rng.normal(size=(*size, 2)).astype(np.float32), offsets_of("neighbours", 4 if seed % 2 else 8))
    return rng.random((size[0] * size[1], num_labels)), graph._replace(weights=graph.weights * smoothness)


def least(costs, graph):
    size, num_labels = costs.shape
    every = itertools.product(range(num_labels), repeat=size)
    return min(potts_energy(np.array(labels), costs, graph) for labels in every)


def test_the_energy_is_the_papers():
    costs, graph = problem(0, 3, (3, 4))
    labels = np.random.default_rng(1).integers(0, 3, 12)
    expected = sum(costs[node, label] for node, label in enumerate(labels))
    for tail, head, weight in zip(graph.tails, graph.heads, graph.weights, strict=True):
        expected += weight * (labels[tail] != labels[head])
    assert potts_energy(labels, costs, graph) == pytest.approx(expected)


@pytest.mark.parametrize("smoothness", [0.2, 1, 5])
def test_two_labels_are_cut_exactly(smoothness):
    for seed in range(12):
        costs, graph = problem(seed, 2, (3, 3), smoothness)
        assert potts_energy(expand(costs, graph), costs, graph) == pytest.approx(least(costs, graph), rel=1e-6)


@pytest.mark.parametrize("smoothness", [0.2, 1])
def test_three_labels_come_close_to_the_least(smoothness):
    ratios = []
    for seed in range(12):
        costs, graph = problem(seed, 3, smoothness=smoothness)
        ratios.append(potts_energy(expand(costs, graph), costs, graph) / least(costs, graph))
    assert max(ratios) <= 2  # as proven
    assert np.mean(ratios) < 1.01
    assert np.isclose(ratios, 1).mean() > 0.8


def test_the_energy_never_rises_and_falls_to_a_state_without_better_moves(monkeypatch):
    costs, graph = problem(1, 5, (20, 20))
    energies = []

    def noted(labels, *rest):
        energies.append(potts_energy(labels, *rest))
        return energies[-1]

    monkeypatch.setattr(graph_expansion, "potts_energy", noted)
    labels = expand(costs, graph, cycles=20)
    assert energies[0] == potts_energy(costs.argmin(1), costs, graph)
    assert all(later <= earlier * (1 + 1e-7) for earlier, later in itertools.pairwise(energies))
    assert energies[-1] < energies[0]
    for alpha in range(5):
        moved = graph_expansion._moved(labels, alpha, costs, graph, "scipy")
        assert potts_energy(moved, costs, graph) >= potts_energy(labels, costs, graph) * (1 - 1e-7)


def test_infinite_costs_are_never_taken():
    for num_labels in (2, 4):
        costs, graph = problem(4, num_labels, (6, 6), smoothness=10)
        costs[::7] = np.inf
        costs[::7, 1] = 0.0
        costs[3] = np.inf
        costs[3, 0] = 0.0
        labels = expand(costs, graph)
        assert (labels[::7] == 1).all()
        assert labels[3] == 0


def test_one_label_and_no_ties():
    costs, graph = problem(0, 1)
    assert expand(costs, graph).tolist() == [0] * 6
    costs, graph = problem(0, 4)
    assert np.array_equal(expand(costs, graph._replace(weights=0 * graph.weights)), costs.argmin(1))


def test_certain_nodes_take_part_in_what_is_least():
    for seed in range(8):
        costs, graph = problem(seed, 2, (3, 3), smoothness=2)
        costs[[0, 5], 1] = np.inf
        costs[7, 0] = np.inf
        assert potts_energy(expand(costs, graph), costs, graph) == pytest.approx(least(costs, graph), rel=1e-6)
