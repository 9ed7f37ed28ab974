"""Post-processors in a row, for exclusive and overlapping classes alike."""

from collections.abc import Mapping

import numpy as np

from segtrain.types import PostProcessor

__all__ = ["Pipeline"]


class Pipeline:
    """Apply post-processors in order; with none of them, the probabilities stay what they are.

    Overlapping classes (K, 2, H, W) are K problems of two classes: each goes through all the steps by itself, so
    that no post-processor needs to know of them.

    Args:
        steps: name -> post-processor, in the order of their work.
    """

    def __init__(self, steps: Mapping[str, PostProcessor]) -> None:
        self.steps = dict(steps)

    def __call__(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Refine `probs` (C, H, W) or (K, 2, H, W) float32 of an image (H, W, D); the shape stays."""
        if probs.ndim == 4:
            return np.stack([self(one, image) for one in probs])  # (K, 2, H, W)
        for step in self.steps.values():
            probs = step(probs, image)
        return probs
