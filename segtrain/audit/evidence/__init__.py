"""Evidence against labels, each a small pure part; the config group `evidence` stacks them."""

from segtrain.audit.evidence.annotators import AnnotatorDisagreement
from segtrain.audit.evidence.base import Evidence, Look, against, given_probs, planes_of
from segtrain.audit.evidence.calibration import Precision, calibrate
from segtrain.audit.evidence.clustering import Clustering, Embedding
from segtrain.audit.evidence.combine import combine
from segtrain.audit.evidence.confident_learning import ConfidentLearning
from segtrain.audit.evidence.epoch_losses import EpochLosses
from segtrain.audit.evidence.quality import soft_minimum
from segtrain.audit.evidence.self_confidence import SelfConfidence
from segtrain.audit.evidence.teacher import TeacherDisagreement
from segtrain.audit.evidence.uncertainty import Uncertainty, uncertainty_of

__all__ = [
    "AnnotatorDisagreement", "Clustering", "ConfidentLearning", "Embedding", "EpochLosses", "Evidence", "Look",
    "Precision", "SelfConfidence", "TeacherDisagreement", "Uncertainty", "against", "calibrate", "combine",
    "given_probs", "planes_of", "soft_minimum", "uncertainty_of",
]  # fmt: skip
