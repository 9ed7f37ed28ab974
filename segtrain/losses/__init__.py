"""Losses: every one takes soft targets and a weight for each pixel (`segtrain.types.Criterion`).

A new loss is one class, a `PixelLoss` or a `RegionLoss`, and one YAML in configs/loss/; the laws in
tests/laws/test_loss_laws.py then hold it to the contract.
"""

from segtrain.losses.combine import WeightedSum
from segtrain.losses.pixel import BinaryCrossEntropy, CrossEntropy, Focal, PixelLoss
from segtrain.losses.region import Dice, Jaccard, RegionLoss, Tversky

__all__ = [
    "BinaryCrossEntropy", "CrossEntropy", "Dice", "Focal", "Jaccard", "PixelLoss", "RegionLoss", "Tversky",
    "WeightedSum",
]  # fmt: skip
