"""Pictures of what the model saw, was told and says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from segtrain.errors import ConfigError
from segtrain.training import ImagePanels, Panel, Prediction, SafeLogger, coloured, csv_logger, label_of
from segtrain.training.metrics_csv import CSVLogger
from segtrain.types import Batch
from tests.training.tiny import TinyData, TinyTask, tiny_trainer

CLASSES = ["background", "cell"]


class Album:
    """Keep what a logger is asked to show."""

    def __init__(self, folder: Path) -> None:
        self.shown: list[tuple[str, int, list[Panel]]] = []
        self.logger = SafeLogger("album", lambda: CSVLogger(str(folder)), save_dir=str(folder), draw=self.draw)

    def draw(self, logger: Any, key: str, panels: Sequence[Panel], step: int) -> None:
        self.shown.append((key, step, list(panels)))


class Seen(pl.Callback):
    """Keep the first batch of each epoch as the step gave it out."""

    def __init__(self) -> None:
        self.first: list[tuple[Batch, torch.Tensor]] = []
        self.predictions: list[Prediction] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 0:
            self.first.append((outputs["batch"], outputs["logits"]))

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        if not trainer.sanity_checking and batch_idx == 0 and trainer.current_epoch == 0:
            self.predictions += outputs


def fit(folder: Path, task: TinyTask, *callbacks: pl.Callback, **options: Any) -> Album:
    album = Album(folder)
    loggers = [csv_logger(save_dir=str(folder)), album.logger]
    options = {"enable_checkpointing": False, "logger": loggers, "callbacks": list(callbacks)} | options
    tiny_trainer(folder, **options).fit(task, datamodule=TinyData())
    return album


def test_what_is_shown_is_what_was_seen_told_and_said(tmp_path: Path) -> None:
    seen = Seen()
    album = fit(tmp_path, TinyTask(), seen, ImagePanels(num_images=3, every_n_epochs=2, classes=CLASSES))
    assert [(key, step) for key, step, _ in album.shown] == [
        ("val/panels", 6), ("train/panels", 6), ("val/panels", 18), ("train/panels", 18),
    ]  # fmt: skip
    assert all(len(panels) == 3 for _, _, panels in album.shown)
    for given, panel in zip(seen.predictions, album.shown[0][2], strict=False):
        assert panel.name == given.id
        assert np.array_equal(panel.label, given.label)
        assert np.array_equal(panel.prediction, given.probs.argmax(0).numpy())
        assert panel.weight is None
    batch, logits = seen.first[0]
    for place, panel in enumerate(album.shown[1][2]):
        assert np.array_equal(panel.label, batch.target[place].argmax(0).numpy())
        assert np.array_equal(panel.prediction, logits[place].argmax(0).numpy())
        assert panel.weight is not None
        assert np.array_equal(panel.weight, batch.weight[place].numpy())
        assert panel.classes == CLASSES


class Soft(TinyTask):
    """Distrust the left half and ignore the top row, as a strategy would."""

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        weight = batch.weight.clone()
        weight[..., :4], weight[:, 0] = 0.25, 0.0
        return super().training_step(batch._replace(weight=weight), batch_idx)


def test_the_final_weights_are_shown_and_ignored_pixels_are_no_errors(tmp_path: Path) -> None:
    album = fit(tmp_path, Soft(), ImagePanels(num_images=1), max_epochs=1)
    (panel,) = next(panels for key, _, panels in album.shown if key == "train/panels")
    assert panel.weight is not None
    assert set(panel.weight[1:, :4].ravel()) == {0.25}
    assert (panel.label[0] == 255).all()
    assert not panel.errors[0].any()


def test_more_images_than_a_batch_has(tmp_path: Path) -> None:
    album = fit(tmp_path, TinyTask(), ImagePanels(num_images=6), max_epochs=1)
    assert [len(panels) for _, _, panels in album.shown] == [6, 6]


def test_nothing_is_set_aside_for_loggers_without_pictures(tmp_path: Path) -> None:
    panels = ImagePanels()

    class Nothing(pl.Callback):
        def on_train_epoch_end(self, *args: Any) -> None:
            assert not panels._train
            assert not panels._validation

    fit(tmp_path, TinyTask(), Nothing(), panels, max_epochs=1, logger=[csv_logger(save_dir=str(tmp_path))])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_any_image_can_be_seen(dtype: Any, channels: int) -> None:
    image = (np.random.default_rng(0).random((600, 700, channels)) * 200).astype(dtype)
    label = np.zeros((600, 700), np.uint8)
    panel = ImagePanels()._panel("big", image, label, label)
    assert panel.image.shape == (300, 350, 3)
    assert panel.image.dtype == np.uint8
    assert panel.image.std() > 50
    assert panel.strip().shape == (300, 4 * 350 + 3 * 2, 3)


def test_a_constant_image_does_not_divide_by_zero() -> None:
    label = np.zeros((8, 8), np.uint8)
    panel = ImagePanels()._panel("flat", np.full((8, 8, 1), 7.0), label, label)
    assert len(np.unique(panel.image)) == 1


def test_overlapping_classes_without_a_label() -> None:
    planes = np.zeros((3, 8, 8), np.uint8)
    panel = ImagePanels()._panel("none", np.zeros((8, 8, 1)), np.full((8, 8), 255, np.uint8), planes)
    assert panel.label.shape == (3, 8, 8)
    assert not panel.errors.any()
    assert panel.strip().shape == (8, 4 * 8 + 3 * 2, 3)


def test_errors_of_overlapping_classes() -> None:
    label, prediction = np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4), np.uint8)
    prediction[1, 2, 3] = 1
    label[0, 0, 0] = 255
    panel = Panel("two", np.zeros((4, 4, 3), np.uint8), label, prediction, CLASSES)
    assert np.argwhere(panel.errors).tolist() == [[2, 3]]


def test_label_of_both_kinds() -> None:
    probs = torch.tensor([[0.2, 0.9], [0.7, 0.1], [0.1, 0.0]]).view(3, 1, 2)
    assert label_of(probs).tolist() == [[1, 0]]
    overlapping = torch.stack([1 - probs, probs], dim=-3)  # (3, 2, 1, 2)
    assert label_of(overlapping).tolist() == [[[0, 1]], [[1, 0]], [[0, 0]]]


def test_colours_are_told_apart() -> None:
    shown = coloured(np.arange(256, dtype=np.uint8)[None])[0].astype(int)
    assert len({tuple(colour) for colour in shown[:40]}) == 40
    assert (shown[255] == 255).all()
    planes = np.array([[[1, 1, 0, 255]], [[0, 1, 0, 255]]], np.uint8)
    first, both, none, ignored = coloured(planes)[0].astype(int)
    assert (first == shown[1]).all()
    assert np.abs(both - (shown[1] + shown[2]) / 2).max() <= 1
    assert (none == shown[0]).all()
    assert (ignored == 255).all()


@pytest.mark.parametrize("name", ["num_images", "every_n_epochs"])
def test_out_of_range(name: str) -> None:
    with pytest.raises(ConfigError, match=f"The '{name}' of ImagePanels must be at least 1, got 0"):
        ImagePanels(**{name: 0})
