"""Losses: every one takes soft targets and a weight for each pixel (`segtrain.types.Criterion`).

A new loss is one class, a `PixelLoss`, a `RegionLoss` or a `ClassMean`, and one YAML in configs/loss/; the laws in
tests/laws/test_loss_laws.py then hold it to the contract.
"""

from segtrain.losses.boundary import Boundary
from segtrain.losses.class_mean import ClassMean
from segtrain.losses.combine import WeightedSum
from segtrain.losses.lovasz import Lovasz
from segtrain.losses.noise_robust_dice import NoiseRobustDice
from segtrain.losses.pixel import BinaryCrossEntropy, CrossEntropy, Focal, PixelLoss
from segtrain.losses.region import Dice, Jaccard, RegionLoss, Tversky
from segtrain.losses.robust import (
    ActivePassive,
    Bootstrap,
    GeneralizedCrossEntropy,
    JensenShannon,
    MeanAbsoluteError,
    SymmetricCrossEntropy,
    TaylorCrossEntropy,
)  # fmt: skip
from segtrain.losses.t_loss import TLoss

__all__ = [
    "ActivePassive", "BinaryCrossEntropy", "Bootstrap", "Boundary", "ClassMean", "CrossEntropy", "Dice", "Focal",
    "GeneralizedCrossEntropy", "Jaccard", "JensenShannon", "Lovasz", "MeanAbsoluteError", "NoiseRobustDice",
    "PixelLoss", "RegionLoss", "SymmetricCrossEntropy", "TLoss", "TaylorCrossEntropy", "Tversky", "WeightedSum",
]  # fmt: skip
