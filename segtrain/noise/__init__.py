"""Noise strategies: what to do about labels that may be wrong."""

from segtrain.noise.annotator_fusion import AnnotatorFusion
from segtrain.noise.auto import Auto
from segtrain.noise.base import Findings, NoiseStrategy
from segtrain.noise.bias_correction import BiasCorrection
from segtrain.noise.chain import Chain
from segtrain.noise.classmix import ClassMix
from segtrain.noise.clean_only import CleanOnly
from segtrain.noise.co_teaching import CoTeaching
from segtrain.noise.confidence import Confidence
from segtrain.noise.consistency import Consistency
from segtrain.noise.curriculum import Curriculum
from segtrain.noise.cutmix import CutMix
from segtrain.noise.early_learning_correction import EarlyLearningCorrection
from segtrain.noise.label_correction import LabelCorrection
from segtrain.noise.mixmatch import MixMatch
from segtrain.noise.mixup import MixUp
from segtrain.noise.noise_transition import NoiseTransition
from segtrain.noise.phased import Phase, Phased
from segtrain.noise.pseudo_label import PseudoLabel
from segtrain.noise.self_training import SelfTraining
from segtrain.noise.tri_network import TriNetwork
from segtrain.noise.uncertainty import Uncertainty

__all__ = [
    "AnnotatorFusion", "Auto", "BiasCorrection", "Chain", "ClassMix", "CleanOnly", "CoTeaching", "Confidence",
    "Consistency", "Curriculum", "CutMix", "EarlyLearningCorrection", "Findings", "LabelCorrection", "MixMatch",
    "MixUp", "NoiseStrategy", "NoiseTransition", "Phase", "Phased", "PseudoLabel", "SelfTraining", "TriNetwork",
    "Uncertainty",
]  # fmt: skip
