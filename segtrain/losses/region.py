"""Losses that judge how the regions of each class overlap."""

import math
from abc import abstractmethod

import torch
from torch import Tensor

from segtrain.losses.base import Loss, require
from segtrain.losses.functional import Overlap, overlap, ratio, tversky_loss

__all__ = ["Dice", "Jaccard", "RegionLoss", "Tversky"]


class RegionLoss(Loss):
    """The mean over the classes of a loss of their overlaps, in [0, 1].

    Absent classes: a class that the target of the batch (or image) lacks is left out of the mean, unless it lacks
    all classes that count. So 150 classes of which 5 are there are judged by these 5, while an empty mask (two
    classes, the background left out) is judged by how little foreground is predicted.

    A new one gives `region_loss` and a constructor that hands on the parameters below.

    Args:
        smooth: pixels, at least 0, added to numerator and denominator; the weights are taken relative to the
            largest of the batch, so that a pixel of full trust is one pixel. It decides how an absent class that
            counts is judged: the loss falls from 1 to 0 as the predicted area falls below about `smooth`.
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
        smooth: float,
        per_image: bool,
        include_background: bool | None,
        count_absent: bool,
        class_weights: list[float] | None,
    ) -> None:
        super().__init__(class_weights)
        require(0 <= smooth < math.inf, self, "smooth", "at least 0 pixels", smooth)
        self.smooth = smooth
        self.per_image = per_image
        self.include_background = include_background
        self.count_absent = count_absent

    @abstractmethod
    def region_loss(self, regions: Overlap, smooth: Tensor) -> Tensor:
        """Give the loss of each image (or batch), problem and class, shaped like the members of `regions`."""

    def loss(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        regions = overlap(logits, target, weight)  # (B, K, C)
        trust = weight.float().sum((-2, -1))  # (B,)
        if not self.per_image:
            regions = Overlap(*(part.sum(0, keepdim=True) for part in regions))  # (1, K, C)
            trust = trust.sum(0, keepdim=True)  # (1,)
        losses = self.region_loss(regions, self.smooth * weight.amax().float())
        return self._mean(losses, regions.target > 0, trust)

    def _mean(self, losses: Tensor, present: Tensor, trust: Tensor) -> Tensor:
        """Average losses (G, K, C) over classes, then problems, then images (or the one batch) by their trust (G,)."""
        num_problems, num_classes = losses.shape[1:]
        share = losses.new_ones(num_problems) if self.share is None else self.share
        share = share.view(num_problems, -1).expand(num_problems, num_classes)  # (K, C)
        first = 0 if self._with_background(num_classes) else 1
        if num_problems == 1 and self.class_weights is not None:
            law = "above 0 for some class that counts (the background does not)"
            require(any(self.class_weights[first:]), self, "class_weights", law, self.class_weights)
        losses, present, share = losses[..., first:], present[..., first:], share[..., first:]
        counts = torch.ones_like(present) if self.count_absent else present | ~present.any(-1, keepdim=True)
        losses = _weighted_mean(losses, counts * share)  # (G, K)
        losses = _weighted_mean(losses, share.sum(-1).expand_as(losses))  # (G,)
        return _weighted_mean(losses, trust)

    def _with_background(self, num_classes: int) -> bool:
        return num_classes > 2 if self.include_background is None else self.include_background


def _weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Average over the last axis."""
    return ratio((values * weights).sum(-1), weights.sum(-1))


class Dice(RegionLoss):
    """1 - (2 TP + smooth) / (2 TP + FP + FN + smooth): the soft Dice loss (Milletari et al. 2016, not squared).

    On soft targets it is the Dice semimetric loss DML1 (Wang et al., MICCAI 2023), least at probs = target.

    Args:
        smooth: pixels, at least 0; see `RegionLoss` for this and the others.

    Example:
        >>> target = torch.tensor([0.3, 0.7]).view(1, 2, 1, 1)
        >>> Dice()(target.log(), target, torch.ones(1, 1, 1)).round(decimals=6).abs()
        tensor(0.)
    """

    def __init__(
        self,
        smooth: float = 1.0,
        per_image: bool = False,
        include_background: bool | None = None,
        count_absent: bool = False,
        class_weights: list[float] | None = None,
    ) -> None:
        super().__init__(smooth, per_image, include_background, count_absent, class_weights)

    def region_loss(self, regions: Overlap, smooth: Tensor) -> Tensor:
        return tversky_loss(regions, alpha=0.5, beta=0.5, smooth=smooth / 2)


class Jaccard(RegionLoss):
    """1 - (TP + smooth) / (TP + FP + FN + smooth): the soft IoU loss (Rahman & Wang 2016).

    On soft targets it is the Jaccard metric loss JML1 (Wang et al., NeurIPS 2023), least at probs = target.

    Args:
        smooth: pixels, at least 0; see `RegionLoss` for this and the others.
    """

    def __init__(
        self,
        smooth: float = 1.0,
        per_image: bool = False,
        include_background: bool | None = None,
        count_absent: bool = False,
        class_weights: list[float] | None = None,
    ) -> None:
        super().__init__(smooth, per_image, include_background, count_absent, class_weights)

    def region_loss(self, regions: Overlap, smooth: Tensor) -> Tensor:
        return tversky_loss(regions, alpha=1.0, beta=1.0, smooth=smooth)


class Tversky(RegionLoss):
    """1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth) (Salehi et al. 2017).

    On soft targets TP, FP and FN are those of Wang et al. (2023), and it is least at probs = target.

    Args:
        alpha: above 0, the price of a false positive.
        beta: above 0, the price of a false negative; above alpha it favours recall, as small lesions need.
        smooth: pixels, at least 0; see `RegionLoss` for this and the others.
    """

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        smooth: float = 1.0,
        per_image: bool = False,
        include_background: bool | None = None,
        count_absent: bool = False,
        class_weights: list[float] | None = None,
    ) -> None:
        super().__init__(smooth, per_image, include_background, count_absent, class_weights)
        require(0 < alpha < math.inf, self, "alpha", "above 0", alpha)
        require(0 < beta < math.inf, self, "beta", "above 0", beta)
        self.alpha = alpha
        self.beta = beta

    def region_loss(self, regions: Overlap, smooth: Tensor) -> Tensor:
        return tversky_loss(regions, self.alpha, self.beta, smooth)
