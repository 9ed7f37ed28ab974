"""Region metrics over a data set, from one confusion matrix."""

import torch
from torch import Tensor
from torchmetrics import Metric

from segtrain.metrics.functional import binary_confusions, confusion, region_scores

__all__ = ["SegmentationMetrics"]


class SegmentationMetrics(Metric):
    """Counts pixels over all images, then scores: Dice, IoU, precision, recall, accuracy, frequency-weighted IoU.

    The scores are those of the data set (counts are added before anything is divided), not a mean over images. A
    class in neither label nor prediction is NaN and left out of the means.

    Args:
        classes: names, in the order of the class numbers; "background" is left out of the means, unless overlapping.
        overlapping: each class is a mask of its own.

    >>> metrics = SegmentationMetrics(classes=["background", "cell"])
    >>> metrics.update(torch.tensor([[0, 1, 1, 0]]), torch.tensor([[0, 1, 0, 255]]))
    >>> metrics.compute()["iou"], metrics.matrix.tolist()
    (0.5, [[1, 1], [0, 1]])
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = True

    confusion: Tensor
    """(C, C) or (K, 2, 2) int64: what this device has seen."""

    def __init__(self, classes: list[str], overlapping: bool = False) -> None:
        super().__init__()
        self.classes = list(classes)
        self.overlapping = overlapping
        num_classes = len(self.classes)
        shape = (num_classes, 2, 2) if overlapping else (num_classes, num_classes)
        self.add_state("confusion", torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, pred: Tensor, label: Tensor) -> None:
        """Count one image, or several of one size.

        Args:
            pred: (..., H, W) class numbers; overlapping: (..., K, H, W), 0 or 1.
            label: of the same shape; `IGNORE` where ignored.
        """
        if self.overlapping:
            self.confusion += binary_confusions(pred, label)
        else:
            self.confusion += confusion(pred, label, len(self.classes))

    def compute(self) -> dict[str, float]:
        """Give "dice", "iou", "precision", "recall" (each also as "<score>/<class>"), "accuracy" and "fw_iou"."""
        self._matrix = self.confusion.cpu().clone()  # summed over the devices, here and only here
        return region_scores(self._matrix, self.classes)

    @property
    def matrix(self) -> Tensor:
        """The counts of all devices, (C, C) or (K, 2, 2) int64 on the CPU, rows the label, columns the prediction.

        It calls `compute`: where several devices take part, each must have done so.
        """
        self.compute()
        return self._matrix
