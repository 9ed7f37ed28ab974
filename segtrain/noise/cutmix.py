"""CutMix: train on images with a box from another one."""

import math

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.models.arguments import argument_faults
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.mixing import beta_shares, paste, shuffled, to_device
from segtrain.types import Batch, Progress

__all__ = ["CutMix"]


class CutMix(NoiseStrategy):
    """Paste a box of another image of the batch, with its labels (Yun et al. 2019, eq. 1-2; masks: French et al. 2020).

    Targets stay hard, and no two outlines are blended: only the box's rim is new. Weights are cut alike, so ignored
    pixels and images without a label stay ignored where they are seen.

    Costs: no further pass.

    Args:
        alpha: of Beta(alpha, alpha), above 0: 1 - share is the box's part of the picture before its corners are cut
            off at the rim; 1 = any size alike.
        probability: of an image to get a box, in [0, 1].
    """

    sides = frozenset({"pixels"})

    def __init__(self, alpha: float = 1.0, probability: float = 0.5) -> None:
        super().__init__()
        faults = argument_faults(
            "CutMix",
            ("alpha", alpha, 0 < alpha < math.inf, "above 0"),
            ("probability", probability, 0 <= probability <= 1, "in [0, 1]"),
        )
        if faults:
            raise ConfigError("noise.cutmix cannot be built:", faults)
        self.alpha = alpha
        self.probability = probability

    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        share = beta_shares(batch, self.alpha, fold=False, probability=self.probability)  # (B,)
        return paste(batch, shuffled(batch), _boxes(batch, 1 - share))


def _boxes(batch: Batch, area: Tensor) -> Tensor:
    """Draw a box of the picture's own shape for each image, anywhere, cut off at the rim: (B, H, W) bool.

    Args:
        batch: gives the size.
        area: (B,) in [0, 1], as a share of the picture.
    """
    half = area.sqrt() / 2  # (B,) of height and width alike
    centre = to_device(torch.rand(2, len(area), 1), batch)  # (2, B, 1)
    inside = [
        ((torch.arange(length, device=area.device) + 0.5) / length - middle).abs() < half[:, None]  # (B, H) and (B, W)
        for length, middle in zip(batch.weight.shape[-2:], centre, strict=True)
    ]
    return inside[0][:, :, None] & inside[1][:, None, :]
