"""benchmark cuts: minimum cuts beside PyMaxflow, normalised cuts beside scikit-image, and the least cut's bias."""

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from omegaconf import DictConfig
from rich.console import Console
from skimage import data
from skimage import graph as skimage_graph
from skimage.segmentation import slic
from skimage.transform import resize
from sklearn.metrics import adjusted_rand_score

from segtrain.classic.features import lab
from segtrain.classic.graph import Graph, offsets_of, pixel_graph
from segtrain.classic.graph_bisection import bisected
from segtrain.classic.graph_flow import Arcs, least_cut
from segtrain.classic.graph_halves import least_global_cut, least_normalized_cut
from segtrain.classic.min_cut import MinCut
from segtrain.classic.normalized_cut import NormalizedCut
from segtrain.errors import ConfigError
from segtrain.reports.compare import markdown
from segtrain.types import Segmenter

__all__ = ["cuts"]

THRESHOLD = 0.001
"""Of a normalised cut: scikit-image's default."""
SEGMENTS = 12


def cuts(cfg: DictConfig) -> str:
    """Time cuts turn by turn; give Markdown tables.

    Args:
        cfg: of the benchmark.
    """
    image = (255 * resize(data.astronaut(), (cfg.size, cfg.size), anti_aliasing=True)).astype(np.uint8)
    tables = [
        _minimum_cuts(image, list(cfg.smoothness), cfg.rounds),
        _normalized_cuts(image, list(cfg.regions), cfg.rounds),
        _bias(image),
    ]
    text = "\n\n".join(tables)
    Console().print(text, markup=False, highlight=False, soft_wrap=True)
    return text


def _minimum_cuts(image: np.ndarray, smoothness: list[float], rounds: int) -> str:
    """Part the picture's bright half from its dark one on the grid of 4 neighbours."""
    try:
        import maxflow
    except ImportError:
        raise ConfigError("benchmark cuts compares with PyMaxflow: pip install PyMaxflow") from None
    colours = lab(image)
    light = colours[..., 0].ravel().astype(np.float64)
    gaps = (light - np.median(light)) / light.std()
    graph = pixel_graph(colours, offsets_of("neighbours", 4))

    rows = [["smoothness", "PyMaxflow alone (s)", "solver=pymaxflow", "solver=scipy", "cost of scipy's cut above"]]
    for factor in smoothness:
        weights = factor * graph.weights.astype(np.float64)
        arcs = Arcs(graph.tails, graph.heads, weights, weights)
        works = {
            "bare": partial(_bare, maxflow, gaps, arcs),
            "pymaxflow": partial(least_cut, gaps, arcs, "pymaxflow"),
            "scipy": partial(least_cut, gaps, arcs, "scipy"),
        }
        seconds = _turns(works, rounds)
        least, ours = (_cost(gaps, arcs, works[name]()) for name in ("bare", "scipy"))
        ratios = [f"{_ratio(seconds[name], seconds['bare']):.2f} x" for name in ("pymaxflow", "scipy")]
        above = f"{(ours - least) / abs(least):.0e}"
        rows.append([f"{factor:g}", f"{statistics.median(seconds['bare']):.3f}", *ratios, above])
    return f"Minimum cut, {len(gaps):,} pixels, {len(graph.weights):,} ties:\n\n{markdown(rows)}"


def _bare(maxflow: Any, gaps: np.ndarray, arcs: Arcs) -> np.ndarray:
    network = maxflow.GraphFloat(len(gaps), len(arcs.tails))
    nodes = network.add_grid_nodes(len(gaps))
    network.add_edges(*arcs)
    network.add_grid_tedges(nodes, np.maximum(gaps, 0), np.maximum(-gaps, 0))
    network.maxflow()
    return network.get_grid_segments(nodes)


def _normalized_cuts(image: np.ndarray, regions: list[int], rounds: int) -> str:
    """Part scikit-image's own graph of superpixels, with its threshold."""
    rows = [["nodes", "scikit-image (s)", "segtrain (s)", "faster", "parts: theirs, ours", "adjusted Rand"]]
    for count in regions:
        superpixels = slic(image, count, compactness=30, start_label=0)
        theirs = skimage_graph.rag_mean_color(image, superpixels, mode="similarity")
        ends = np.array(list(theirs.edges(data="weight")))
        tails, heads = ends[:, :2].T.astype(np.int32)
        graph = Graph(tails, heads, ends[:, 2], np.full(len(theirs), 0.5))  # they tie a node to itself by 1, once
        works = {
            "theirs": partial(skimage_graph.cut_normalized, superpixels, theirs, THRESHOLD, in_place=False, rng=0),
            "ours": partial(_ours, superpixels, graph),
        }
        seconds = _turns(works, rounds)
        parts = {name: work().ravel() for name, work in works.items()}
        medians = [f"{statistics.median(seconds[name]):.3f}" for name in works]
        counts = ", ".join(str(len(np.unique(part))) for part in parts.values())
        alike = f"{adjusted_rand_score(parts['theirs'], parts['ours']):.3f}"
        rows.append([str(len(theirs)), *medians, f"{_ratio(seconds['theirs'], seconds['ours']):.1f} x", counts, alike])
    return f"Normalised cuts of one graph of superpixels:\n\n{markdown(rows)}"


def _ours(superpixels: np.ndarray, graph: Graph) -> np.ndarray:
    return bisected(graph, least_normalized_cut, len(graph.loops), THRESHOLD)[superpixels]


def _bias(image: np.ndarray) -> str:
    """Tell how large the pieces are that each kind of cut takes away."""
    rows = [["", "largest part", "middle part", "smallest part"]]
    segmenters: dict[str, Segmenter] = {
        "min_cut": MinCut(SEGMENTS),
        "normalized_cut": NormalizedCut(SEGMENTS, connectivity="neighbours"),
    }
    for name, segmenter in segmenters.items():
        shares = np.bincount(segmenter(image).ravel()) / (image.shape[0] * image.shape[1])
        rows.append([name, *(f"{share:.2%}" for share in (shares.max(), np.median(shares), shares.min()))])
    side = least_global_cut(pixel_graph(lab(image), offsets_of("neighbours"), sigma=5.0)).side
    piece = min(side.sum(), (~side).sum())
    note = f"Of the {side.size:,} pixels of the 8-neighbour grid the least cut takes away {piece}."
    return f"{SEGMENTS} parts of the same graph of superpixels, shares of the picture:\n\n{markdown(rows)}\n\n{note}"


def _cost(gaps: np.ndarray, arcs: Arcs, side: np.ndarray) -> float:
    return float(gaps[side].sum() + arcs.forward[side[arcs.tails] != side[arcs.heads]].sum())


def _turns(works: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Give each work's seconds in each round; each runs once before it is timed, or it would pay for the one before.

    They are the processor's seconds, of all threads: what else the machine does lengthens them less.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            work()
            start = time.process_time()
            work()
            seconds[name].append(time.process_time() - start)
    return seconds


def _ratio(one: list[float], other: list[float]) -> float:
    """Give the median of the rounds' ratios."""
    return statistics.median(first / second for first, second in zip(one, other, strict=True))
