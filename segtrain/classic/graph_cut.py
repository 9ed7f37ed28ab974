"""Segments of few colours with short borders, by graph cuts."""

import numpy as np
from sklearn.cluster import KMeans

from segtrain.classic.features import lab, pixel_features
from segtrain.classic.graph import Connectivity
from segtrain.classic.graph_expansion import expand
from segtrain.classic.graph_flow import Solver
from segtrain.classic.graph_ties import Ties, is_constant
from segtrain.classic.mixture import split_colours
from segtrain.classic.regions import connected
from segtrain.errors import ConfigError

__all__ = ["GraphCut"]

SAMPLE = 20_000
"""Pixels, about, from which the looks are found."""


class GraphCut:
    """Give each pixel one of a few looks, so that it fits the pixel and borders are short and lie where colours change.

    The looks are the k-means of the pixels' features. The labels f lower E(f) = sum_p D_p(f_p) + lambda sum_pq w_pq
    [f_p != f_q] by alpha-expansion (Boykov, Veksler & Zabih 2001), exactly so with two looks. D_p(k) = |F_p - m_k|^2 /
    (2 s^2) is the pixel's cost under a Gaussian about the look's mean, s^2 the variance of a feature about its look.
    The weights are those of `Ties`, times a factor that makes a pixel's mean sum of weights 1, so that `smoothness`,
    lambda, means the same on every graph. A segment is a connected region of one look.

    With regions it takes 0.5 seconds and 50 MB for 481 x 321 pixels; of pixels, by scipy, several seconds.

    Args:
        looks: at most, >= 1.
        smoothness: what it costs a pixel to be unlike all that it is tied to, in the units of D, >= 0.
        connectivity: "full", "neighbours" or "local".
        neighbours: 4 or 8, of "neighbours".
        radius: pixels, >= 1, of "local".
        sigma: difference in Lab that counts, > 0; None = the root of the mean squared one.
        contour: weaken ties across an edge; not of "full".
        regions: superpixels that are not cut, about so many, >= 0; 0 = none.
        colour: weight of Lab in the looks' features, >= 0; this and the following see `pixel_features`.
        position: weight of the place, >= 0.
        gradient: weight of the gradient, >= 0.
        texture: weight of the texture, >= 0.
        cycles: through the looks, at most, >= 1.
        solver: of the cuts: "scipy", or "pymaxflow", which is faster, GPL, and not installed with segtrain.

    Raises:
        ConfigError: a value is out of its range; or, when called, the graph has more pairs than fit.
    """

    def __init__(
        self,
        looks: int = 6,
        smoothness: float = 50.0,
        connectivity: Connectivity = "full",
        neighbours: int = 8,
        radius: float = 5.0,
        sigma: float | None = 5.0,
        contour: bool = False,
        regions: int = 500,
        colour: float = 1.0,
        position: float = 0.0,
        gradient: float = 0.0,
        texture: float = 0.0,
        cycles: int = 5,
        solver: Solver = "scipy",
    ) -> None:
        self.looks = looks
        self.smoothness = smoothness
        self.connectivity = connectivity
        self.neighbours = neighbours
        self.radius = radius
        self.sigma = sigma
        self.contour = contour
        self.regions = regions
        self.colour = colour
        self.position = position
        self.gradient = gradient
        self.texture = texture
        self.cycles = cycles
        self.solver = solver
        self._ties = Ties(connectivity, neighbours, radius, sigma, contour, regions)
        faults = self._ties.faults("GraphCut")
        least = {"looks": 1, "cycles": 1} | dict.fromkeys(
            ("smoothness", "colour", "position", "gradient", "texture"), 0
        )
        faults += [
            f"The '{key}' of GraphCut must be at least {bound}, got {getattr(self, key)}"
            for key, bound in least.items()
            if getattr(self, key) < bound
        ]
        if not any((colour, position, gradient, texture)):
            faults.append("GraphCut must look at something: colour, position, gradient and texture are all 0")
        if solver not in ("scipy", "pymaxflow"):
            faults.append(f"The 'solver' of GraphCut must be scipy or pymaxflow, got {solver}")
        if faults:
            raise ConfigError("segmenter=graph_cut cannot be built:", faults)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Segment an `image` (H, W, D): (H, W) int32, 0..k-1, connected regions."""
        if is_constant(image):
            return np.zeros(image.shape[:2], np.int32)
        graph, nodes = self._ties.graph(lab(image))
        features = pixel_features(image, self.colour, self.position, self.gradient, self.texture)
        costs = _look_costs(features.reshape(nodes.size, -1), self.looks)
        costs = np.stack([np.bincount(nodes, column) for column in costs.T], axis=1)  # (N, K)
        unit = graph.degrees().sum() / nodes.size
        graph = graph._replace(weights=graph.weights * (self.smoothness / max(unit, 1e-30)))
        labels = expand(costs, graph, self.cycles, self.solver)
        return connected(labels[nodes].reshape(image.shape[:2]))


def _look_costs(points: np.ndarray, most: int) -> np.ndarray:
    """Find up to `most` looks of points (N, F), and give each point's cost of each, (N, K) float32."""
    sample = points[:: max(len(points) // SAMPLE, 1)]
    groups = split_colours(sample, most)
    first = np.stack([sample[groups == group].mean(0) for group in range(groups.max() + 1)])
    centres = KMeans(len(first), init=first, n_init=1).fit(sample).cluster_centers_
    squares = np.stack([np.square(points - centre).sum(-1) for centre in centres], axis=1)
    variance = float(squares.min(1).mean()) / points.shape[1]
    return squares / max(2 * variance, 1e-12)
