"""The noise-robust Dice loss."""

import math

import torch
from torch import Tensor

from segtrain.losses.base import require
from segtrain.losses.class_mean import ClassMean
from segtrain.losses.functional import PIXELS, ratio
from segtrain.losses.rows import sum_rows
from segtrain.types import to_probs

__all__ = ["NoiseRobustDice"]


class NoiseRobustDice(ClassMean):
    """Noise-robust Dice: sum |p - y|^gamma / (sum p^2 + sum y^2 + smooth) (Wang et al. 2020, COPLE-Net).

    gamma = 2 is Dice with squares, gamma = 1 the mean absolute error with Dice's balance. On soft targets it is least
    at probs = target.

    Where a class is absent (an empty mask), the squares point the wrong way for gamma < 2: sum p^1.5 / sum p^2 grows
    as p falls. Data with empty masks therefore want `squared` false, the form that the authors' toolkit PyMIC has.

    Args:
        gamma: in [1, 2].
        squared: whether the denominator has the squares of the paper, or else sum p + sum y.
        smooth: at least 0, pixels, the paper's epsilon; relative to the largest weight, as in `RegionLoss`.
        per_image, include_background, count_absent, class_weights: see `ClassMean`.
    """

    def __init__(
        self,
        gamma: float = 1.5,
        squared: bool = True,
        smooth: float = 1e-5,
        per_image: bool = False,
        include_background: bool | None = None,
        count_absent: bool = False,
        class_weights: list[float] | None = None,
    ) -> None:
        super().__init__(per_image, include_background, count_absent, class_weights)
        require(1 <= gamma <= 2, self, "gamma", "in [1, 2]", gamma)
        require(0 <= smooth < math.inf, self, "smooth", "at least 0 pixels", smooth)
        self.gamma = gamma
        self.squared = squared
        self.smooth = smooth

    def class_losses(self, logits: Tensor, target: Tensor, weight: Tensor, first: int) -> tuple[Tensor, Tensor]:
        def sums(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
            probs = to_probs(logits)
            wrong = (probs - target).abs().pow(self.gamma)
            size = probs.square() + target.square() if self.squared else probs + target
            return torch.stack([(part * weight).sum(PIXELS) for part in (wrong, size, target)])

        wrong, size, mass = (self.together(part)[..., first:] for part in sum_rows(sums, logits, target, weight))
        return ratio(wrong, size + self.smooth * weight.amax().float()), mass > 0
