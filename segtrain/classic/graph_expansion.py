"""Several labels on a graph: each node's own costs, and a cost for each pair that is parted."""

import numpy as np

from segtrain.classic.graph import Graph
from segtrain.classic.graph_flow import Arcs, Solver, least_cut

__all__ = ["expand", "potts_energy"]


def potts_energy(labels: np.ndarray, costs: np.ndarray, graph: Graph) -> float:
    """Give E(f) = sum_p D_p(f_p) + sum_pq w_pq [f_p != f_q] (Boykov, Veksler & Zabih 2001, eq. 1 with Potts terms).

    Args:
        labels: (N,) int, f.
        costs: (N, K) float, D.
        graph: of the N nodes, with weights w.
    """
    parted = labels[graph.tails] != labels[graph.heads]
    return float(
        costs[np.arange(len(labels)), labels].sum(dtype=np.float64) + graph.weights[parted].sum(dtype=np.float64)
    )


def expand(costs: np.ndarray, graph: Graph, cycles: int = 5, solver: Solver = "scipy") -> np.ndarray:
    """Give labels of low energy by expansion moves (Boykov, Veksler & Zabih 2001, fig. 3 and sec. 4).

    A move lets any set of nodes change to one label, and takes the best such set by a minimum cut. The energy never
    rises, and at the end no move lowers it: it is then at most twice the least. Of two labels it is the least.

    Args:
        costs: (N, K) float, finite or inf; each node has a finite one.
        graph: of the N nodes.
        cycles: through the labels, at most, >= 1; more than a few are rarely needed.
        solver: of the cuts, see `least_cut`.

    Returns:
        (N,) int64, 0..K-1.
    """
    num_labels = costs.shape[1]
    # Of two labels one move from a single label reaches every labelling; from elsewhere it might not.
    labels = np.argmax(costs < np.inf, axis=1) if num_labels == 2 else costs.argmin(1)
    energy = potts_energy(labels, costs, graph)
    tried = 0  # labels that cannot lower the energy as it is now
    for move in range(1 if num_labels == 2 else cycles * num_labels):
        moved = _moved(labels, (move + 1) % num_labels, costs, graph, solver)
        moved_energy = potts_energy(moved, costs, graph)
        tried += 1
        if moved_energy < energy:
            labels, energy, tried = moved, moved_energy, 1
        if tried == num_labels:
            break
    return labels


def _moved(labels: np.ndarray, alpha: int, costs: np.ndarray, graph: Graph, solver: Solver) -> np.ndarray:
    """Give the best labels in which some nodes have changed to `alpha`; side 1 of the cut are those that change.

    For a pair of unlike labels, w (1 - x_p x_q) = w - w x_p + w x_p (1 - x_q).
    """
    free = (labels != alpha) & (costs[:, alpha] < np.inf)
    nodes = np.flatnonzero(free)
    if not len(nodes):
        return labels
    tails, heads, weights, _ = graph
    alike = labels[tails] == labels[heads]
    both = free[tails] & free[heads]
    gaps = costs[:, alpha] - costs[np.arange(len(labels)), labels]
    for ends, others, shared in ((tails, heads, np.where(alike, 0, -weights)), (heads, tails, np.zeros_like(weights))):
        lone = np.where(labels[others] == alpha, -weights, np.where(alike, weights, 0))  # the other end stays
        gaps = gaps + np.bincount(ends, np.where(both, shared, lone), len(labels))
    number = np.cumsum(free) - 1
    arcs = Arcs(number[tails[both]], number[heads[both]], np.where(alike, weights, 0)[both], weights[both])
    moved = labels.copy()
    moved[nodes[least_cut(gaps[nodes], arcs, solver)]] = alpha
    return moved
