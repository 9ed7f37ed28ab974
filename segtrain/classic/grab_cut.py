"""An object cut out of what surrounds it, from a box about it or from seeds."""

import numpy as np

from segtrain.classic.features import lab
from segtrain.classic.graph import Graph, offsets_of, pixel_graph
from segtrain.classic.graph_expansion import expand
from segtrain.classic.graph_flow import Solver
from segtrain.classic.graph_ties import is_constant
from segtrain.classic.mixture import Mixture, split_colours
from segtrain.classic.regions import connected
from segtrain.errors import ConfigError

__all__ = ["GrabCut", "grab_cut", "seeded_cut"]


class GrabCut:
    """Cut out what fills the middle of an image: `grab_cut` with a central box; other regions are of the outside.

    It takes 4 seconds and 150 MB for 481 x 321 pixels, by scipy.

    Args:
        box: the sides of the central box, shares of the image's, in (0, 1).
        gaussians: of each side's colours, at most, >= 1.
        smoothness: what it costs to part two pixels of one colour, side by side, >= 0.
        neighbours: 4 or 8.
        iterations: at most, >= 1.
        solver: of the cuts: "scipy", or "pymaxflow", which is faster, GPL, and not installed with segtrain.

    Raises:
        ConfigError: a value is out of its range.
    """

    def __init__(
        self,
        box: float = 0.8,
        gaussians: int = 5,
        smoothness: float = 50.0,
        neighbours: int = 8,
        iterations: int = 5,
        solver: Solver = "scipy",
    ) -> None:
        self.box = box
        self.gaussians = gaussians
        self.smoothness = smoothness
        self.neighbours = neighbours
        self.iterations = iterations
        self.solver = solver
        laws = {
            "box": (0 < box < 1, "in (0, 1)"),
            "gaussians": (gaussians >= 1, "at least 1"),
            "smoothness": (smoothness >= 0, "at least 0"),
            "neighbours": (neighbours in (4, 8), "4 or 8"),
            "iterations": (iterations >= 1, "at least 1"),
            "solver": (solver in ("scipy", "pymaxflow"), "scipy or pymaxflow"),
        }
        faults = [
            f"The '{key}' of GrabCut must be {law}, got {getattr(self, key)}"
            for key, (holds, law) in laws.items()
            if not holds
        ]
        if faults:
            raise ConfigError("segmenter=grab_cut cannot be built:", faults)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Segment an `image` (H, W, D): (H, W) int32, 0..k-1, connected regions."""
        height, width = image.shape[:2]
        top, left = (round(side * (1 - self.box) / 2) for side in (height, width))
        if is_constant(image) or (top, left) == (0, 0):
            return np.zeros((height, width), np.int32)
        inside = grab_cut(
            image,
            (top, left, height - top, width - left),
            self.gaussians,
            self.smoothness,
            self.neighbours,
            self.iterations,
            self.solver,
        )
        return connected(inside.astype(np.int32))


def grab_cut(
    image: np.ndarray,
    box: tuple[int, int, int, int],
    gaussians: int = 5,
    smoothness: float = 50.0,
    neighbours: int = 8,
    iterations: int = 5,
    solver: Solver = "scipy",
) -> np.ndarray:
    """Cut the object out of a box about it (Rother, Kolmogorov & Blake 2004, fig. 3).

    Colours of the object and of the rest are a mixture of Gaussians each; in turns each pixel gets the Gaussian that
    it fits best, the Gaussians are fitted, and a minimum cut draws the object anew, within the box. It ends when
    nothing changes. Colours are Lab's, and `smoothness` is the paper's gamma.

    Args:
        image: (H, W, D) of any number type.
        box: top, left, bottom, right, pixels; bottom and right are beyond it. Something must lie outside.
        gaussians: of each side, at most, >= 1.
        smoothness: what it costs to part two pixels of one colour, side by side.
        neighbours: 4 or 8.
        iterations: at most, >= 1.
        solver: of the cuts, see `least_cut`.

    Returns:
        (H, W) bool, the object; nothing where no colour in the box differs from those outside.

    Raises:
        ConfigError: the box is empty or leaves nothing outside.
    """
    colours = lab(image)
    in_box = np.zeros(image.shape[:2], bool)
    in_box[box[0] : box[2], box[1] : box[3]] = True
    if in_box.all() or not in_box.any():
        raise ConfigError(f"A box must hold a part of the image, not all of it, got {box} of {image.shape[:2]} pixels")
    points = colours.reshape(in_box.size, -1)
    outside = ~in_box.ravel()
    graph = _weighted(colours, neighbours, smoothness)
    sides = in_box.ravel()
    holders = np.zeros(len(points), np.int64)
    for side in (False, True):
        holders[sides == side] = split_colours(points[sides == side], gaussians)
    for _ in range(iterations):
        mixtures = [Mixture.fitted(points[sides == side], holders[sides == side]) for side in (False, True)]
        own = [mixture.costs(points) for mixture in mixtures]
        costs = np.stack([cost.min(1) for cost in own], axis=1)
        costs[outside, 1] = np.inf
        before, sides = sides, expand(costs, graph, solver=solver).astype(bool)
        holders = np.where(sides, own[1].argmin(1), own[0].argmin(1))
        if not sides.any() or np.array_equal(before, sides):
            break
    return sides.reshape(in_box.shape)


def seeded_cut(
    image: np.ndarray,
    seeds: np.ndarray,
    gaussians: int = 5,
    smoothness: float = 50.0,
    neighbours: int = 8,
    solver: Solver = "scipy",
) -> np.ndarray:
    """Give each pixel the label of seeds that it looks like and is tied to (Boykov & Jolly 2001; here of any number).

    Args:
        image: (H, W, D) of any number type.
        seeds: (H, W) int, 0..K-1 where the label is certain, -1 where it is sought; each label has a seed.
        gaussians: of each label's colours, at most, >= 1.
        smoothness: what it costs to part two pixels of one colour, side by side.
        neighbours: 4 or 8.
        solver: of the cuts, see `least_cut`.

    Returns:
        (H, W) int64, 0..K-1.

    Raises:
        ConfigError: a label has no seed.
    """
    counts = np.bincount(seeds[seeds >= 0])
    if not counts.all() or not len(counts):
        raise ConfigError(f"Each label from 0 to {max(len(counts) - 1, 0)} needs a seed, got {counts.tolist()} of them")
    colours = lab(image)
    points, given = colours.reshape(seeds.size, -1), seeds.ravel()
    columns = []
    for label in range(len(counts)):
        own = points[given == label]
        columns.append(Mixture.fitted(own, split_colours(own, gaussians)).costs(points).min(1))
    costs = np.stack(columns, axis=1)  # (H * W, K)
    certain = given >= 0
    costs[certain] = np.where(np.arange(len(counts)) == given[certain, None], 0, np.inf)
    labels = expand(costs, _weighted(colours, neighbours, smoothness), solver=solver)
    return labels.reshape(seeds.shape)


def _weighted(colours: np.ndarray, neighbours: int, smoothness: float) -> Graph:
    graph = pixel_graph(colours, offsets_of("neighbours", neighbours))
    return graph._replace(weights=graph.weights * smoothness)
