"""What reaches the model: the samples of a split, framed and augmented in the workers."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from segtrain.data.augment import Augment
from segtrain.data.draw import Draw
from segtrain.data.frame import Fit, evaluation_frame, training_frame
from segtrain.data.rendered import RenderedSource
from segtrain.data.source import Source
from segtrain.instances import Instances
from segtrain.seeds import derive_seed
from segtrain.types import IGNORE

__all__ = ["Case", "EvaluationSet", "LabelForm", "Moving", "PlainSet", "TrainingSet", "channels_first"]


class Moving(NamedTuple):
    """A sample on its way through frame and augmentation."""

    image: np.ndarray
    """(H, W, D) as stored."""
    planes: list[np.ndarray]
    """What moves with the image, each (..., H, W)."""
    finish: Callable[[np.ndarray, list[np.ndarray]], Any]
    """Image and planes, as they have become -> the sample."""


class LabelForm(Protocol):
    """How a kind of label comes from a source into a batch."""

    def read(self, source: Source, index: int, revision: int) -> Moving:
        """Give a sample; `revision` is the newest one of the rewritten labels to use, 0 = the labels as given."""

    def collate(self, samples: Sequence[Any]) -> Any:
        """Make a batch of samples of one shape, small enough to cross the bus."""


class Case(NamedTuple):
    """One image to evaluate: as the model takes it, and at full scale with every mask there is."""

    id: str
    image: Tensor
    """(D, h, w) in its stored dtype, at the model's scale."""
    native: np.ndarray
    """(H, W, D) as stored."""
    label: Any
    """(H, W) or (K, H, W) uint8, all `IGNORE` when there is none; or `Instances`."""
    references: dict[str, Any]
    """The other labels there are, each in the form of the label."""
    instances: dict[str, Instances]
    """Instances that a label of pixels was rendered from, by the names of the references; "" = the label's."""


class TrainingSet(Dataset[Any]):
    """The training split, framed and augmented; everything random depends on (seed, epoch, index, repeat) alone."""

    def __init__(self, source: Source, size: int, fit: Fit, augment: Augment, form: LabelForm, seed: int) -> None:
        self.source = source
        self.size = size
        self.fit = fit
        self.augment = augment
        self.form = form
        self.seed = seed

    def __getitem__(self, draw: Draw) -> Any:
        seed = derive_seed(self.seed, draw.epoch, draw.index, draw.repeat)
        image, planes, finish = self.form.read(self.source, draw.index, draw.revision)
        rng = np.random.default_rng(seed)
        image, planes = training_frame(image, planes, size=self.size, fit=self.fit, rng=rng)
        return finish(*self.augment(image, planes, seed % 2**31))


class PlainSet(Dataset[Any]):
    """A split at the model's scale without augmentation, for looking at it through the model."""

    def __init__(self, source: Source, size: int, fit: Fit, form: LabelForm, rows: Sequence[int]) -> None:
        self.source = source
        self.size = size
        self.fit = fit
        self.form = form
        self.rows = rows
        self.revision = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> Any:
        image, planes, finish = self.form.read(self.source, self.rows[position], self.revision)
        return finish(*evaluation_frame(image, planes, size=self.size, fit=self.fit))


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
        instances = self.source.instances(index) if isinstance(self.source, RenderedSource) else {}
        return Case(self.source.ids[index], channels_first(image), native, label, references, instances)


def channels_first(image: np.ndarray) -> Tensor:
    """Give an image (H, W, D) as a tensor (D, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 0)))
