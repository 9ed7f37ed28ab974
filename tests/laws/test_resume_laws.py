"""A run stopped anywhere and resumed ends bitwise equal to the unbroken one, under every noise strategy."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from segtrain.config import options
from segtrain.run.build import Parts, build
from tests.small import small_config

STEPS_PER_EPOCH = 3


class SaveEverywhere(pl.Callback):
    """Save in the middle of an epoch and where an epoch's end would be saved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.save_checkpoint(self.folder / f"step{trainer.global_step}.ckpt")

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if not trainer.sanity_checking:
            trainer.save_checkpoint(self.folder / f"validated{trainer.current_epoch}.ckpt")

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        trainer.save_checkpoint(self.folder / f"epoch{trainer.current_epoch}.ckpt")


def fitted(folder: Path, overrides: tuple[str, ...], ckpt: Path | None = None, save: Path | None = None) -> Parts:
    parts = build(small_config(*overrides), folder)
    if save is not None:
        parts.trainer.callbacks.append(SaveEverywhere(save))
    parts.trainer.fit(parts.task, datamodule=parts.data, ckpt_path=ckpt, weights_only=True)
    return parts


def assert_equal(resumed: Parts, unbroken: Parts) -> None:
    ours, theirs = resumed.task.state_dict(), unbroken.task.state_dict()
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
    assert resumed.trainer.global_step == unbroken.trainer.global_step


def resumes_bitwise(tmp_path: Path, overrides: tuple[str, ...], stops: tuple[str, ...]) -> None:
    saved = tmp_path / "saved"
    unbroken = fitted(tmp_path / "unbroken", overrides, save=saved)
    draws = (tmp_path / "unbroken" / "draws.csv").read_text()
    for stop in stops:
        folder = tmp_path / stop
        if (tmp_path / "unbroken" / "revised").exists():
            shutil.copytree(tmp_path / "unbroken" / "revised", folder / "revised")
        assert_equal(fitted(folder, overrides, ckpt=saved / f"{stop}.ckpt"), unbroken)
        assert (folder / "draws.csv").read_text() == draws


@pytest.mark.parametrize("noise", sorted(options("noise")))
def test_without_workers(tmp_path: Path, noise: str) -> None:
    stops = ("step4", "step2", "epoch0", "validated1", "epoch1")
    resumes_bitwise(tmp_path, (f"noise={noise}", "augmentation=strong", "model.dropout=0.2"), stops)


@pytest.mark.parametrize("noise", ["curriculum"])
def test_with_two_workers(tmp_path: Path, noise: str) -> None:
    overrides = (f"noise={noise}", "data.num_workers=2", "augmentation=medium", "model.dropout=0.2")
    resumes_bitwise(tmp_path, overrides, ("step4", "epoch0"))


def test_workers_change_nothing(tmp_path: Path) -> None:
    overrides = ("noise=curriculum", "augmentation=medium")
    alone = fitted(tmp_path / "0", overrides)
    assert_equal(fitted(tmp_path / "2", (*overrides, "data.num_workers=2")), alone)


def test_with_averaged_weights_and_accumulated_gradients(tmp_path: Path) -> None:
    overrides = (
        "callbacks=[last,draws,ema]",
        "task.predict_with=ema",
        "trainer.accumulate_grad_batches=2",
        "noise=curriculum",
    )
    resumes_bitwise(tmp_path, overrides, ("epoch0", "validated1"))


def test_the_draws_are_what_the_weights_say(tmp_path: Path) -> None:
    """Clean samples alone are drawn, as often as there are samples in all, with two workers too."""
    for workers in (0, 2):
        folder = tmp_path / str(workers)
        parts = fitted(folder, ("noise=clean_only", f"data.num_workers={workers}"))
        rows = [line.split(",") for line in (folder / "draws.csv").read_text().splitlines()[1:]]
        drawn = torch.tensor([int(count) for _, count in rows])
        clean = parts.data.splits["train"].samples.clean
        assert 0 < clean.sum() < len(clean)
        assert (drawn[~clean] == 0).all()
        assert drawn.sum() == 3 * STEPS_PER_EPOCH * 4
        assert drawn[clean].max() - drawn[clean].min() <= 3  # at most one draw more in each epoch


def test_another_batch_size_is_refused_on_resume(tmp_path: Path) -> None:
    fitted(tmp_path / "first", ("trainer.max_epochs=1",), save=tmp_path / "saved")
    with pytest.raises(ValueError, match="steps_per_epoch was 3 and is 6"):
        fitted(tmp_path / "second", ("data.batch_size=2",), ckpt=tmp_path / "saved" / "epoch0.ckpt")
