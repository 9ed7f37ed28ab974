"""The minimum s-t cut: of all choices of two sides the one that costs least, by the maximum flow."""

from typing import Literal, NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from segtrain.errors import ConfigError

__all__ = ["Arcs", "Solver", "least_cut"]

Solver = Literal["scipy", "pymaxflow"]

LARGEST = 2**30 - 1
"""A flow, and a capacity: scipy counts in int32, and a residual capacity is up to twice as much."""


class Arcs(NamedTuple):
    """What pairs of nodes cost that lie on different sides; a pair may occur more than once."""

    tails: np.ndarray
    """(E,) int."""
    heads: np.ndarray
    """(E,) int, another node than the tail."""
    forward: np.ndarray
    """(E,) >= 0, the cost of the tail on side 0 and the head on side 1."""
    backward: np.ndarray
    """(E,) >= 0, the cost of the tail on side 1 and the head on side 0."""


def least_cut(gaps: np.ndarray, arcs: Arcs, solver: Solver = "scipy") -> np.ndarray:
    """Put each node on side 0 or 1, so that what nodes and pairs cost together is least (Boykov & Jolly 2001).

    It is the cut that a maximum flow saturates (Ford & Fulkerson 1956). A gap counts no further than the node's
    pairs can outweigh it. For scipy costs are rounded to multiples of a unit, the smallest that keeps all sums
    within int32: 2^-30 of the gaps' sum (or of the largest sum of a node's pairs), so that each term is off by half
    a unit at most. Of equal cuts scipy's has the smallest side 0.

    >>> pair = Arcs(np.array([0]), np.array([1]), np.array([2.0]), np.array([2.0]))
    >>> least_cut(np.array([3.0, -1.0]), pair)
    array([False, False])

    Args:
        gaps: (N,) cost of side 1 less the cost of side 0; infinite = must lie on side 0, -infinite on side 1.
        arcs: what the pairs cost.
        solver: "scipy" (Dinic 1970), or "pymaxflow" (Boykov & Kolmogorov 2004).

    Returns:
        (N,) bool, side 1.

    Raises:
        ConfigError: the solver is not installed.
    """
    return {"scipy": _by_scipy, "pymaxflow": _by_pymaxflow}[solver](gaps, arcs)


def _by_scipy(gaps: np.ndarray, arcs: Arcs) -> np.ndarray:
    gaps, (tails, heads, forward, backward) = _rounded(gaps, arcs)
    size = len(gaps)
    source, sink = size, size + 1
    near, far = np.flatnonzero(gaps > 0), np.flatnonzero(gaps < 0)
    rows = np.concatenate([tails, heads, np.full(len(near), source), far], dtype=np.int32)
    columns = np.concatenate([heads, tails, near, np.full(len(far), sink)], dtype=np.int32)
    capacities = np.concatenate([forward, backward, gaps[near], -gaps[far]], dtype=np.int32)
    network = csr_array((capacities, (rows, columns)), shape=(size + 2, size + 2))
    residual = network - maximum_flow(network, source, sink).flow
    residual.eliminate_zeros()
    side = np.ones(size + 2, bool)
    side[breadth_first_order(residual, source, return_predecessors=False)] = False
    return side[:size]


def _rounded(gaps: np.ndarray, arcs: Arcs) -> tuple[np.ndarray, Arcs]:
    """Give whole costs, and gaps of no more than one unit beyond what the pairs can outweigh."""
    dearer, cheaper = _reach(len(gaps), arcs)
    bounded = np.clip(gaps, -dearer, cheaper)
    total = max(np.maximum(bounded, 0).sum(), np.maximum(-bounded, 0).sum(), (dearer + cheaper).max(), 1e-30)
    unit = total / LARGEST
    forward, backward = (np.rint(cost / unit).astype(np.int32) for cost in arcs[2:])
    counts = (forward > 0) | (backward > 0)
    whole = Arcs(arcs.tails[counts], arcs.heads[counts], forward[counts], backward[counts])
    # Half a unit may round up to one: twice the reach is beyond what the rounded pairs outweigh.
    rounded = np.rint(np.clip(gaps, -2 * dearer - unit, 2 * cheaper + unit) / unit)
    dearer, cheaper = _reach(len(gaps), whole)
    return np.clip(rounded, -dearer - 1, cheaper + 1).astype(np.int32), whole


def _reach(size: int, arcs: Arcs) -> tuple[np.ndarray, np.ndarray]:
    """Give by how much a node's pairs can make side 1 dearer, and cheaper, (N,) each."""
    tails, heads, forward, backward = arcs
    dearer = np.bincount(tails, backward, size) + np.bincount(heads, forward, size)
    cheaper = np.bincount(tails, forward, size) + np.bincount(heads, backward, size)
    return dearer, cheaper


def _by_pymaxflow(gaps: np.ndarray, arcs: Arcs) -> np.ndarray:
    try:
        import maxflow
    except ImportError:
        raise ConfigError(
            "The solver 'pymaxflow' needs PyMaxflow, whose licence is the GPL: pip install PyMaxflow, or solver=scipy"
        ) from None
    beyond = 1 + arcs.forward.sum() + arcs.backward.sum()  # what no pairs outweigh
    gaps = np.nan_to_num(gaps, posinf=beyond, neginf=-beyond)
    graph = maxflow.GraphFloat(len(gaps), len(arcs.tails))
    nodes = graph.add_grid_nodes(len(gaps))
    graph.add_edges(*arcs)
    graph.add_grid_tedges(nodes, np.maximum(gaps, 0), np.maximum(-gaps, 0))
    graph.maxflow()
    return graph.get_grid_segments(nodes)
