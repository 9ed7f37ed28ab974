"""Post-processors: probabilities in, probabilities out."""

from segtrain.postprocess.crf import Crf
from segtrain.postprocess.morphology import Morphology
from segtrain.postprocess.pipeline import Pipeline
from segtrain.postprocess.threshold import Threshold

__all__ = ["Crf", "Morphology", "Pipeline", "Threshold"]
