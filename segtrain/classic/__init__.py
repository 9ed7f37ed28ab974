"""Classic segmenters: an image in, regions out, nothing trained."""

from segtrain.classic.features import lab, pixel_features
from segtrain.classic.grab_cut import GrabCut
from segtrain.classic.graph_cut import GraphCut
from segtrain.classic.kmeans import KMeans
from segtrain.classic.mean_shift import MeanShift
from segtrain.classic.min_cut import MinCut
from segtrain.classic.normalized_cut import NormalizedCut
from segtrain.classic.superpixels import Felzenszwalb, Slic

__all__ = [
    "Felzenszwalb", "GrabCut", "GraphCut", "KMeans", "MeanShift", "MinCut", "NormalizedCut", "Slic", "lab",
    "pixel_features",
]  # fmt: skip
