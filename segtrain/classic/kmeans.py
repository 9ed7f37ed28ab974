"""k-means over pixels: the plainest way to group colours."""

import numpy as np
from sklearn.cluster import KMeans as Clusters

from segtrain.classic.features import pixel_features
from segtrain.classic.regions import connected, merge_regions
from segtrain.errors import ConfigError

__all__ = ["KMeans"]

SAMPLE = 10_000
"""Pixels whose clusters are those of the image."""


class KMeans:
    """Group pixels by the nearest of k centres (Lloyd 1982); connected pixels of one centre are a region.

    Centres are found on a sample of 10,000 pixels, so that an image of any size takes as long as its pixels are
    compared with k centres. Memory: up to 200 bytes a pixel.

    Args:
        num_clusters: k, >= 1; fewer where there are fewer colours.
        position: weight of rows and columns (pixels) beside colour (CIELAB), >= 0; 0 = left out.
        gradient: weight of the slope, >= 0; 0 = left out.
        texture: weight of contrast and direction, >= 0; 0 = left out.
        merge: colours of CIELAB by which the means of two regions that become one may differ, >= 0.
        min_area: smaller regions go to their nearest neighbour, pixels, >= 1.
        seed: of sample and first centres.

    Raises:
        ConfigError: a value is out of its range.
    """

    def __init__(
        self,
        num_clusters: int = 8,
        position: float = 0.0,
        gradient: float = 0.0,
        texture: float = 0.0,
        merge: float = 0.0,
        min_area: int = 300,
        seed: int = 0,
    ) -> None:
        self.num_clusters = num_clusters
        self.position = position
        self.gradient = gradient
        self.texture = texture
        self.merge = merge
        self.min_area = min_area
        self.seed = seed
        least = {"num_clusters": 1, "position": 0, "gradient": 0, "texture": 0, "merge": 0, "min_area": 1}
        faults = [
            f"The '{key}' of KMeans must be at least {bound}, got {getattr(self, key)}"
            for key, bound in least.items()
            if getattr(self, key) < bound
        ]
        if faults:
            raise ConfigError("segmenter.kmeans cannot be built:", faults)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Segment: `image` (H, W, D) of any number type -> (H, W) int32, connected regions 0..k-1."""
        looks = pixel_features(image, gradient=self.gradient, texture=self.texture)  # (H, W, F)
        place = pixel_features(image, colour=0, position=self.position)
        points = np.concatenate([looks, place], axis=-1).reshape(-1, looks.shape[-1] + place.shape[-1])  # (P, F)
        chosen = np.random.default_rng(self.seed).permutation(len(points))[:SAMPLE]
        count = min(self.num_clusters, len(np.unique(points[chosen], axis=0)))
        clusters = Clusters(count, n_init=1, random_state=self.seed).fit(points[chosen])
        label = connected(clusters.predict(points).reshape(image.shape[:2]))
        return merge_regions(label, looks, self.merge, self.min_area)
