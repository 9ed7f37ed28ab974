"""ClassMix: train on images with the objects of another one."""

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.mixing import paste, shuffled, to_device
from segtrain.types import CLASS_AXIS, Batch, Progress

__all__ = ["ClassMix"]


class ClassMix(NoiseStrategy):
    """Paste half of the classes of another image of the batch, cut out along its label (Olsson et al. 2021, alg. 1).

    Outlines stay where they are drawn, and rare classes meet new surroundings; a wrong outline brings its wrong rim
    along. The label is the target's likeliest class: after a strategy that labels unlabelled samples, as in
    noise=[pseudo_label,classmix], it is theirs too, which is the paper's use. Ignored pixels are never pasted.

    Half of n classes are n // 2 of those present, the background being one like the others. Of n overlapping classes
    present, (n + 1) // 2 are cut out, each object with all labels of its pixels: what lies in none of them counts as
    a class, but is not pasted.

    Costs: no further pass.

    Args:
        probability: of an image to be pasted on, in [0, 1].
    """

    sides = frozenset({"pixels"})

    def __init__(self, probability: float = 0.5) -> None:
        super().__init__()
        if not 0 <= probability <= 1:
            raise ConfigError(f"The 'probability' of ClassMix must be in [0, 1], got {probability}")
        self.probability = probability

    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        second = shuffled(batch)
        pasted = to_device(torch.rand(len(batch.image)) < self.probability, batch)  # (B,)
        return paste(batch, second, _half_of_the_classes(second) & pasted[:, None, None])


def _half_of_the_classes(batch: Batch) -> Tensor:
    """Draw half of the classes present in each image and give their pixels, (B, H, W) bool."""
    label = batch.target.argmax(CLASS_AXIS)  # (B, H, W) or (B, K, H, W)
    overlapping = label.dim() == 4
    classes = torch.arange(batch.target.shape[1], device=label.device).view(-1, 1, 1)
    planes = label == 1 if overlapping else label.unsqueeze(1) == classes  # (B, C, H, W)
    planes = planes & (batch.weight > 0).unsqueeze(1)
    present = planes.flatten(2).any(2)  # (B, C)
    half = (present.sum(1, keepdim=True) + overlapping) // 2  # (B, 1)
    lots = to_device(torch.rand(present.shape), batch).masked_fill(~present, 2.0)  # (B, C)
    chosen = lots.argsort(1).argsort(1) < half  # (B, C)
    return (planes & chosen[..., None, None]).any(1)
