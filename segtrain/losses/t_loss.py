"""The T-Loss: an image's whole residual under a Student-t distribution that learns how heavy its tails are."""

import math

import torch
from torch import Tensor, nn

from segtrain.losses.base import Loss, require
from segtrain.losses.functional import PIXELS, ratio
from segtrain.losses.rows import sum_rows
from segtrain.types import CLASS_AXIS, to_probs

__all__ = ["TLoss", "student_t_loss"]

EPSILON = 1e-8
"""Keeps nu above 0; the authors'."""


class TLoss(Loss):
    """The negative log-likelihood of an image's residual under a Student-t (Gonzalez-Jimenez et al. 2023).

    An image whose whole mask is off counts as an outlier: its pull grows with the logarithm of its squared error.
    How soon is up to nu, which is learned with the model (by the same optimiser, without weight decay) and saved
    with it. Where a model comes to fit all labels, nu falls without end, and the tolerance of errors with it.

    The residual of a pixel is its squared distance sum_c (p_c - y_c)^2 / 2: with two classes the paper's (p - y)^2.
    All images share one nu, and so do overlapping classes, whose masks are images of their own. The loss is given
    per pixel, less what no residual costs at the first nu: it starts above 0, and falls below 0 only as nu falls. On
    soft targets it is least at probs = target.

    Args:
        log_nu: where the logarithm of nu starts. The authors' nu = 1.0 is this logarithm (nu = 2.72). Their code
            also multiplies the residual by e, for which the paper (the identity as scale) gives no reason.
        class_weights: as in `PixelLoss`; a pixel of the largest of them counts as one.
    """

    def __init__(self, log_nu: float = 1.0, class_weights: list[float] | None = None) -> None:
        super().__init__(class_weights)
        require(-10 <= log_nu <= 10, self, "log_nu", "in [-10, 10]", log_nu)
        self.log_nu = nn.Parameter(torch.tensor(float(log_nu)))
        self.start = math.exp(log_nu) + EPSILON

    def loss(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        share = None if self.share is None else self.share / self.share.amax()
        by_class = share if logits.ndim == 4 else None  # exclusive classes weigh pixels, overlapping ones whole masks

        def sums(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
            if by_class is not None:
                weight = weight * (by_class.view(-1, 1, 1) * target).sum(CLASS_AXIS, keepdim=True)  # (B, 1, 1, h, W)
            squares = (to_probs(logits) - target).square().sum(CLASS_AXIS) / 2  # (B, K, h, W)
            weight = weight.squeeze(CLASS_AXIS).expand_as(squares)  # (B, K, h, W)
            return torch.stack([(squares * weight).sum(PIXELS), weight.sum(PIXELS)])

        # A pixel of full trust is one pixel, whatever all weights are multiplied by.
        squares, pixels = ratio(sum_rows(sums, logits, target, weight), weight.amax().float())  # (B, K)
        losses = student_t_loss(squares, pixels.detach(), self.log_nu.exp() + EPSILON, self.start)
        masks = torch.ones_like(losses) if by_class is not None or share is None else share.expand_as(losses)
        return ratio((masks * losses).sum(), (masks * pixels).sum().detach())


def student_t_loss(squares: Tensor, pixels: Tensor, nu: Tensor, start: float) -> Tensor:
    """Give -log t(residual; nu) + log t(0; start) for a sum of squared residuals over so many pixels.

    t is the multivariate Student-t density with the identity as scale; its constants cancel.
    """
    first = torch.full_like(nu, start)
    large = torch.lgamma((first + pixels) / 2) - torch.lgamma((nu + pixels) / 2)
    small = torch.lgamma(nu / 2) - torch.lgamma(first / 2)
    return large + small + pixels / 2 * (nu / first).log() + (nu + pixels) / 2 * torch.log1p(squares / nu)
