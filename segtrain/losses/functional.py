"""The losses' formulas as pure functions, usable without the classes.

A `..._map` gives a loss for each pixel, (B, K, C, H, W) -> (B, K, H, W); `pixel_mean` averages it. `overlap` and
`tversky_loss` serve the region losses. Exclusive classes are one problem, K = 1.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from segtrain.losses.rows import sum_rows
from segtrain.types import CLASS_AXIS, to_probs

__all__ = [
    "Overlap", "binary_cross_entropy_map", "cross_entropy_map", "focal_map", "overlap", "pixel_mean", "ratio",
    "tversky_loss",
]  # fmt: skip

PIXELS = (-2, -1)


def ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Divide, and give 0 (still connected to the graph) where there is nothing to divide by.

    >>> ratio(torch.tensor([1.0, 0.0]), torch.tensor([2.0, 0.0]))
    tensor([0.5000, 0.0000])
    """
    return numerator / torch.where(denominator > 0, denominator, 1.0)


def pixel_mean(
    loss_map: Callable[[Tensor, Tensor], Tensor],
    logits: Tensor,
    target: Tensor,
    weight: Tensor,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Average a loss over the pixels, each counting by its weight; scaling all weights changes nothing.

    Args:
        loss_map: (logits, target), both (B, K, C, h, W) -> loss of each pixel (B, K, h, W).
        logits: (B, C, H, W) or (B, K, 2, H, W).
        target: like `logits`, sums to 1 over the class axis.
        weight: (B, H, W), at least 0.
        class_weights: (C,) or, for overlapping classes, (K,); at least 0. They multiply the weight of a pixel by
            the mean over its target, sum_c class_weights_c target_c: torch's weighted cross-entropy on hard
            labels, and on soft ones the least loss stays at probs = target (weighting the terms would move it).
    """

    def sums(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        if class_weights is not None:
            by_problem = class_weights.view(logits.shape[1], -1, 1, 1)  # (1, C, 1, 1) or (K, 1, 1, 1)
            weight = weight * (by_problem * target).sum(CLASS_AXIS, keepdim=True)  # (B, K, 1, h, W)
        losses = loss_map(logits, target)  # (B, K, h, W)
        weight = weight.squeeze(CLASS_AXIS).expand_as(losses)  # (B, K, h, W)
        return torch.stack([(losses * weight).sum(), weight.sum()])

    loss, trust = sum_rows(sums, logits, target, weight)
    return ratio(loss, trust.detach())


def cross_entropy_map(logits: Tensor, target: Tensor) -> Tensor:
    """Give -sum_c y_c log p_c."""
    return -(target * logits.log_softmax(CLASS_AXIS)).sum(CLASS_AXIS)


def binary_cross_entropy_map(logits: Tensor, target: Tensor) -> Tensor:
    """Give the mean over classes of the one-vs-rest problems, -[y_c log p_c + (1 - y_c) log(1 - p_c)], p = softmax.

    Softmax, not a sigmoid for each class: what is trained is then what `to_probs` predicts, and the least loss is
    at probs = target. With two classes both problems are the same one, and this is cross-entropy.
    """
    if logits.shape[CLASS_AXIS] == 2:
        return cross_entropy_map(logits, target)
    log_probs = logits.log_softmax(CLASS_AXIS)
    # 1 - p loses its digits as p nears 1. Only one class can be that likely; its 1 - p is the sum of the others.
    likeliest = log_probs > -0.5  # p > 0.61
    others = torch.where(likeliest, -math.inf, logits).logsumexp(CLASS_AXIS, keepdim=True)  # (B, K, 1, H, W)
    less_likely = torch.log1p(-torch.where(likeliest, -math.inf, log_probs).exp())
    log_rest = torch.where(likeliest, others - logits + log_probs, less_likely)
    return -(target * log_probs + (1 - target) * log_rest).mean(CLASS_AXIS)


def focal_map(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    """Give d^gamma times the cross-entropy, where d = 1/2 sum_c |y_c - p_c| is how far the pixel is from its target.

    On a hard label d = 1 - p_t: the focal loss (Lin et al. 2017, eq. 4). With two classes d = |y - p|: the quality
    focal loss for soft labels (Li et al. 2020, eq. 2), whose form for more classes this is. Both factors are at
    least 0 and d is 0 only at p = y, so that the least loss is at probs = target.
    """
    log_probs = logits.log_softmax(CLASS_AXIS)
    distance = (log_probs.exp() - target).abs().sum(CLASS_AXIS) / 2
    # The slope of d^gamma at 0 is infinite for gamma < 1.
    scale = distance.clamp_min(torch.finfo(distance.dtype).eps).pow(gamma)
    return -scale * (target * log_probs).sum(CLASS_AXIS)


class Overlap(NamedTuple):
    """How probabilities p and target y overlap, summed over pixels with their weights w; each (B, K, C)."""

    difference: Tensor
    """sum w |p - y|: false positives + false negatives."""
    surplus: Tensor
    """sum w (p - y): false positives - false negatives."""
    target: Tensor
    """sum w y: true positives + false negatives."""


def overlap(logits: Tensor, target: Tensor, weight: Tensor) -> Overlap:
    """Sum up each image and class, for logits and target (B, C, H, W) or (B, K, 2, H, W) and weight (B, H, W)."""

    def sums(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        residual = (to_probs(logits) - target) * weight
        return torch.stack([residual.abs().sum(PIXELS), residual.sum(PIXELS), (target * weight).sum(PIXELS)])

    return Overlap(*sum_rows(sums, logits, target, weight))


def tversky_loss(overlap: Overlap, alpha: float, beta: float, smooth: float | Tensor = 0.0) -> Tensor:
    """Give 1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth), element by element (Salehi et al. 2017).

    TP = sum w min(p, y) = sum w (p + y - |p - y|) / 2 instead of sum w p y: the same where y is 0 or 1, and for
    soft targets 0 at p = y and nowhere else. alpha = beta = 1/2 is then the Dice semimetric loss DML1 (Wang et al.,
    MICCAI 2023), alpha = beta = 1 the Jaccard metric loss JML1 (Wang et al., NeurIPS 2023).
    """
    false_negative = (overlap.difference - overlap.surplus) / 2
    # Never below 0, whatever is rounded: |surplus| <= difference.
    wrong = ((alpha + beta) * overlap.difference + (alpha - beta) * overlap.surplus) / 2
    return ratio(wrong, overlap.target - false_negative + wrong + smooth)
