"""The boundary loss: an error costs its distance to the boundary that was drawn."""

from torch import Tensor

from segtrain.losses.class_mean import ClassMean
from segtrain.losses.distance import distance_to
from segtrain.losses.functional import ratio
from segtrain.losses.slopes import sum_slopes

__all__ = ["Boundary"]


class Boundary(ClassMean):
    """Boundary loss (Kervadec et al. 2019): the mean over the pixels of the target's signed distance times p.

    The signed distance phi is the authors': d to the nearest pixel of the class outside it, 1 - d to the nearest
    other pixel inside. Given is sum |phi| |p - y|, which on hard labels is theirs plus a constant, so that 0 is the
    least. On soft targets the boundary is where the class's share crosses 1/2, and it is least at probs = target.

    It says nothing where an image has no boundary of a class, and little until the region is roughly right: the
    paper adds it to a region loss (`'loss=[dice,boundary]' loss_weights.boundary=0.01`), and raises its share from
    there by 0.01 each epoch. Losses are in pixels, so that their size follows the image's.

    Args:
        include_background, class_weights: see `ClassMean`.
    """

    def __init__(self, include_background: bool | None = None, class_weights: list[float] | None = None) -> None:
        super().__init__(
            per_image=True, include_background=include_background, count_absent=True, class_weights=class_weights
        )

    def class_losses(self, logits: Tensor, target: Tensor, weight: Tensor, first: int) -> tuple[Tensor, Tensor]:
        sums, mass = sum_slopes(_slope, logits, target, weight, first)  # (B, K, C - first)
        area = weight.float().sum((-2, -1)).view(-1, 1, 1)  # (B, 1, 1)
        return ratio(sums, area), mass > 0


def _slope(probs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    depth = _depth(target > 0.5, weight > 0)
    return depth.mul_(weight).mul_((probs - target).sign_())


def _depth(inside: Tensor, trusted: Tensor) -> Tensor:
    """Give |phi| (B, H, W) in pixels; pixels that are not trusted bound nothing."""
    depth = distance_to(inside & trusted).masked_fill_(inside, 0.0)
    depth += (distance_to(trusted & ~inside) - 1).masked_fill_(~inside, 0.0)
    return depth.masked_fill_(depth.isinf(), 0.0)
