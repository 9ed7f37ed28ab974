"""Post-processors: probabilities in, probabilities out."""

from segtrain.postprocess.active_contour import ActiveContour
from segtrain.postprocess.contours import Contours
from segtrain.postprocess.crf import Crf
from segtrain.postprocess.edges import Edges
from segtrain.postprocess.morphology import Closing, Dilation, Erosion, FillHoles, Morphology, Opening, RemoveSmall
from segtrain.postprocess.pipeline import Pipeline
from segtrain.postprocess.refine import Refine
from segtrain.postprocess.temperature import Temperature, fit_temperature
from segtrain.postprocess.threshold import Threshold
from segtrain.postprocess.watershed import Watershed, split_objects

__all__ = [
    "ActiveContour", "Closing", "Contours", "Crf", "Dilation", "Edges", "Erosion", "FillHoles", "Morphology",
    "Opening", "Pipeline", "Refine", "RemoveSmall", "Temperature", "Threshold", "Watershed", "fit_temperature",
    "split_objects",
]  # fmt: skip
