"""Two images made into one, blended or pasted: what the strategies that mix images share."""

import torch
from torch import Tensor

from segtrain.types import Batch

__all__ = ["beta_shares", "blend", "over_classes", "paste", "shuffled", "to_device"]


def to_device(drawn: Tensor, batch: Batch) -> Tensor:
    """Send what was drawn on the host to where the batch is, without waiting for the device."""
    return drawn.to(batch.image.device, non_blocking=True)


def shuffled(batch: Batch) -> Batch:
    """Give each image's partner: the batch in random order, in which an image may meet itself."""
    order = to_device(torch.randperm(len(batch.image)), batch)
    return Batch(*(column.index_select(0, order) for column in batch))


def beta_shares(batch: Batch, alpha: float, fold: bool, probability: float = 1.0) -> Tensor:
    """Draw how much of each mixed image is the first one's, from Beta(alpha, alpha): (B,) in [0, 1].

    Args:
        batch: says how many, and where to.
        alpha: above 0; towards 0 nearly all of one image, at 1 any share alike, above 1 about half of each.
        fold: take the larger of share and 1 - share (Berthelot et al. 2019, eq. 9), so that the first image prevails.
        probability: of an image to be mixed at all; the others have share 1.
    """
    count = len(batch.image)
    shares = torch.distributions.Beta(alpha, alpha).sample((count,))  # (B,)
    if fold:
        shares = torch.maximum(shares, 1 - shares)
    shares = torch.where(torch.rand(count) < probability, shares, 1.0)
    return to_device(shares, batch)


def blend(first: Batch, second: Batch, share: Tensor) -> Batch:
    """Mix images and soft targets (Zhang et al. 2018, section 2); metadata stay those of the first.

    The weights mix too, and each target counts by its weight. So a pixel that is ignored in one image (or all of an
    image without a label) takes its target from the other alone, with the other's share as weight. A loss that is
    linear in the target, such as cross-entropy, gives exactly share L(first target) + (1 - share) L(second target),
    each weighted by its own weights.

    Args:
        first: (B, ...) as the contract has it.
        second: the partners, alike.
        share: (B,) in [0, 1], of the first.
    """
    rows = share.view(-1, 1, 1)  # (B, 1, 1)
    weight = torch.lerp(second.weight, first.weight, rows)  # (B, H, W)
    part = torch.where(weight > 0, rows * first.weight / weight, rows).clamp_max(1)  # (B, H, W), of the first target
    return _marked(first, second, share < 1)._replace(
        image=torch.lerp(second.image, first.image, rows.unsqueeze(1)),
        target=torch.lerp(second.target, first.target, over_classes(part, first.target)),
        weight=weight,
    )


def paste(first: Batch, second: Batch, mask: Tensor) -> Batch:
    """Put the pixels of the second where the mask is, with their targets and weights; metadata stay the first's.

    Args:
        first: (B, ...) as the contract has it.
        second: the partners, alike.
        mask: (B, H, W) bool.
    """
    return _marked(first, second, mask.flatten(1).any(1))._replace(
        image=torch.where(mask.unsqueeze(1), second.image, first.image),
        target=torch.where(over_classes(mask, first.target), second.target, first.target),
        weight=torch.where(mask, second.weight, first.weight),
    )


def _marked(first: Batch, second: Batch, mixed: Tensor) -> Batch:
    """Flag mixed images (B,) clean if both were, and labelled if either was: its pixels carry the weight."""
    return first._replace(
        clean=first.clean & (second.clean | ~mixed), labelled=first.labelled | (second.labelled & mixed)
    )


def over_classes(pixels: Tensor, target: Tensor) -> Tensor:
    """Give (B, H, W) the shape (B, 1, H, W) or (B, 1, 1, H, W) that goes with the target's."""
    return pixels.view(len(pixels), *(1,) * (target.dim() - 3), *pixels.shape[-2:])
