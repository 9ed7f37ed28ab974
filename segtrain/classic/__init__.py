"""Classic segmenters: an image in, regions out, nothing trained."""

from segtrain.classic.features import lab, pixel_features

__all__ = ["lab", "pixel_features"]
