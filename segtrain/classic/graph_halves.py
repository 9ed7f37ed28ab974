"""Two ways to cut a graph in two: the least cut, and the least normalised cut."""

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh

from segtrain.classic.graph import Graph, contracted
from segtrain.classic.graph_bisection import Halves
from segtrain.errors import ConfigError

__all__ = ["least_global_cut", "least_normalized_cut", "normalized_cut_values"]

MOST_NODES = 2000
"""That a least global cut compares one by one: 100 MB, and 10 milliseconds for each order of them."""
DENSE = 700
"""Nodes up to which the dense eigenproblem is the faster one."""


def least_global_cut(graph: Graph) -> Halves:
    """Give the cut of least total weight, whatever its sides (Stoer & Wagner 1997).

    It favours small pieces, since a single node has few ties (Shi & Malik 2000, fig. 1). No cut below the best one
    known parts a tie as heavy as that (Padberg & Rinaldi 1990): such nodes are joined first.

    Args:
        graph: connected, of at least two nodes, weights > 0.

    Raises:
        ConfigError: too many nodes are left to be compared.
    """
    bare = graph._replace(loops=np.zeros(len(graph.loops)))
    groups = np.arange(len(graph.loops))  # the joint node of each node
    best = Halves(np.zeros(len(groups), bool), np.inf)
    while True:
        degrees = bare.degrees() - 2 * bare.loops
        if len(degrees) > 1 and degrees.min() < best.value:
            best = Halves(groups == degrees.argmin(), float(degrees.min()))
        heavy = bare.weights >= best.value
        if not heavy.any():
            break
        joined = csr_array((heavy[heavy], (bare.tails[heavy], bare.heads[heavy])), shape=(len(degrees),) * 2)
        _, joint = connected_components(joined, directed=False)
        bare, groups = contracted(bare, joint), joint[groups]
    if len(bare.loops) > MOST_NODES:
        raise ConfigError(
            f"A least cut compares at most {MOST_NODES:,} nodes, and {len(bare.loops):,} are left: choose fewer regions"
        )
    rest = _stoer_wagner(bare.matrix().toarray())
    return Halves(rest.side[groups], rest.value) if rest.value < best.value else best


def _stoer_wagner(weights: np.ndarray) -> Halves:
    """Give the least cut of symmetric weights (N, N).

    Two nodes that follow each other in the order are parted by no cut below the tie with which the second one came:
    all that come with at least the best value join the one before, not only the last (Nagamochi & Ibaraki 1992).
    """
    groups = np.arange(len(weights))
    best = Halves(np.zeros(len(weights), bool), np.inf)
    while len(weights) > 1:
        order, ties = _adjacency_order(weights)
        if ties[-1] < best.value:
            best = Halves(groups == order[-1], float(ties[-1]))
        joint = np.empty(len(order), np.int64)
        joint[order] = np.cumsum(ties < best.value) - 1
        members = np.eye(joint.max() + 1)[joint]  # (N, joint nodes)
        weights = members.T @ weights @ members
        np.fill_diagonal(weights, 0)
        groups = joint[groups]
    return best


def _adjacency_order(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order nodes so that each is the one most tied to those before it; give the order and these ties, (N,) each."""
    size = len(weights)
    order, reached = np.zeros(size, np.int64), np.zeros(size)
    ties = weights[0].copy()
    ties[0] = -np.inf
    for number in range(1, size):
        node = int(ties.argmax())
        order[number], reached[number] = node, ties[node]
        ties += weights[node]
        ties[node] = -np.inf
    return order, reached


def least_normalized_cut(graph: Graph) -> Halves:
    """Give a cut of low Ncut(A, B) = cut(A, B) / assoc(A, V) + cut(A, B) / assoc(B, V) (Shi & Malik 2000, eq. 2).

    Nodes are put in the order of the second eigenvector of (D - W) y = lambda D y (eq. 6), and of all cuts that part
    this order in two the best one is taken.

    Args:
        graph: connected, of at least two nodes, weights > 0.
    """
    order = np.argsort(_second_eigenvector(graph), kind="stable")
    values = normalized_cut_values(graph, order)
    first = int(values.argmin())
    side = np.zeros(len(order), bool)
    side[order[first + 1 :]] = True
    return Halves(side, float(values[first]))


def normalized_cut_values(graph: Graph, order: np.ndarray) -> np.ndarray:
    """Give the normalised cut between the first i + 1 nodes of an order (N,) and the others, (N - 1,)."""
    size = len(order)
    rank = np.empty(size, np.int64)
    rank[order] = np.arange(size)
    ends = rank[graph.tails], rank[graph.heads]
    opened = np.bincount(np.minimum(*ends), graph.weights, size)
    closed = np.bincount(np.maximum(*ends), graph.weights, size)
    cuts = np.maximum(np.cumsum(opened - closed)[:-1], 0)  # rounding may leave less than nothing
    degrees = graph.degrees()
    volumes = np.cumsum(degrees[order])[:-1]
    return cuts / volumes + cuts / np.maximum(degrees.sum() - volumes, 1e-300)


def _second_eigenvector(graph: Graph) -> np.ndarray:
    """Give y of the second least eigenvalue (eq. 7): y = D^-1/2 z, z of the second greatest of D^-1/2 W D^-1/2.

    Lanczos' iteration starts at a ramp, so that the same graph gives the same vector.
    """
    degrees = graph.degrees()
    size = len(degrees)
    scale = 1 / np.sqrt(degrees)
    weights = graph.matrix() + diags_array(2 * graph.loops)
    symmetric = diags_array(scale) @ weights @ diags_array(scale)
    if size <= DENSE:
        return eigh(symmetric.toarray(), subset_by_index=[size - 2, size - 2])[1][:, 0] * scale
    start = np.linspace(0.5, 1.5, size)
    values, vectors = eigsh(symmetric, k=2, which="LA", v0=start, tol=1e-4)
    return vectors[:, values.argmin()] * scale
