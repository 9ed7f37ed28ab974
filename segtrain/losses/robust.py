"""Pixel losses that are robust to wrong labels: what a hard label costs is bounded, or grows slowly."""

import math

from torch import Tensor

from segtrain.losses.base import require
from segtrain.losses.functional import cross_entropy_map
from segtrain.losses.pixel import PixelLoss
from segtrain.losses.robust_functional import (
    absolute_error_map,
    bootstrap_map,
    generalized_cross_entropy_map,
    jensen_shannon_map,
    normalized_cross_entropy_map,
    reverse_cross_entropy_map,
    taylor_cross_entropy_map,
)  # fmt: skip

__all__ = [
    "ActivePassive", "Bootstrap", "GeneralizedCrossEntropy", "JensenShannon", "MeanAbsoluteError",
    "SymmetricCrossEntropy", "TaylorCrossEntropy",
]  # fmt: skip


class MeanAbsoluteError(PixelLoss):
    """Mean absolute error sum_c |p_c - y_c| (Ghosh et al. 2017): robust to symmetric noise, but slow to learn.

    From scratch and alone it may never leave the background where the foreground is small: begin with cross-entropy,
    or add Dice. Some implementations halve it. On soft targets it is least at probs = target.
    """

    def loss_map(self, logits: Tensor, target: Tensor) -> Tensor:
        return absolute_error_map(logits, target)


class GeneralizedCrossEntropy(PixelLoss):
    """Generalised cross-entropy (1 - p_y^q) / q (Zhang & Sabuncu 2018, eq. 6), between cross-entropy and the MAE.

    It learns rare classes slowly from scratch; a warm-up with cross-entropy helps. On a soft target it is the mean
    over the label's distribution, which is least at the sharper p ~ y^(1 / (1 - q)).

    Args:
        q: in (0, 1]; towards 0 it is cross-entropy, 1 is half the mean absolute error (on hard labels).
        class_weights: as in `PixelLoss`.
    """

    def __init__(self, q: float = 0.7, class_weights: list[float] | None = None) -> None:
        super().__init__(class_weights)
        require(0 < q <= 1, self, "q", "in (0, 1]", q)
        self.q = q

    def loss_map(self, logits: Tensor, target: Tensor) -> Tensor:
        return generalized_cross_entropy_map(logits, target, self.q)


class SymmetricCrossEntropy(PixelLoss):
    """Symmetric cross-entropy: alpha CE + beta RCE, which swaps label and prediction (Wang et al. 2019).

    Args:
        alpha: at least 0, the price of cross-entropy; the paper: 0.1 on CIFAR-10, 6 on CIFAR-100.
        beta: at least 0, the price of the reverse cross-entropy; the paper: 1 on CIFAR-10, 0.1 on CIFAR-100.
        log_zero: below 0, what stands for log 0 in the RCE: the paper's A = -4. The authors' code clips labels at
            1e-4 instead, that is -9.21: to repeat their numbers, set that (it is as if beta were 2.3 times as large).
        class_weights: as in `PixelLoss`.
    """

    def __init__(
        self,
        alpha: float = 0.1,
        beta: float = 1.0,
        log_zero: float = -4.0,
        class_weights: list[float] | None = None,
    ) -> None:
        super().__init__(class_weights)
        _require_prices(self, alpha, beta, log_zero)
        self.alpha = alpha
        self.beta = beta
        self.log_zero = log_zero

    def loss_map(self, logits: Tensor, target: Tensor) -> Tensor:
        reverse = reverse_cross_entropy_map(logits, target, self.log_zero)
        return self.alpha * cross_entropy_map(logits, target) + self.beta * reverse


