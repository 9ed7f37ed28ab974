"""How difficult a sample is: what a curriculum ranks by."""

from typing import Literal, get_args

import torch
from torch import Tensor

from segtrain.losses.functional import cross_entropy_map
from segtrain.types import CLASS_AXIS, Seen

__all__ = ["Ranking", "class_balanced_disagreement", "difficulty", "mean_loss", "object_share"]

Ranking = Literal["disagreement", "loss", "teacher", "size", "clean"]
RANKINGS: tuple[str, ...] = get_args(Ranking)


def difficulty(by: Ranking, seen: Seen, lots: Tensor | None = None) -> Tensor:
    """Give the difficulty of each sample of a batch, (B,).

    Args:
        by: "disagreement" and "teacher": `class_balanced_disagreement`; "loss": `mean_loss`; "size": small objects
            are hard; "clean": all samples that are not known to be clean are alike, in a random order.
        seen: the batch, with the probabilities to judge its labels by.
        lots: (N,) in [0, 1), the random order of all samples, by their index; None = drawn for this batch.
    """
    if by == "size":
        return 1.0 - object_share(seen)
    if by == "clean":
        order = torch.rand(len(seen.batch.clean)) if lots is None else lots[seen.batch.index.cpu()]
        return order.to(seen.probs) + (~seen.batch.clean).float()
    return mean_loss(seen) if by == "loss" else class_balanced_disagreement(seen)


def class_balanced_disagreement(seen: Seen) -> Tensor:
    """Give how much the model disagrees with each label: the mean over its classes of 1 - p(label), (B,) in [0, 1].

    Each class counts alike, or an image with little foreground would look easy by its background alone. Ignored
    pixels do not count; a sample without a trusted pixel gets 1.
    """
    target, weight = seen.batch.target, seen.batch.weight.unsqueeze(CLASS_AXIS)
    if target.dim() == 5:  # (B, K, 2, H, W): the K problems' classes count alike
        weight = weight.unsqueeze(1)  # (B, 1, 1, H, W)
    mass = (target * weight).sum(dim=(-2, -1)).flatten(1)  # (B, C) or (B, 2K)
    agreement = (target * weight * seen.probs).sum(dim=(-2, -1)).flatten(1)
    present = mass > 0
    per_class = 1.0 - agreement / mass.clamp_min(1e-12)
    disagreement = (per_class * present).sum(dim=1) / present.sum(dim=1).clamp_min(1)
    return torch.where(present.any(dim=1), disagreement, torch.ones_like(disagreement))  # (B,)


def mean_loss(seen: Seen) -> Tensor:
    """Give each label's cross-entropy, the mean over its trusted pixels, (B,); infinite where there are none.

    Large objects and the background rule it: `class_balanced_disagreement` is the better judge of small objects.
    """
    loss = cross_entropy_map(seen.probs.clamp_min(1e-7).log(), seen.batch.target)  # (B, H, W) or (B, K, H, W)
    loss = loss if loss.dim() == 3 else loss.mean(dim=1)
    weight = seen.batch.weight
    total = weight.sum(dim=(-2, -1))
    return torch.where(total > 0, (loss * weight).sum(dim=(-2, -1)) / total, torch.inf)


def object_share(seen: Seen) -> Tensor:
    """Give the share of pixels outside the largest class, (B,): the object's share when there is a background."""
    shares = seen.batch.target.mean(dim=(-2, -1))  # (B, C) or (B, K, 2)
    largest = shares.amax(dim=-1)
    return 1.0 - (largest if largest.dim() == 1 else largest.mean(dim=1))
