"""Classic segmenters: an image in, regions out, nothing trained."""

from segtrain.classic.features import lab, pixel_features
from segtrain.classic.kmeans import KMeans
from segtrain.classic.mean_shift import MeanShift
from segtrain.classic.superpixels import Felzenszwalb, Slic

__all__ = ["Felzenszwalb", "KMeans", "MeanShift", "Slic", "lab", "pixel_features"]
