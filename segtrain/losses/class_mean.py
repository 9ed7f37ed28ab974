"""Losses that judge each class as a whole and average over the classes."""

from abc import abstractmethod

import torch
from torch import Tensor

from segtrain.losses.base import Loss, require
from segtrain.losses.functional import ratio
from segtrain.types import CLASS_AXIS

__all__ = ["ClassMean"]


class ClassMean(Loss):
    """The mean over the classes of a loss of each class.

    Absent classes: a class that the target of the batch (or image) lacks is left out of the mean, unless it lacks
    all classes that count. So 150 classes of which 5 are there are judged by these 5, while an empty mask (two
    classes, the background left out) is judged by how little foreground is predicted.

    Args:
        per_image: judge each image, then average, an image counting by its sum of weights; else judge the batch
            as one large image, which is steadier when many images lack a class.
        include_background: class 0 counts too; null = only with more than two classes. With two (and in each of
            the overlapping classes) the foreground alone is judged, as is usual for a binary mask.
        count_absent: absent classes count too.
        class_weights: one number, at least 0, for each of the data's classes, their share in the mean; null = all
            count the same. They change nothing where only one class counts.
    """

    def __init__(
        self,
        per_image: bool,
        include_background: bool | None,
        count_absent: bool,
        class_weights: list[float] | None,
    ) -> None:
        super().__init__(class_weights)
        self.per_image = per_image
        self.include_background = include_background
        self.count_absent = count_absent

    @abstractmethod
    def class_losses(self, logits: Tensor, target: Tensor, weight: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """Give the loss of each image (or of the batch), problem and class that counts, and whether it is present.

        Both are (B, K, C - first), or (1, K, C - first) unless `per_image`; see `together`.

        Args:
            logits, target, weight: as in `forward`.
            first: the first class that counts, 0 or 1.
        """

    def loss(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        num_problems, num_classes = 1 if logits.ndim == 4 else logits.shape[1], logits.shape[CLASS_AXIS]
        with_background = num_classes > 2 if self.include_background is None else self.include_background
        first = 0 if with_background else 1
        losses, present = self.class_losses(logits, target, weight, first)  # (G, K, C - first)
        trust = self.together(weight.float().sum((-2, -1)))  # (G,)
        return self._mean(losses, present, trust, self._shares(num_problems, num_classes, first, losses))

    def together(self, sums: Tensor) -> Tensor:
        """Add up the images' sums over pixels (B, ...) -> (1, ...), unless each image is judged by itself."""
        return sums if self.per_image else sums.sum(0, keepdim=True)

    def _shares(self, num_problems: int, num_classes: int, first: int, like: Tensor) -> Tensor:
        """Give each class's share in the mean, (K, C - first)."""
        if num_problems == 1 and self.class_weights is not None:
            law = "above 0 for some class that counts (the background does not)"
            require(any(self.class_weights[first:]), self, "class_weights", law, self.class_weights)
        share = like.new_ones(num_problems) if self.share is None else self.share
        return share.view(num_problems, -1).expand(num_problems, num_classes)[:, first:]

    def _mean(self, losses: Tensor, present: Tensor, trust: Tensor, share: Tensor) -> Tensor:
        """Average losses (G, K, C') over classes, then problems, then images (or the one batch) by their trust (G,)."""
        counts = torch.ones_like(present) if self.count_absent else present | ~present.any(-1, keepdim=True)
        losses = _weighted_mean(losses, counts * share)  # (G, K)
        losses = _weighted_mean(losses, share.sum(-1).expand_as(losses))  # (G,)
        return _weighted_mean(losses, trust)


def _weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Average over the last axis."""
    return ratio((values * weights).sum(-1), weights.sum(-1))
