"""The formulas of the losses that are robust to wrong labels, each pixel by itself: (B, K, C, h, W) -> (B, K, h, W).

On a hard label each is its paper's. On a soft target y most are the mean over the label's distribution,
sum_c y_c L(c): what mixing two images' losses by lambda gives. Such a mean is least not at p = y but at something
sharper, which each docstring names.
"""

import math

import torch
from torch import Tensor

from segtrain.types import CLASS_AXIS, to_probs

__all__ = [
    "absolute_error_map", "bootstrap_map", "generalized_cross_entropy_map", "jensen_shannon_map",
    "normalized_cross_entropy_map", "reverse_cross_entropy_map", "taylor_cross_entropy_map",
]  # fmt: skip


def absolute_error_map(logits: Tensor, target: Tensor) -> Tensor:
    """Give sum_c |p_c - y_c|: 2 (1 - p_y) on a hard label (Ghosh et al. 2017); least at p = y."""
    return (to_probs(logits) - target).abs().sum(CLASS_AXIS)


def generalized_cross_entropy_map(logits: Tensor, target: Tensor, q: float) -> Tensor:
    """Give sum_c y_c (1 - p_c^q) / q (Zhang & Sabuncu 2018, eq. 6); least at p ~ y^(1 / (1 - q)), for q = 1 at the
    largest class."""
    # p^q through the logarithm: the slope of pow is infinite where p is rounded to 0.
    return -(target * torch.expm1(q * logits.log_softmax(CLASS_AXIS))).sum(CLASS_AXIS) / q


def reverse_cross_entropy_map(logits: Tensor, target: Tensor, log_zero: float) -> Tensor:
    """Give -sum_c p_c max(log y_c, log_zero) (Wang et al. 2019): -log_zero (1 - p_y) on a hard label.

    Least at the target's largest class.
    """
    return -(to_probs(logits) * target.log().clamp_min(log_zero)).sum(CLASS_AXIS)


def normalized_cross_entropy_map(logits: Tensor, target: Tensor) -> Tensor:
    """Give the cross-entropy as a share of the sum over all labels, in [0, 1] (Ma et al. 2020).

    On a soft target it falls towards min_c y_c as that class's probability vanishes; with more than two classes it
    says nothing of the others then.
    """
    log_probs = logits.log_softmax(CLASS_AXIS)
    return (target * log_probs).sum(CLASS_AXIS) / log_probs.sum(CLASS_AXIS)


def taylor_cross_entropy_map(logits: Tensor, target: Tensor, order: int) -> Tensor:
    """Give sum_c y_c sum_{i=1}^order (1 - p_c)^i / i, the first terms of -log p (Feng et al. 2020).

    Least at a sharper target, the order 1 at its largest class.
    """
    distance = -torch.expm1(logits.log_softmax(CLASS_AXIS))  # 1 - p, exact near 0
    series = torch.zeros_like(distance)
    for i in range(order, 0, -1):
        series = distance * (1 / i + series)
    return (target * series).sum(CLASS_AXIS)


def bootstrap_map(logits: Tensor, target: Tensor, beta: float, hard: bool) -> Tensor:
    """Give -sum_c [beta y_c + (1 - beta) z_c] log p_c; z is p, or p's largest class (Reed et al. 2015).

    The soft one learns through z too: beta times the cross-entropy plus 1 - beta times the entropy of p. Least at a
    sharper target; the hard one at beta y + (1 - beta) times y's largest class.
    """
    log_probs = logits.log_softmax(CLASS_AXIS)
    if hard:
        believed = torch.zeros_like(log_probs).scatter_(CLASS_AXIS, logits.argmax(CLASS_AXIS, keepdim=True), 1.0)
    else:
        believed = log_probs.exp()
    return -((beta * target + (1 - beta) * believed) * log_probs).sum(CLASS_AXIS)


def jensen_shannon_map(logits: Tensor, target: Tensor, pi: float) -> Tensor:
    """Give [pi KL(y | m) + (1 - pi) KL(p | m)] / Z, m = pi y + (1 - pi) p, Z = -(1 - pi) log(1 - pi); least at p = y.

    (Englesson & Azizpour 2021; the scale is theirs.)
    """
    log_probs = logits.log_softmax(CLASS_AXIS)
    log_mean = torch.logaddexp(target.log() + math.log(pi), log_probs + math.log1p(-pi))
    label = torch.xlogy(target, target) - target * log_mean
    prediction = log_probs.exp() * (log_probs - log_mean)
    scale = -(1 - pi) * math.log1p(-pi)
    return (pi * label + (1 - pi) * prediction).sum(CLASS_AXIS) / scale
