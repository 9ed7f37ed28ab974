"""Region metrics as pure functions: confusion counts, and every score that follows from them.

A confusion matrix has the label's class in the row and the predicted class in the column, in whole pixels.
"""

import torch
from torch import Tensor

from segtrain.picture import BACKGROUND
from segtrain.types import IGNORE

__all__ = [
    "accuracy", "binary_confusions", "confusion", "dice", "frequency_weighted", "histogram", "iou", "mean_over",
    "precision", "recall", "region_scores",
]  # fmt: skip

LABEL_VALUES = IGNORE + 1


def histogram(index: Tensor, num_bins: int, values: Tensor | None = None) -> Tensor:
    """Count how often each bin occurs, or add up what falls into it, without waiting for the device.

    Args:
        index: integers in [0, num_bins), any shape.
        num_bins: how many bins.
        values: what each element adds, of index's shape, added in float64; None = 1 each.

    Returns:
        (num_bins,) int64, or float64 with `values`.
    """
    index = index.flatten()
    weights = None if values is None else values.flatten().double()
    if index.device.type == "cpu":
        return torch.bincount(index, weights, minlength=num_bins)
    # torch.bincount asks a GPU for the smallest and the largest index, and so waits for it; scatter_add_ does not.
    sums = torch.zeros(num_bins, dtype=torch.int64 if weights is None else torch.float64, device=index.device)
    ones = sums.new_ones(()).expand(index.shape)
    return sums.scatter_add_(0, index.long(), ones if weights is None else weights)


def confusion(pred: Tensor, label: Tensor, num_classes: int) -> Tensor:
    """Count the pixels of each pair of label and predicted class; ignored pixels never count.

    Args:
        pred: (..., H, W) integers in [0, C).
        label: (..., H, W) integers in [0, C), or `IGNORE`.
        num_classes: C, at most 255.

    Returns:
        (C, C) int64, rows the label, columns the prediction.

    >>> confusion(torch.tensor([[0, 1, 1]]), torch.tensor([[0, 0, 255]]), 2).tolist()
    [[1, 1], [0, 0]]
    """
    # Every value of a label map has its row, `IGNORE` too, and the rows past C are cut off: a mask would cost
    # twenty times the counting.
    index = torch.add(pred.int(), label.int(), alpha=num_classes)
    counts = histogram(index, LABEL_VALUES * num_classes)
    return counts.view(LABEL_VALUES, num_classes)[:num_classes]  # (C, C)


def binary_confusions(pred: Tensor, label: Tensor) -> Tensor:
    """Count [[true negative, false positive], [false negative, true positive]] of each overlapping class.

    Args:
        pred: (..., K, H, W), 0 or 1.
        label: (..., K, H, W), 0, 1 or `IGNORE`.

    Returns:
        (K, 2, 2) int64.
    """
    num_classes = pred.shape[-3]
    offset = torch.arange(num_classes, dtype=torch.int32, device=pred.device).mul_(2 * LABEL_VALUES).view(-1, 1, 1)
    index = torch.add(pred.int(), label.int(), alpha=2).add_(offset)
    counts = histogram(index, 2 * LABEL_VALUES * num_classes)
    return counts.view(num_classes, LABEL_VALUES, 2)[:, :2]  # (K, 2, 2)


def _share(part: Tensor, whole: Tensor, confusion: Tensor) -> Tensor:
    """Divide; NaN for a class in neither label nor prediction, 0 for 0 / 0 of any other (as torchmetrics does)."""
    _, given, predicted = _pixels(confusion)
    return torch.where(given + predicted > 0, part.double() / whole.clamp(min=1), torch.nan)


def _pixels(confusion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give each class's pixels that are right, in the label, and in the prediction: (..., C) int64."""
    return confusion.diagonal(dim1=-2, dim2=-1), confusion.sum(-1), confusion.sum(-2)


def iou(confusion: Tensor) -> Tensor:
    """Intersection over union, TP / (TP + FP + FN): (..., C, C) -> (..., C) float64, NaN for an absent class."""
    right, given, predicted = _pixels(confusion)
    return _share(right, given + predicted - right, confusion)


def dice(confusion: Tensor) -> Tensor:
    """Dice, also F1: 2 TP / (2 TP + FP + FN): (..., C, C) -> (..., C) float64, NaN for an absent class."""
    right, given, predicted = _pixels(confusion)
    return _share(2 * right, given + predicted, confusion)


def precision(confusion: Tensor) -> Tensor:
    """Right share of what was predicted, TP / (TP + FP): (..., C, C) -> (..., C) float64, NaN for an absent class."""
    right, _, predicted = _pixels(confusion)
    return _share(right, predicted, confusion)


def recall(confusion: Tensor) -> Tensor:
    """Found share of what is there, TP / (TP + FN): (..., C, C) -> (..., C) float64, NaN for an absent class."""
    right, given, _ = _pixels(confusion)
    return _share(right, given, confusion)


def accuracy(confusion: Tensor) -> Tensor:
    """Share of pixels that are right: (..., C, C) -> (...) float64, NaN where no pixel counts."""
    right, given, _ = _pixels(confusion)
    return right.sum(-1).double() / given.sum(-1)


def frequency_weighted(scores: Tensor, pixels: Tensor) -> Tensor:
    """Mean of the scores, each weighted by its class's pixels in the label (Long et al. 2015): (C,), (C,) -> ()."""
    return torch.where(pixels > 0, scores * pixels, 0.0).sum() / pixels.sum()


def mean_over(scores: Tensor, classes: list[str]) -> Tensor:
    """Mean over the classes that occur (those not NaN), a class named "background" left out: (C,) -> ()."""
    kept = torch.tensor([name != BACKGROUND for name in classes], device=scores.device)
    return scores.where(kept, torch.nan).nanmean()


def region_scores(confusion: Tensor, classes: list[str]) -> dict[str, float]:
    """Give every region score by name: the means, and each class's as "<score>/<class>".

    Args:
        confusion: (C, C) of exclusive classes; or (K, 2, 2) of overlapping ones, where the accuracy is the mean of
            the classes' and the other scores are those of the pixels in the class.
        classes: the names, in the order of the class numbers; "background" is left out of the means of exclusive ones.
    """
    overlapping = confusion.dim() == 3
    scores = {}
    for name, score in (("dice", dice), ("iou", iou), ("precision", precision), ("recall", recall)):
        scores[name] = score(confusion)[..., 1] if overlapping else score(confusion)  # (C,)
    means = {name: values.nanmean() if overlapping else mean_over(values, classes) for name, values in scores.items()}
    means["accuracy"] = accuracy(confusion).nanmean()
    pixels = confusion.sum(-1)[..., 1] if overlapping else confusion.sum(-1)  # (C,)
    means["fw_iou"] = frequency_weighted(scores["iou"], pixels)
    flat = {name: float(value) for name, value in means.items()}
    for name, values in scores.items():
        flat |= {f"{name}/{of}": value for of, value in zip(classes, values.tolist(), strict=True)}
    return flat
