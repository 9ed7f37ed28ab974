"""Metrics: formulas and the torchmetrics classes over them."""

from segtrain.metrics.boundary import BoundaryScores, boundary_scores
from segtrain.metrics.calibration import CalibrationBins, CalibrationError
from segtrain.metrics.image import ImageScores
from segtrain.metrics.label_quality import Correction, correction, label_quality
from segtrain.metrics.segmentation import SegmentationMetrics

__all__ = [
    "BoundaryScores", "CalibrationBins", "CalibrationError", "Correction", "ImageScores",
    "SegmentationMetrics", "boundary_scores", "correction", "label_quality",
]  # fmt: skip
