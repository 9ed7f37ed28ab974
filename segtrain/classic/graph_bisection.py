"""A graph cut in two again and again, the piece that comes apart most easily first."""

import heapq
from typing import NamedTuple, Protocol

import numpy as np
from scipy.sparse.csgraph import connected_components

from segtrain.classic.graph import Graph

__all__ = ["Halver", "Halves", "bisected"]


class Halves(NamedTuple):
    """A connected graph cut in two."""

    side: np.ndarray
    """(N,) bool, neither all nor none."""
    value: float
    """What the cut costs, >= 0."""


class Halver(Protocol):
    """Cuts a connected graph of at least two nodes in two."""

    def __call__(self, graph: Graph) -> Halves: ...


def bisected(graph: Graph, halver: Halver, most_parts: int, most_value: float = np.inf) -> np.ndarray:
    """Cut until there are `most_parts` parts, or every further cut costs more than `most_value`.

    What is not connected falls apart first, at no cost.

    Args:
        graph: of N nodes.
        halver: of its parts.
        most_parts: >= 1.
        most_value: of a cut.

    Returns:
        (N,) int64, 0..k-1.
    """
    parts = np.zeros(len(graph.loops), np.int64)
    queue: list[tuple[float, int, np.ndarray]] = []
    _judge(graph, np.arange(len(parts)), 0, halver, queue)
    count = 1
    while queue and count < most_parts and queue[0][0] <= most_value:
        _, part, away = heapq.heappop(queue)
        parts[away] = count
        for number in (part, count):
            _judge(graph, np.flatnonzero(parts == number), number, halver, queue)
        count += 1
    return parts


def _judge(
    graph: Graph, nodes: np.ndarray, part: int, halver: Halver, queue: list[tuple[float, int, np.ndarray]]
) -> None:
    """Find the cut of a part's `nodes`, and queue it: its value, the part, and the nodes that it takes away."""
    if len(nodes) < 2:
        return
    piece = _piece(graph, nodes)
    count, components = connected_components(piece.matrix(), directed=False)
    halves = Halves(components > 0, 0.0) if count > 1 else halver(piece)
    heapq.heappush(queue, (halves.value, part, nodes[halves.side]))


def _piece(graph: Graph, nodes: np.ndarray) -> Graph:
    """Give the graph of some nodes; ties to the others are left out, as in recursive cuts (Shi & Malik, sec. 2.1)."""
    number = np.full(len(graph.loops), -1, np.int32)
    number[nodes] = np.arange(len(nodes), dtype=np.int32)
    tails, heads = number[graph.tails], number[graph.heads]
    inside = (tails >= 0) & (heads >= 0) & (graph.weights > 0)
    return Graph(tails[inside], heads[inside], graph.weights[inside], graph.loops[nodes])
