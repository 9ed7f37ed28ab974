"""Test-time augmentation: the mean answer over mirrored (and turned) copies of an image."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["FlipTTA"]

FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))


class FlipTTA:
    """Averages the probabilities of an image and its mirror images, each turned back.

    Args:
        predict: gives probs (B, C, H, W) or (B, K, 2, H, W) for an image (B, D, H, W).
        rotations: also the four quarter-turned ones, the dihedral group of 8; for images that have no up and down.
    """

    def __init__(self, predict: Callable[[Tensor], Tensor], rotations: bool = False) -> None:
        self.predict = predict
        self.rotations = rotations

    def __call__(self, image: Tensor) -> Tensor:
        """Give the mean probs, in fp32."""
        views = [(transposed, flips) for transposed in (False, True)[: 1 + self.rotations] for flips in FLIPS]
        total = torch.zeros((), device=image.device)
        for transposed, flips in views:
            view = image.transpose(-2, -1) if transposed else image
            probs = self.predict(view.flip(flips)).float().flip(flips)
            total = total + (probs.transpose(-2, -1) if transposed else probs)  # (B, C, H, W)
        return total / len(views)
