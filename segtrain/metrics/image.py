"""One image's own scores: Dice, IoU, boundary F1 and HD95, class by class and their mean."""

from collections.abc import Collection

import torch
from torch import Tensor

from segtrain.metrics.boundary import boundary_scores
from segtrain.metrics.functional import binary_confusions, confusion, dice, mean_over

__all__ = ["ImageScores"]


class ImageScores:
    """Scores of single images, in contrast to those of a data set, whose pixels are counted together.

    A class in neither label nor prediction is NaN and left out of the mean, and so is the background.

    Args:
        classes: names, in the order of the class numbers.
        overlapping: each class is a mask of its own; then none is the background.
        tolerance: of the boundary F1, in pixels.
    """

    names = ("dice", "iou", "boundary_f1", "hd95")

    def __init__(self, classes: list[str], overlapping: bool, tolerance: float = 2.0) -> None:
        self.classes = classes
        self.overlapping = overlapping
        self.tolerance = tolerance

    def __call__(self, pred: Tensor, label: Tensor, names: Collection[str] = names) -> dict[str, Tensor]:
        """Give the scores asked for by name, (C,) or (K,) each, on the image's device.

        Args:
            pred: (H, W) class numbers; overlapping: (K, H, W), 0 or 1.
            label: of the same shape; `IGNORE` where ignored.
            names: which; an outline costs several times what a region does.
        """
        region = self.dice(pred, label)
        scores = {"dice": region, "iou": region / (2 - region)}
        if not scores.keys() >= set(names):
            outline = boundary_scores(pred.cpu().numpy(), label.cpu().numpy(), len(self.classes), self.tolerance)
            scores |= {"boundary_f1": torch.from_numpy(outline.f1), "hd95": torch.from_numpy(outline.hd95)}
        return {name: scores[name] for name in names}

    def dice(self, pred: Tensor, label: Tensor) -> Tensor:
        """Give the Dice of each class: (C,) or (K,) float64."""
        if self.overlapping:
            return dice(binary_confusions(pred, label))[..., 1]
        return dice(confusion(pred, label, len(self.classes)))

    def mean(self, scores: Tensor) -> Tensor:
        """Give the mean over the classes that occur: (C,) or (K,) -> ()."""
        return scores.nanmean() if self.overlapping else mean_over(scores, self.classes)
