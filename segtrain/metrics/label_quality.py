"""How good labels are, where the truth is known: the given ones, and what a correction made of them."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch

from segtrain.metrics.functional import binary_confusions, confusion, mean_over, region_scores
from segtrain.types import IGNORE

__all__ = ["Correction", "correction", "label_quality"]


def label_quality(
    given: Iterable[np.ndarray], true: Iterable[np.ndarray], classes: list[str], overlapping: bool = False
) -> dict[str, float]:
    """Score given labels against true ones, over all their pixels.

    The area bias of a class is its area in the given labels over its area in the true ones, less 1: +0.5 says that
    outlines are drawn half as large again, NaN that the class is in no true label. Pixels ignored in either never
    count.

    Args:
        given: one label for each image, (H, W) class numbers or (K, H, W) with 0 and 1; `IGNORE` where ignored.
        true: the same images in the same order.
        classes: names, in the order of the class numbers; "background" is left out of the means, unless overlapping.
        overlapping: each class is a mask of its own.

    Returns:
        "dice", "iou", "area_bias", each also as "<score>/<class>".
    """
    num_classes = len(classes)
    shape = (num_classes, 2, 2) if overlapping else (num_classes, num_classes)
    counts = torch.zeros(shape, dtype=torch.int64)
    for drawn, right in zip(given, true, strict=True):
        label = torch.from_numpy(np.where(drawn == IGNORE, IGNORE, right))
        pred = torch.from_numpy(np.where(label == IGNORE, 0, drawn))
        counts += binary_confusions(pred, label) if overlapping else confusion(pred, label, num_classes)
    scores = {name: s for name, s in region_scores(counts, classes).items() if name.startswith(("dice", "iou"))}
    area = counts.sum(-2), counts.sum(-1)  # given, true
    drawn_area, true_area = (a[:, 1] if overlapping else a for a in area)  # (C,)
    bias = torch.where(true_area > 0, drawn_area / true_area.double() - 1, torch.nan)
    scores["area_bias"] = float(bias.nanmean() if overlapping else mean_over(bias, classes))
    return scores | {f"area_bias/{name}": value for name, value in zip(classes, bias.tolist(), strict=True)}


class Correction(NamedTuple):
    """What a correction did, in pixels."""

    wrong: int
    """Pixels that were wrong before."""
    mended: int
    """Pixels that were wrong and are right now."""
    harmed: int
    """Pixels that were right and are wrong now."""


def correction(given: np.ndarray, corrected: np.ndarray, true: np.ndarray) -> Correction:
    """Count the pixels that a correction mended and harmed; pixels ignored in any of the three never count.

    Args:
        given: the label before, (H, W) or (K, H, W).
        corrected: the label after, of the same shape.
        true: the truth, of the same shape.
    """
    counted = (given != IGNORE) & (corrected != IGNORE) & (true != IGNORE)
    wrong, right_now = counted & (given != true), corrected == true
    return Correction(
        wrong=int(wrong.sum()),
        mended=int((wrong & right_now).sum()),
        harmed=int((counted & (given == true) & ~right_now).sum()),
    )
