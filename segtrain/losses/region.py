"""Losses that judge how the regions of each class overlap."""

import math
from abc import abstractmethod

from torch import Tensor

from segtrain.losses.base import require
from segtrain.losses.class_mean import ClassMean
from segtrain.losses.functional import Overlap, overlap, tversky_loss

__all__ = ["Dice", "Jaccard", "RegionLoss", "Tversky"]


class RegionLoss(ClassMean):
    """The mean over the classes of a loss of their overlaps, in [0, 1].

    A new one gives `region_loss` and a constructor that hands on the parameters below.

    Args:
        smooth: pixels, at least 0, added to numerator and denominator; the weights are taken relative to the
            largest of the batch, so that a pixel of full trust is one pixel. It decides how an absent class that
            counts is judged: the loss falls from 1 to 0 as the predicted area falls below about `smooth`.
        per_image, include_background, count_absent, class_weights: see `ClassMean`.
    """

    def __init__(
        self,
        smooth: float,
        per_image: bool,
        include_background: bool | None,
        count_absent: bool,
        class_weights: list[float] | None,
    ) -> None:
        super().__init__(per_image, include_background, count_absent, class_weights)
        require(0 <= smooth < math.inf, self, "smooth", "at least 0 pixels", smooth)
        self.smooth = smooth

    @abstractmethod
    def region_loss(self, regions: Overlap, smooth: Tensor) -> Tensor:
        """Give the loss of each image (or batch), problem and class, shaped like the members of `regions`."""

    def class_losses(self, logits: Tensor, target: Tensor, weight: Tensor, first: int) -> tuple[Tensor, Tensor]:
        regions = Overlap(*(self.together(part)[..., first:] for part in overlap(logits, target, weight)))
        return self.region_loss(regions, self.smooth * weight.amax().float()), regions.target > 0


class Dice(RegionLoss):
    """1 - (2 TP + smooth) / (2 TP + FP + FN + smooth): the soft Dice loss (Milletari et al. 2016, not squared).

    On soft targets it is the Dice semimetric loss DML1 (Wang et al., MICCAI 2023), least at probs = target.

    Args:
        smooth: pixels, at least 0; see `RegionLoss` for this, `ClassMean` for the others.

    Example:
        >>> import torch
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
        smooth: pixels, at least 0; see `RegionLoss` for this, `ClassMean` for the others.
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
        smooth: pixels, at least 0; see `RegionLoss` for this, `ClassMean` for the others.
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
