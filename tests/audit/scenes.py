"""Training sets whose truth, annotators and model are all known: discs that somebody draws and a model predicts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from segtrain.types import Batch, Samples, Seen

SIDE = 64
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
Masks = np.ndarray
"""(K, H, W) bool; of exclusive classes, class 0 is wherever no other is, and its own plane is not looked at."""
Draws = Callable[[Masks, np.random.Generator], Masks]


def disc(radius: float, row: float = SIDE / 2, column: float = SIDE / 2) -> np.ndarray:
    return np.hypot(ROWS - row, COLUMNS - column) <= radius


def margin(mask: np.ndarray) -> np.ndarray:
    return np.where(mask, 1.0, -1.0)


def scene(number: int, num_classes: int = 2) -> Masks:
    """Draw one disc of each class (but class 0) in its own part of the picture, of varied size and place."""
    rng = np.random.default_rng(number)
    planes = np.zeros((num_classes, SIDE, SIDE), bool)
    width = SIDE / (num_classes - 1)
    for c in range(1, num_classes):
        radius = rng.uniform(7, min(12, width / 2 - 7))
        planes[c] = disc(radius, rng.uniform(24, 40), width * (c - 0.5) + rng.uniform(-1, 1))
    return planes


def moved(by: float, shake: float = 0.0) -> Draws:
    """Move every outline outward by `by` pixels, and the whole by a draw of deviation `shake` for each picture."""

    def draw(planes: Masks, rng: np.random.Generator) -> Masks:
        from scipy.ndimage import distance_transform_edt as distance

        amount = by + shake * rng.standard_normal()
        level = [np.where(plane, 0.5 - distance(plane), distance(~plane) - 0.5) for plane in planes]
        return np.stack(
            [np.asarray(each) < amount if plane.any() else plane for each, plane in zip(level, planes, strict=True)]
        )

    return draw


@dataclass
class SceneView:
    """What an audit sees. The model's predictions are `model` of the truth, whatever label it is given.

    Args:
        truths: each picture's true masks.
        annotator: truth -> label of the noisy samples.
        model: truth -> prediction.
        num_clean: the first so many are clean: their label is the truth.
        overlapping: each class is a mask of its own.
        names: who drew each, -1 = unknown.
        habits: how many pixels farther outside each picture's annotator draws.
    """

    truths: Sequence[Masks]
    annotator: Draws
    model: Draws
    num_clean: int = 8
    overlapping: bool = False
    names: Sequence[int] = ()
    habits: Sequence[float] = ()
    weight: Tensor | None = None
    passes: int = 0
    relabelled: dict[int, Tensor] = field(default_factory=dict)

    @property
    def samples(self) -> Samples:
        number = torch.arange(len(self.truths))
        names = torch.tensor(self.names) if self.names else torch.full_like(number, -1)
        return Samples(number < self.num_clean, torch.ones_like(number, dtype=torch.bool), names, number)

    def given(self, index: int) -> Masks:
        if index < self.num_clean:
            return self.truths[index]
        rng = np.random.default_rng([1, index])
        drawn = self.annotator(self.truths[index], rng)
        return moved(self.habits[index])(drawn, rng) if self.habits else drawn

    def predicted(self, index: int) -> Masks:
        return self.model(self.truths[index], np.random.default_rng([2, index]))

    def __iter__(self) -> Iterator[Seen]:
        self.passes += 1
        for index in range(len(self.truths)):
            row = slice(index, index + 1)
            weight = torch.ones(1, SIDE, SIDE) if self.weight is None else self.weight[None]
            target, probs = (self._probs(masks)[None] for masks in (self.given(index), self.predicted(index)))
            samples = self.samples
            batch = Batch(
                image=torch.zeros(1, 1, SIDE, SIDE),
                target=target,
                weight=weight,
                clean=samples.clean[row],
                labelled=samples.labelled[row],
                annotator=samples.annotator[row],
                group=samples.group[row],
                index=torch.tensor([index]),
            )
            yield Seen(batch, probs)

    def _probs(self, planes: Masks) -> Tensor:
        planes = planes.copy()
        if self.overlapping:
            return torch.from_numpy(np.stack([~planes, planes], axis=1)).float()
        planes[0] = ~planes[1:].any(0)
        return torch.from_numpy(planes / planes.sum(0)).float()

    def gather(self, table: Tensor) -> Tensor:
        return table

    def relabel(self, index: int, probs: Tensor, weight: Tensor) -> None:
        assert index >= self.num_clean
        self.relabelled[index] = probs

    def after(self, index: int) -> Masks:
        """Give the label (K, H, W) as it is now."""
        if index not in self.relabelled:
            return self.given(index)
        probs = self.relabelled[index].numpy()
        if self.overlapping:
            return probs[:, 1] > 0.5
        return np.arange(len(probs))[:, None, None] == probs.argmax(0)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))
