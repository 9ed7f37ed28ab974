"""Losses that judge each pixel by itself and average over the pixels."""

import math
from abc import abstractmethod

from torch import Tensor

from segtrain.losses.base import Loss, require
from segtrain.losses.functional import binary_cross_entropy_map, cross_entropy_map, focal_map, pixel_mean

__all__ = ["BinaryCrossEntropy", "CrossEntropy", "Focal", "PixelLoss"]


class PixelLoss(Loss):
    """The mean of a loss over the pixels, each counting by its weight and by the class weight of its target.

    A new one gives `loss_map` and, if it has parameters, a constructor that ends in `class_weights`.

    Args:
        class_weights: one number, at least 0, for each of the data's classes; null = all count the same. On a soft
            target a pixel counts by the mean over its target.
    """

    def __init__(self, class_weights: list[float] | None = None) -> None:
        super().__init__(class_weights)

    @abstractmethod
    def loss_map(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give each pixel's loss (B, K, H, W) for float32 logits and target (B, K, C, H, W)."""

    def loss(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        return pixel_mean(self.loss_map, logits, target, weight, self.share)


class CrossEntropy(PixelLoss):
    """Cross-entropy between target and softmax.

    Example:
        >>> import torch
        >>> target = torch.tensor([0.3, 0.7]).view(1, 2, 1, 1)
        >>> CrossEntropy()(target.log(), target, torch.ones(1, 1, 1))  # the entropy of the target is the least value
        tensor(0.6109)
    """

    def loss_map(self, logits: Tensor, target: Tensor) -> Tensor:
        return cross_entropy_map(logits, target)


class BinaryCrossEntropy(PixelLoss):
    """Binary cross-entropy of each class against the rest, averaged over the classes.

    With two exclusive classes, and with overlapping ones, it equals `CrossEntropy`.
    """

    def loss_map(self, logits: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy_map(logits, target)


class Focal(PixelLoss):
    """Focal loss (Lin et al. 2017, eq. 4-5); on soft targets the quality focal loss (Li et al. 2020, eq. 2).

    For a given target the least value is at probs = target. It is no proper score for hard labels that are
    themselves drawn at random, though: their mean loss is least at less confident probabilities than the labels'
    frequencies (Charoenphakdee et al. 2021), so that a network trained on noisy hard labels is under-confident.

    Args:
        gamma: at least 0; how strongly pixels that are nearly right are played down. 0 = cross-entropy.
        class_weights: as in `PixelLoss`; the paper's alpha = 0.25 is [0.75, 0.25].
    """

    def __init__(self, gamma: float = 2.0, class_weights: list[float] | None = None) -> None:
        super().__init__(class_weights)
        require(0 <= gamma < math.inf, self, "gamma", "at least 0", gamma)
        self.gamma = gamma

    def loss_map(self, logits: Tensor, target: Tensor) -> Tensor:
        return focal_map(logits, target, self.gamma)
