"""Post-processors: probabilities in, probabilities out."""

from segtrain.postprocess.morphology import Closing, Dilation, Erosion, FillHoles, Morphology, Opening, RemoveSmall
from segtrain.postprocess.pipeline import Pipeline
from segtrain.postprocess.threshold import Threshold

__all__ = [
    "Closing", "Dilation", "Erosion", "FillHoles", "Morphology", "Opening", "Pipeline", "RemoveSmall", "Threshold",
]  # fmt: skip
