"""Small-loss selection, class by class: which labels a network finds easiest to believe."""

import math

import torch
from torch import Tensor

from segtrain.losses.functional import cross_entropy_map
from segtrain.types import CLASS_AXIS

__all__ = ["as_problems", "hardened", "label_loss_map", "small_loss"]

BINS = 1024
LEAST, MOST = -6.0, 2.0  # decades of the loss that the bins divide; a bin is 1.8 % wide
EVEN = round((math.log10(math.log(2)) - LEAST) * (BINS - 1) / (MOST - LEAST))  # the bin of probability 1/2


def as_problems(tensor: Tensor) -> Tensor:
    """Give (B, C, H, W) as (B, 1, C, H, W) and leave (B, K, 2, H, W) alone: exclusive classes are one problem."""
    return tensor if tensor.dim() == 5 else tensor.unsqueeze(1)


def hardened(probs: Tensor) -> Tensor:
    """Give 1 for the likeliest class of each pixel and 0 for the others, of the shape of `probs`."""
    return torch.zeros_like(probs).scatter_(CLASS_AXIS, probs.argmax(CLASS_AXIS, keepdim=True), 1.0)


def label_loss_map(logits: Tensor, target: Tensor) -> Tensor:
    """Give how hard each label is to believe, (B, K, H, W): the divergence of the prediction from it.

    On hard labels it is cross-entropy. Soft ones have their entropy taken off, or a mixed label would look wrong
    however well it is predicted.

    Args:
        logits: (B, K, C, H, W).
        target: of the same shape.
    """
    entropy = torch.special.entr(target.float()).sum(CLASS_AXIS)
    return (cross_entropy_map(logits.float(), target.float()) - entropy).clamp_min(0)


@torch.no_grad()
def small_loss(logits: Tensor, target: Tensor, counts: Tensor, drop: Tensor, doubted: Tensor) -> Tensor:
    """Say which pixels to keep, (B, H, W) bool: of each class's pixels those with the smallest loss.

    A share of all pixels at once would drop a small class first, as the loss is largest at outlines. With
    overlapping classes a pixel is kept where each of its K labels is. The thresholds come from a histogram over the
    batch: memory does not grow with it, nothing waits for the device, and equal losses are kept together, so that a
    class never loses all its pixels.

    Args:
        logits: (B, C, H, W) or (B, K, 2, H, W).
        target: of the same shape.
        counts: (B, H, W) bool, whose labels are in question; the others are kept and change no threshold.
        drop: (K, C), the share of each class's labels to leave out, in [0, 1); K = 1 for exclusive classes.
        doubted: (K, C), the share of each class's labels to leave out if the network holds them for less likely than
            not: others are merely hard, such as right labels at an outline.
    """
    logits, target = as_problems(logits), as_problems(target)
    first = torch.arange(drop.shape[0], device=logits.device).view(-1, 1, 1) * drop.shape[1]  # (K, 1, 1)
    classes = target.argmax(CLASS_AXIS) + first  # (B, K, H, W), numbered through all problems
    bins = _bins(label_loss_map(logits, target))  # (B, K, H, W)
    in_question = counts.unsqueeze(1).expand_as(bins)
    histogram = torch.zeros(drop.numel() * BINS, dtype=torch.int64, device=logits.device)
    histogram.scatter_add_(0, (classes * BINS + bins).flatten(), in_question.flatten().long())
    below = histogram.view(-1, BINS).cumsum(dim=1)  # (K C, BINS), up to and with each bin
    last = torch.minimum(_last(below, drop), _last(below, doubted).clamp_min(EVEN))  # (K C,)
    return ((bins <= last[classes]) | ~in_question).all(dim=1)


def _bins(losses: Tensor) -> Tensor:
    decades = losses.clamp(10**LEAST, 10**MOST).log10()
    return ((decades - LEAST) * ((BINS - 1) / (MOST - LEAST))).round().long()


def _last(below: Tensor, drop: Tensor) -> Tensor:
    """Give each class's last bin to keep."""
    kept = (below[:, -1] * (1 - drop.flatten())).ceil()  # (K C,) pixels
    return (below < kept.unsqueeze(1)).sum(dim=1)
