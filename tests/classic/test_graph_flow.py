"""The minimum s-t cut against all cuts of small graphs, and networkx."""

import builtins
import itertools

import networkx as nx
import numpy as np
import pytest

from segtrain.classic.graph_flow import Arcs, least_cut
from segtrain.errors import ConfigError


@pytest.fixture(params=["scipy", "pymaxflow"])
def solver(request):
    if request.param == "pymaxflow":
        pytest.importorskip("maxflow", reason="PyMaxflow is an extra under the GPL")
    return request.param


def problem(seed, size=None, scale=1.0):
    rng = np.random.default_rng(seed)
    size = size or int(rng.integers(1, 9))
    tails, heads = rng.integers(0, size, (2, 3 * size))
    apart = tails != heads
    costs = rng.random((2, 3 * size)) * scale
    return rng.normal(0, 1, size), Arcs(tails[apart], heads[apart], *costs[:, apart])


def cost(side, gaps, arcs):
    tail, head = side[arcs.tails], side[arcs.heads]
    held = gaps[np.isinf(gaps)] > 0
    if (side[np.isinf(gaps)] == held).any():
        return np.inf
    return gaps[side & np.isfinite(gaps)].sum() + arcs.forward[~tail & head].sum() + arcs.backward[tail & ~head].sum()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("held", [False, True])
def test_no_cut_costs_less(solver, scale, held):
    for seed in range(25):
        gaps, arcs = problem(seed, scale=scale)
        if held and len(gaps) > 1:
            gaps[:2] = np.inf, -np.inf
        every = [cost(np.array(side), gaps, arcs) for side in itertools.product([False, True], repeat=len(gaps))]
        assert cost(least_cut(gaps, arcs, solver), gaps, arcs) == pytest.approx(min(every), rel=1e-6, abs=1e-6)


def test_the_cut_is_networkxs(solver):
    gaps, arcs = problem(3, size=120)
    network = nx.DiGraph()
    network.add_nodes_from(["source", "sink"])
    for node, gap in enumerate(gaps.tolist()):
        network.add_edge(*(("source", node) if gap > 0 else (node, "sink")), capacity=abs(gap))
    for tail, head, forward, backward in zip(*(column.tolist() for column in arcs), strict=True):
        for edge, capacity in (((tail, head), forward), ((head, tail), backward)):
            before = network.edges[edge]["capacity"] if network.has_edge(*edge) else 0
            network.add_edge(*edge, capacity=before + capacity)
    expected, _ = nx.minimum_cut(network, "source", "sink")
    found = cost(least_cut(gaps, arcs, solver), gaps, arcs) - np.minimum(gaps, 0).sum()
    assert found == pytest.approx(expected, rel=1e-6)


def test_certain_nodes_take_the_others_along(solver):
    gaps = np.array([np.inf, 0.0, 0.0, -np.inf])
    arcs = Arcs(np.arange(3), np.arange(1, 4), np.array([3.0, 1.0, 2.0]), np.array([3.0, 1.0, 2.0]))
    assert least_cut(gaps, arcs, solver).tolist() == [False, False, True, True]


def test_no_pairs_and_no_gaps(solver):
    none = Arcs(*np.zeros((2, 0), int), *np.zeros((2, 0)))
    assert least_cut(np.array([1.0, -1e-9, -np.inf]), none, solver).tolist() == [False, True, True]
    gaps, arcs = problem(0, size=5)
    assert len(set(least_cut(0 * gaps, arcs, solver).tolist())) == 1


def test_the_input_stays(solver):
    gaps, arcs = problem(1, size=30)
    before = gaps.copy(), *(column.copy() for column in arcs)
    least_cut(gaps, arcs, solver)
    assert all(np.array_equal(one, other) for one, other in zip(before, (gaps, *arcs), strict=True))


def test_a_missing_solver_says_what_to_install(monkeypatch):
    import_ = builtins.__import__

    def without(name, *rest, **more):
        if name == "maxflow":
            raise ImportError(name)
        return import_(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match="pip install PyMaxflow"):
        least_cut(*problem(0), solver="pymaxflow")
