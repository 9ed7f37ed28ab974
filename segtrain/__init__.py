"""segtrain: train image-segmentation models on the labels people really have, which are noisy."""

__version__ = "0.1.0"
