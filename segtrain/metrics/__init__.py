"""Metrics: formulas and the torchmetrics classes over them."""

from segtrain.metrics.boundary import BoundaryScores, boundary_scores
from segtrain.metrics.calibration import CalibrationBins, CalibrationError
from segtrain.metrics.image import ImageScores
from segtrain.metrics.label_quality import Correction, correction, label_quality
from segtrain.metrics.regions import (
    BoundaryMatches,
    RegionScores,
    boundary_matches,
    region_boundary,
    region_scores,
)
from segtrain.metrics.segmentation import SegmentationMetrics

__all__ = [
    "BoundaryMatches", "BoundaryScores", "CalibrationBins", "CalibrationError", "Correction", "ImageScores",
    "RegionScores", "SegmentationMetrics", "boundary_matches", "boundary_scores", "correction", "label_quality",
    "region_boundary", "region_scores",
]  # fmt: skip
