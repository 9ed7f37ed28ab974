"""From a source's row to a complete batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from segtrain.data.augment import Augment
from segtrain.data.draw import Draw
from segtrain.data.labels import RevisedLabels, SoftLabel
from segtrain.data.pixel_form import PixelForm, collate, complete
from segtrain.data.sample import EvaluationSet, PlainSet, TrainingSet
from segtrain.data.source import Item
from segtrain.types import IGNORE, Batch, Samples


class ArraySource:
    """Images and labels in memory."""

    def __init__(self, labels: list[np.ndarray | None], references: dict[str, np.ndarray] | None = None) -> None:
        self.labels = labels
        self.ids = [f"s{i}" for i in range(len(labels))]
        unknown = torch.full((len(labels),), -1)
        labelled = torch.tensor([label is not None for label in labels])
        self.samples = Samples(torch.zeros(len(labels), dtype=torch.bool), labelled, unknown, unknown)
        self._references = references or {}
        self.reference_names = list(self._references)

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, index: int) -> Item:
        rng = np.random.default_rng(index)
        return Item(rng.integers(0, 256, (40, 50, 1), dtype=np.uint8), self.labels[index])

    def references(self, index: int) -> dict[str, np.ndarray]:
        return self._references

    def fingerprint(self) -> str:
        return ""


def identity(image: Tensor) -> Tensor:
    return image.float()


def halves() -> np.ndarray:
    label = np.zeros((40, 50), np.uint8)
    label[:, 25:] = 1
    label[0] = IGNORE
    return label


def training_set(source: ArraySource, folder: Path, **augment: float) -> TrainingSet:
    return TrainingSet(source, 32, "crop", Augment(**augment), PixelForm(RevisedLabels(folder), 2), seed=0)


def test_a_batch_crosses_the_bus_small(tmp_path: Path) -> None:
    data = training_set(ArraySource([halves()] * 2), tmp_path)
    batch = collate([data[Draw(0, 0)], data[Draw(1, 0)]], 2)
    assert batch.image.dtype == batch.target.dtype == batch.weight.dtype == torch.uint8
    assert batch.image.shape == (2, 1, 32, 32)
    assert batch.target.shape == batch.weight.shape == (2, 32, 32)


def test_ignored_pixels_have_weight_zero_and_a_uniform_target(tmp_path: Path) -> None:
    data = PlainSet(ArraySource([halves()]), 64, "crop", PixelForm(RevisedLabels(tmp_path), 2), range(1))
    batch = complete(collate([data[0]], 2), 2, overlapping=False, normalize=identity)
    assert (batch.weight[0, 0] == 0).all()
    assert (batch.weight[0, 1:] == 1).all()
    assert (batch.target[0, :, 0] == 0.5).all()
    assert torch.equal(batch.target.sum(dim=1), torch.ones(1, 40, 50))
    assert (batch.target[0, 1, 1:, 25:] == 1).all()


def test_what_rotation_and_padding_fill_is_ignored(tmp_path: Path) -> None:
    form = PixelForm(RevisedLabels(tmp_path), 2)
    data = TrainingSet(ArraySource([halves()]), 96, "crop", Augment(rotate=45, chance=1.0), form, 0)
    sample = data[Draw(0, 0)]
    assert set(sample.target.unique().tolist()) == {0, 1, IGNORE}
    assert torch.equal(sample.weight == 0, sample.target == IGNORE)


def test_an_unlabelled_sample_has_no_weight(tmp_path: Path) -> None:
    sample = training_set(ArraySource([None]), tmp_path)[Draw(0, 0)]
    assert not sample.labelled
    assert (sample.weight == 0).all()


def test_a_sample_hangs_on_its_draw_alone(tmp_path: Path) -> None:
    data = training_set(ArraySource([halves()] * 2), tmp_path, rotate=30, noise=0.1)
    first = data[Draw(0, epoch=3)]
    data[Draw(1, epoch=1)]
    assert torch.equal(data[Draw(0, epoch=3)].image, first.image)
    assert not torch.equal(data[Draw(0, epoch=4)].image, first.image)
    assert not torch.equal(data[Draw(0, epoch=3, repeat=1)].image, first.image)


def test_a_rewritten_label_is_soft_and_beside_hard_ones(tmp_path: Path) -> None:
    revised = RevisedLabels(tmp_path)
    probs = np.stack([np.full((40, 50), 0.25), np.full((40, 50), 0.75)]).astype(np.float16)
    revised.write(1, "s0", SoftLabel(probs, np.full((40, 50), 51, np.uint8)))
    data = training_set(ArraySource([halves()] * 2), tmp_path)
    batch = collate([data[Draw(0, 0, revision=1)], data[Draw(1, 0, revision=1)]], 2)
    full = complete(batch, 2, overlapping=False, normalize=identity)
    assert torch.allclose(full.target[0, 1], torch.full((32, 32), 0.75))
    assert full.weight[0].unique().tolist() == pytest.approx([0.2])
    assert set(full.target[1].unique().tolist()) <= {0.0, 0.5, 1.0}
    assert data[Draw(0, 0, revision=0)].target.dtype == torch.uint8


def test_overlapping_planes_are_binary_problems(tmp_path: Path) -> None:
    planes = np.zeros((3, 40, 50), np.uint8)
    planes[0, :, 25:] = planes[2] = 1
    planes[1, 5] = IGNORE
    data = PlainSet(ArraySource([planes]), 64, "crop", PixelForm(RevisedLabels(tmp_path), 2), range(1))
    batch = complete(collate([data[0]], 3), 3, overlapping=True, normalize=identity)
    assert batch.target.shape == (1, 3, 2, 40, 50)
    assert torch.equal(batch.target.sum(dim=-3), torch.ones(1, 3, 40, 50))
    assert (batch.weight[0, 5] == 0).all()
    assert batch.target[0, 0, 1, 0].tolist() == [0.0] * 25 + [1.0] * 25


def test_evaluation_keeps_full_scale_masks() -> None:
    source = ArraySource([halves()], {"expert": halves()})
    case = EvaluationSet(source, 32, "resize", range(1))[0]
    assert case.image.shape == (1, 26, 32)
    assert case.native.shape == (40, 50, 1)
    assert case.label.shape == case.references["expert"].shape == (40, 50)


def test_columns_stay_with_their_sample(tmp_path: Path) -> None:
    data = training_set(ArraySource([halves(), None]), tmp_path)
    batch: Batch = collate([data[Draw(1, 0)], data[Draw(0, 0)]], 2)
    assert batch.index.tolist() == [1, 0]
    assert batch.labelled.tolist() == [False, True]
