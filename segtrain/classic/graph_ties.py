"""From an image to a graph: of its pixels, or of superpixels that bound what is cut."""

from typing import NamedTuple, get_args

import numpy as np
from skimage.segmentation import slic

from segtrain.classic.graph import Connectivity, Graph, contracted, full_graph, offsets_of, pixel_graph

__all__ = ["Ties", "is_constant"]

COMPACTNESS = 0.1
"""Of the superpixels, whose features are scaled to [0, 1]: low, they follow what is seen."""
AREA = 16
"""Pixels that a superpixel has on average, at least: in smaller ones noise is not averaged."""


class Ties(NamedTuple):
    """Which pixels are tied, and by what, see `pixel_graph`; a graph of regions is the pixels' graph, contracted."""

    connectivity: Connectivity
    """Which are tied: "full" (all), "neighbours", or "local" (up to `radius`)."""
    neighbours: int
    """4 or 8, of "neighbours"."""
    radius: float
    """Pixels, >= 1, of "local"."""
    sigma: float | None
    """Difference in Lab that counts, > 0; None = the root of the mean squared difference."""
    contour: bool
    """Weaken ties across an edge."""
    regions: int
    """Superpixels (SLIC) that are not cut, about so many; 0, or an image of no more pixels: each pixel is a node."""

    def faults(self, owner: str) -> list[str]:
        """Say which values are out of their range."""
        given = f"The '{{}}' of {owner} must be {{}}, got {{}}"
        laws = {
            "connectivity": (self.connectivity in get_args(Connectivity), "full, neighbours or local"),
            "neighbours": (self.neighbours in (4, 8), "4 or 8"),
            "radius": (self.radius >= 1, "at least 1 pixel"),
            "sigma": (self.sigma is None or self.sigma > 0, "above 0, or null"),
            "regions": (self.regions >= 0, "at least 0"),
        }
        return [given.format(key, law, getattr(self, key)) for key, (holds, law) in laws.items() if not holds]

    def graph(self, features: np.ndarray) -> tuple[Graph, np.ndarray]:
        """Give the graph, and each pixel's node (H * W,) int, 0..N-1.

        Args:
            features: (H, W, F) float32.

        Raises:
            ConfigError: there are more pairs than fit.
        """
        size = features.shape[0] * features.shape[1]
        nodes = np.arange(size)
        if 0 < self.regions < size:
            nodes = _superpixels(features, max(min(self.regions, size // AREA), 1)).ravel()
        if self.connectivity == "full":
            return _full(features, nodes, self.sigma), nodes
        graph = pixel_graph(
            features, offsets_of(self.connectivity, self.neighbours, self.radius), self.sigma, self.contour
        )
        return contracted(graph, nodes) if self.regions else graph, nodes


def is_constant(image: np.ndarray) -> bool:
    """Tell whether all pixels of an image (H, W, D) are alike, so that there is nothing to cut."""
    return bool((image == image[:1, :1]).all())


def _superpixels(features: np.ndarray, count: int) -> np.ndarray:
    """Give about `count` superpixels (H, W), 0..R-1 (Achanta et al. 2012)."""
    return slic(
        features, count, COMPACTNESS, channel_axis=-1, convert2lab=False, enforce_connectivity=True, start_label=0
    )


def _full(features: np.ndarray, nodes: np.ndarray, sigma: float | None) -> Graph:
    height, width, depth = features.shape
    sizes = np.bincount(nodes)
    places = np.indices((height, width)).reshape(2, -1)  # (2, H * W)
    columns = [*places, *features.reshape(-1, depth).T]
    means = np.stack([np.bincount(nodes, column) / sizes for column in columns], axis=1).astype(np.float32)
    return full_graph(means[:, 2:], means[:, :2], sizes, sigma)
