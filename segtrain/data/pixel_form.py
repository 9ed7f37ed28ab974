"""A class for each pixel, on its way to the model: small across the bus, in the form of the contract on the device."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from segtrain.data.labels import RevisedLabels
from segtrain.data.sample import Moving, channels_first
from segtrain.data.source import Source
from segtrain.types import CLASS_AXIS, IGNORE, Batch, one_hot

__all__ = ["PixelForm", "collate", "complete"]


class PixelForm:
    """A `LabelForm`: the label ([K, ]H, W) moves with the image, with its weight and what is inside the image.

    Args:
        revised: where labels are that a strategy has rewritten.
        num_classes: C.
    """

    def __init__(self, revised: RevisedLabels, num_classes: int) -> None:
        self.revised = revised
        self.num_classes = num_classes

    def read(self, source: Source, index: int, revision: int) -> Moving:
        image, label = source.read(index)
        inside = np.ones(image.shape[:2], np.uint8)
        finish = partial(_sample, source, index)
        rewritten = self.revised.read(revision, source.ids[index]) if revision else None
        if rewritten is not None:
            probs = rewritten.probs if rewritten.probs.ndim == 3 else rewritten.probs[:, 1]  # (C, H, W) or (K, H, W)
            return Moving(image, [probs.astype(np.float32), rewritten.weight, inside], finish)
        if label is None:
            label = np.full(image.shape[:2], IGNORE, np.uint8)
        ignored = label == IGNORE if label.ndim == 2 else (label == IGNORE).any(axis=0)
        return Moving(image, [label, np.where(ignored, 0, 255).astype(np.uint8), inside], finish)

    def collate(self, samples: Sequence[Batch]) -> Batch:
        return collate(samples, self.num_classes)


def _sample(source: Source, index: int, image: np.ndarray, planes: list[np.ndarray]) -> Batch:
    """Make one sample; the last plane is 1 inside the image, and something else where a frame or a rotation filled."""
    label, weight, inside = planes
    samples = source.samples
    return Batch(
        image=channels_first(image),
        target=torch.from_numpy(np.ascontiguousarray(label)),
        weight=torch.from_numpy(np.where(inside == 1, weight, 0).astype(np.uint8)),
        clean=samples.clean[index],
        labelled=samples.labelled[index],
        annotator=samples.annotator[index],
        group=samples.group[index],
        index=torch.tensor(index),
    )


def collate(samples: Sequence[Batch], num_classes: int) -> Batch:
    """Stack samples; targets stay class numbers, unless one of the batch is soft."""
    targets = [sample.target for sample in samples]
    if any(target.is_floating_point() for target in targets):
        targets = [_soft(target, num_classes) for target in targets]
    rows = [sample._replace(target=target) for sample, target in zip(samples, targets, strict=True)]
    return Batch(*(torch.stack(column) for column in zip(*rows, strict=True)))


def _soft(target: Tensor, num_classes: int) -> Tensor:
    """Give class numbers (H, W) as probabilities (C, H, W), and overlapping planes (K, H, W) as shares."""
    if target.is_floating_point():
        return target
    return one_hot(target, num_classes) if target.dim() == 2 else _shares(target)


def _shares(planes: Tensor) -> Tensor:
    """Give planes of 0, 1 and `IGNORE` as how much each pixel is in each class."""
    return planes.float().masked_fill(planes == IGNORE, 0.5)


def complete(batch: Batch, num_classes: int, overlapping: bool, normalize: Callable[[Tensor], Tensor]) -> Batch:
    """Give a batch the form of the contract, on the device it has reached: normalised, soft, weights in [0, 1]."""
    target = batch.target
    if overlapping:
        target = target if target.is_floating_point() else _shares(target)  # (B, K, H, W)
        target = torch.stack([1.0 - target, target], dim=CLASS_AXIS)  # (B, K, 2, H, W)
    elif not target.is_floating_point():
        target = one_hot(target, num_classes)  # (B, C, H, W)
    return batch._replace(image=normalize(batch.image), target=target, weight=batch.weight.float() / 255.0)