class ActivePassive(PixelLoss):
    """Active passive loss alpha NCE + beta RCE: normalised and reverse cross-entropy (Ma et al. 2020).

    Each is robust to symmetric noise; the active NCE pulls the label's class up, the passive RCE pushes the others
    down. With these prices the RCE, twice the mean absolute error, dominates: what holds for that from scratch holds
    here. On a soft target it is least at the target's largest class.

    Args:
        alpha: at least 0, the price of the NCE; the paper: 1 on MNIST and CIFAR-10, 10 on CIFAR-100.
        beta: at least 0, the price of the RCE; the paper: 1 on MNIST and CIFAR-10, 0.1 on CIFAR-100.
        log_zero: below 0, as in `SymmetricCrossEntropy`; here too the authors' code has -9.21.
        class_weights: as in `PixelLoss`.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 1.0,
        log_zero: float = -4.0,
        class_weights: list[float] | None = None,
    ) -> None:
        super().__init__(class_weights)
        _require_prices(self, alpha, beta, log_zero)
        self.alpha = alpha
        self.beta = beta
        self.log_zero = log_zero

    def loss_map(self, logits: Tensor, target: Tensor) -> Tensor:
        reverse = reverse_cross_entropy_map(logits, target, self.log_zero)
        return self.alpha * normalized_cross_entropy_map(logits, target) + self.beta * reverse


class TaylorCrossEntropy(PixelLoss):
    """The first terms of cross-entropy's Taylor series, sum_{i=1}^t (1 - p_y)^i / i (Feng et al. 2020).

    It has nothing to do with the Taylor softmax, which some code of this name uses. On a soft target it is the mean
    over the label's distribution, least at a sharper one.

    Args:
        order: t, at least 1, the number of terms: 1 is half the mean absolute error, many are cross-entropy. The
            paper tries 2, 4 and 6; more terms learn faster and are less robust.
        class_weights: as in `PixelLoss`.
    """

    def __init__(self, order: int = 2, class_weights: list[float] | None = None) -> None:
        super().__init__(class_weights)
        require(order >= 1, self, "order", "at least 1", order)
        self.order = order

    def loss_map(self, logits: Tensor, target: Tensor) -> Tensor:
        return taylor_cross_entropy_map(logits, target, self.order)


class Bootstrap(PixelLoss):
    """Bootstrapping: cross-entropy with a mixture of the label and the prediction itself (Reed et al. 2015).

    On a soft target it is least at a sharper one.

    Args:
        beta: in (0, 1], the share of the label; null = the paper's, 0.95 for the soft variant and 0.8 for the hard.
        hard: mix in the predicted class instead of the predicted probabilities.
        class_weights: as in `PixelLoss`.
    """

    def __init__(self, beta: float | None = None, hard: bool = False, class_weights: list[float] | None = None) -> None:
        super().__init__(class_weights)
        require(beta is None or 0 < beta <= 1, self, "beta", "in (0, 1] or null", beta)
        self.beta = beta
        self.hard = hard

    def loss_map(self, logits: Tensor, target: Tensor) -> Tensor:
        beta = (0.8 if self.hard else 0.95) if self.beta is None else self.beta
        return bootstrap_map(logits, target, beta, self.hard)


class JensenShannon(PixelLoss):
    """Jensen-Shannon divergence with weights (pi, 1 - pi), scaled (Englesson & Azizpour 2021).

    Towards pi = 0 it is cross-entropy, towards 1 half the mean absolute error (on hard labels). The paper's GJS puts
    predictions of further views in: that is a consistency between views, a strategy's matter. On soft targets it is
    least at probs = target.

    Args:
        pi: in (0, 1), the label's weight. The paper chooses it by the true noise rate, between 0.1 and 0.9; 0.5 is
            the Jensen-Shannon divergence proper.
        class_weights: as in `PixelLoss`.
    """

    def __init__(self, pi: float = 0.5, class_weights: list[float] | None = None) -> None:
        super().__init__(class_weights)
        require(0 < pi < 1, self, "pi", "in (0, 1)", pi)
        self.pi = pi

    def loss_map(self, logits: Tensor, target: Tensor) -> Tensor:
        return jensen_shannon_map(logits, target, self.pi)


def _require_prices(loss: PixelLoss, alpha: float, beta: float, log_zero: float) -> None:
    """Check the parameters of a sum of a loss and the reverse cross-entropy."""
    require(0 <= alpha < math.inf, loss, "alpha", "at least 0", alpha)
    require(0 <= beta < math.inf and alpha + beta > 0, loss, "beta", "at least 0, and above 0 where alpha is 0", beta)
    require(-math.inf < log_zero < 0, loss, "log_zero", "below 0", log_zero)
