"""Segments that are each held together well and tied to the rest badly, by normalised cuts."""

import numpy as np

from segtrain.classic.features import lab
from segtrain.classic.graph import Connectivity
from segtrain.classic.graph_bisection import bisected
from segtrain.classic.graph_halves import least_normalized_cut
from segtrain.classic.graph_ties import Ties, is_constant
from segtrain.classic.regions import connected
from segtrain.errors import ConfigError

__all__ = ["NormalizedCut"]


class NormalizedCut:
    """Cut the graph of an image in two where the normalised cut is least, again and again (Shi & Malik 2000).

    Ncut(A, B) = cut(A, B) / assoc(A, V) + cut(A, B) / assoc(B, V) counts what is cut beside all the ties of each
    side, so that a small piece gains nothing by its size. Of all parts the one that comes apart at the least value is
    cut next. What lies apart in the image becomes segments of its own.

    It takes 0.5 seconds and 60 MB for 481 x 321 pixels. Of more than a few ten thousand nodes (regions: 0) the
    eigenvectors take minutes.

    Args:
        segments: at most, before those that lie apart are told apart, >= 1.
        most_value: of a normalised cut, in (0, 2]; a part that only dearer ones divide stays whole.
        connectivity: "full", "neighbours" or "local".
        neighbours: 4 or 8, of "neighbours".
        radius: pixels, >= 1, of "local".
        sigma: difference in Lab that counts, > 0; None = the root of the mean squared one.
        contour: weaken ties across an edge; not of "full".
        regions: superpixels that are not cut, about so many, >= 0; 0 = none.

    Raises:
        ConfigError: a value is out of its range; or, when called, the graph has more pairs than fit.
    """

    def __init__(
        self,
        segments: int = 12,
        most_value: float = 2.0,
        connectivity: Connectivity = "full",
        neighbours: int = 8,
        radius: float = 5.0,
        sigma: float | None = 5.0,
        contour: bool = False,
        regions: int = 500,
    ) -> None:
        self.segments = segments
        self.most_value = most_value
        self.connectivity = connectivity
        self.neighbours = neighbours
        self.radius = radius
        self.sigma = sigma
        self.contour = contour
        self.regions = regions
        self._ties = Ties(connectivity, neighbours, radius, sigma, contour, regions)
        faults = self._ties.faults("NormalizedCut")
        if segments < 1:
            faults.append(f"The 'segments' of NormalizedCut must be at least 1, got {segments}")
        if not 0 < most_value <= 2:
            faults.append(f"The 'most_value' of NormalizedCut must be in (0, 2], got {most_value}")
        if faults:
            raise ConfigError("segmenter=normalized_cut cannot be built:", faults)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Segment an `image` (H, W, D): (H, W) int32, 0..k-1, connected regions."""
        if is_constant(image):
            return np.zeros(image.shape[:2], np.int32)
        graph, nodes = self._ties.graph(lab(image))
        parts = bisected(graph, least_normalized_cut, self.segments, self.most_value)
        return connected(parts[nodes].reshape(image.shape[:2]))
