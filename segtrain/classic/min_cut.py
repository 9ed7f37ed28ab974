"""Segments by the least cut of all, and why that is seldom what one wants."""

import numpy as np

from segtrain.classic.features import lab
from segtrain.classic.graph import Connectivity
from segtrain.classic.graph_bisection import bisected
from segtrain.classic.graph_halves import least_global_cut
from segtrain.classic.graph_ties import Ties, is_constant
from segtrain.classic.regions import connected
from segtrain.errors import ConfigError

__all__ = ["MinCut"]


class MinCut:
    """Cut the graph of an image where the ties that are cut weigh least in all (Wu & Leahy 1993), again and again.

    It is here to be compared with: a small piece has few ties, so that the least cut takes away single nodes, at the
    frame first, and the image is left whole (Shi & Malik 2000, fig. 1). See `NormalizedCut` for the cure.

    Args:
        segments: >= 1.
        connectivity: "full", "neighbours" or "local".
        neighbours: 4 or 8, of "neighbours".
        radius: pixels, >= 1, of "local".
        sigma: difference in Lab that counts, > 0; None = the root of the mean squared one.
        contour: weaken ties across an edge; not of "full".
        regions: superpixels that are not cut, about so many, >= 0; 0 = none.

    Raises:
        ConfigError: a value is out of its range; or, when called, the graph has more pairs or nodes than fit.
    """

    def __init__(
        self,
        segments: int = 12,
        connectivity: Connectivity = "neighbours",
        neighbours: int = 8,
        radius: float = 5.0,
        sigma: float | None = 5.0,
        contour: bool = False,
        regions: int = 500,
    ) -> None:
        self.segments = segments
        self.connectivity = connectivity
        self.neighbours = neighbours
        self.radius = radius
        self.sigma = sigma
        self.contour = contour
        self.regions = regions
        self._ties = Ties(connectivity, neighbours, radius, sigma, contour, regions)
        faults = self._ties.faults("MinCut")
        if segments < 1:
            faults.append(f"The 'segments' of MinCut must be at least 1, got {segments}")
        if faults:
            raise ConfigError("segmenter=min_cut cannot be built:", faults)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Segment an `image` (H, W, D): (H, W) int32, 0..k-1, connected regions."""
        if is_constant(image):
            return np.zeros(image.shape[:2], np.int32)
        graph, nodes = self._ties.graph(lab(image))
        parts = bisected(graph, least_global_cut, self.segments)
        return connected(parts[nodes].reshape(image.shape[:2]))
