"""What reaches the model: samples framed and augmented in the workers, batches completed on the device."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from segtrain.data.augment import Augment
from segtrain.data.draw import Draw
from segtrain.data.frame import Fit, evaluation_frame, training_frame
from segtrain.data.labels import RevisedLabels
from segtrain.data.source import Source
from segtrain.seeds import derive_seed
from segtrain.types import CLASS_AXIS, IGNORE, Batch, one_hot

__all__ = ["Case", "EvaluationSet", "PlainSet", "TrainingSet", "collate", "complete"]


class Case(NamedTuple):
    """One image to evaluate: as the model takes it, and at full scale with every mask there is."""

    id: str
    image: Tensor
    """(D, h, w) in its stored dtype, at the model's scale."""
    native: np.ndarray
    """(H, W, D) as stored."""
    label: np.ndarray
    """(H, W) or (K, H, W) uint8; all `IGNORE` when there is none."""
    references: dict[str, np.ndarray]


class TrainingSet(Dataset[Batch]):
    """The training split, framed and augmented; everything random depends on (seed, epoch, index, repeat) alone."""

    def __init__(
        self, source: Source, size: int, fit: Fit, augment: Augment, revised: RevisedLabels, seed: int
    ) -> None:
        self.source = source
        self.size = size
        self.fit = fit
        self.augment = augment
        self.revised = revised
        self.seed = seed

    def __getitem__(self, draw: Draw) -> Batch:
        seed = derive_seed(self.seed, draw.epoch, draw.index, draw.repeat)
        image, planes = _read(self.source, self.revised, draw.index, draw.revision)
        rng = np.random.default_rng(seed)
        image, planes = training_frame(image, planes, size=self.size, fit=self.fit, rng=rng)
        image, planes = self.augment(image, planes, seed % 2**31)
        return _sample(self.source, draw.index, image, planes)


class PlainSet(Dataset[Batch]):
    """A split at the model's scale without augmentation, for looking at it through the model."""

    def __init__(self, source: Source, size: int, fit: Fit, revised: RevisedLabels, rows: Sequence[int]) -> None:
        self.source = source
        self.size = size
        self.fit = fit
        self.revised = revised
        self.rows = rows
        self.revision = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> Batch:
        index = self.rows[position]
        image, planes = _read(self.source, self.revised, index, self.revision)
        image, planes = evaluation_frame(image, planes, size=self.size, fit=self.fit)
        return _sample(self.source, index, image, planes)


class EvaluationSet(Dataset[Case]):
    """A split to evaluate, each image with its full-scale masks."""

    def __init__(self, source: Source, size: int, fit: Fit, rows: Sequence[int]) -> None:
        self.source = source
        self.size = size
        self.fit = fit
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> Case:
        index = self.rows[position]
        native, label = self.source.read(index)
        if label is None:
            label = np.full(native.shape[:2], IGNORE, np.uint8)
        image, _ = evaluation_frame(native, [], size=self.size, fit=self.fit)
        references = self.source.references(index)
        return Case(self.source.ids[index], _channels_first(image), native, label, references)


def _read(source: Source, revised: RevisedLabels, index: int, revision: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Give the image and what moves with it: the label ([K, ]H, W), the weight (H, W), and a plane of ones (H, W)."""
    image, label = source.read(index)
    inside = np.ones(image.shape[:2], np.uint8)
    rewritten = revised.read(revision, source.ids[index]) if revision else None
    if rewritten is not None:
        probs = rewritten.probs if rewritten.probs.ndim == 3 else rewritten.probs[:, 1]  # (C, H, W) or (K, H, W)
        return image, [probs.astype(np.float32), rewritten.weight, inside]
    if label is None:
        label = np.full(image.shape[:2], IGNORE, np.uint8)
    ignored = label == IGNORE if label.ndim == 2 else (label == IGNORE).any(axis=0)
    return image, [label, np.where(ignored, 0, 255).astype(np.uint8), inside]


def _sample(source: Source, index: int, image: np.ndarray, planes: list[np.ndarray]) -> Batch:
    """Make one sample; the last plane is 1 inside the image, and something else where a frame or a rotation filled."""
    label, weight, inside = planes
    samples = source.samples
    return Batch(
        image=_channels_first(image),
        target=torch.from_numpy(np.ascontiguousarray(label)),
        weight=torch.from_numpy(np.where(inside == 1, weight, 0).astype(np.uint8)),
        clean=samples.clean[index],
        labelled=samples.labelled[index],
        annotator=samples.annotator[index],
        group=samples.group[index],
        index=torch.tensor(index),
    )


def _channels_first(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 0)))  # (D, H, W)


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
