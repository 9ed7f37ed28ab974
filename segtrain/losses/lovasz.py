"""The Lovasz loss: the Jaccard loss of sets of wrong pixels, made continuous."""

import torch
from torch import Tensor

from segtrain.losses.class_mean import ClassMean
from segtrain.losses.functional import ratio
from segtrain.losses.slopes import sum_slopes

__all__ = ["Lovasz", "jaccard_steps"]

PARTS = 8
"""The sorted pixels are gone through in so many parts, which keeps the working copies small."""


class Lovasz(ClassMean):
    """Lovasz-softmax (Berman et al. 2018): the Lovasz extension of the Jaccard loss in the errors |p - y|.

    With two classes it is the softmax form on the foreground, not the Lovasz hinge.

    On a soft target a pixel is y parts foreground and 1 - y parts background, and the error stays |p - y|: the loss
    is that of the paper on hard labels and least, 0, at probs = target on soft ones.

    Args:
        per_image, include_background, class_weights: see `ClassMean`.
        count_absent: see `ClassMean`; false is the authors' "present". The loss of an absent class is the largest
            probability that it has anywhere.
    """

    def __init__(
        self,
        per_image: bool = False,
        include_background: bool | None = None,
        count_absent: bool = False,
        class_weights: list[float] | None = None,
    ) -> None:
        super().__init__(per_image, include_background, count_absent, class_weights)

    def class_losses(self, logits: Tensor, target: Tensor, weight: Tensor, first: int) -> tuple[Tensor, Tensor]:
        losses, mass = map(self.together, sum_slopes(self._slope, logits, target, weight, first))
        return losses, mass > 0

    def _slope(self, probs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        flat = (len(probs) if self.per_image else 1, -1)
        errors = (probs - target).abs_().masked_fill_(weight == 0, -1.0).view(flat)
        order = errors.argsort(dim=-1, descending=True)
        del errors  # as long as the image, and the sums below need the room
        steps = jaccard_steps(order, target.reshape(flat), weight.reshape(flat)).view_as(probs)
        return steps.mul_((probs - target).sign_())


def jaccard_steps(order: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Give by how much each pixel raises the Jaccard loss of the wrong pixels before it: the slope of the extension.

    M being wrong, TP = sum of w y outside M and FP = sum of w (1 - y) in M, the loss is 1 - TP / (sum w y + FP).
    A pixel turns TP into FN by w y and adds w (1 - y) to FP. Taking differences of the losses themselves would leave
    few digits: they are as many as the pixels, and add up to 1.

    Args:
        order: (G, N), each row the pixels' numbers, the most wrong first; those of weight 0 come last.
        target, weight: (G, N), by number.

    Returns:
        (G, N), by number, at least 0.
    """
    steps = target.clone()
    size = (weight * target).sum(-1, keepdim=True)  # (G, 1)
    missed, extra = torch.zeros_like(size), torch.zeros_like(size)
    for part in order.split(max(1, order.shape[-1] // PARTS), dim=-1):
        total = weight.gather(-1, part)  # (G, n)
        fore = total * steps.gather(-1, part)
        back = total - fore
        missed = missed[..., -1:] + fore.cumsum(-1)  # (G, n), this pixel included
        extra = extra[..., -1:] + back.cumsum(-1)
        union = size + (extra - back)  # before this pixel
        share = torch.where(union > 0, (size - (missed - fore)).clamp_min(0) / union, 1.0)  # TP / union
        steps.scatter_(-1, part, ratio(fore + back * share, size + extra))
    return steps
