"""Chance depends on the place in the training alone."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from segtrain.training import Seeding, seed_all
from tests.training.tiny import TinyData, TinyTask, tiny_trainer


class Draws(pl.Callback):
    """Draw in every step from every generator, and in validation too, as often as told."""

    def __init__(self, in_validation: int = 1) -> None:
        self.in_validation = in_validation
        self.drawn: dict[tuple[str, int, int], tuple[float, ...]] = {}

    def _draw(self, stage: str, trainer: pl.Trainer, batch_idx: int) -> None:
        drawn = (float(torch.rand(())), float(np.random.rand()), random.random())  # noqa: NPY002
        self.drawn[stage, trainer.current_epoch, batch_idx] = drawn

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, out: Any, batch: Any, batch_idx: int) -> None:
        self._draw("train", trainer, batch_idx)

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, out: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        if not trainer.sanity_checking:
            for _ in range(self.in_validation):
                self._draw("val", trainer, batch_idx)


def draw(folder: Path, seed: int = 0, in_validation: int = 1, **options: Any) -> tuple[Draws, list[float]]:
    draws, task = Draws(in_validation), TinyTask()
    trainer = tiny_trainer(
        folder, callbacks=[Seeding(seed), draws], logger=False, enable_checkpointing=False, **options
    )
    trainer.fit(task, datamodule=TinyData())
    return draws, [float(loss) for loss in task.losses]


def test_every_batch_draws_something_else_and_the_same_again(tmp_path: Path) -> None:
    first, losses = draw(tmp_path)
    torch.rand(7)
    again, losses_again = draw(tmp_path)
    assert first.drawn == again.drawn
    assert losses == losses_again
    for generator in zip(*first.drawn.values(), strict=True):
        assert len(set(generator)) == len(first.drawn)


def test_another_seed_draws_something_else(tmp_path: Path) -> None:
    first, losses = draw(tmp_path)
    other, other_losses = draw(tmp_path, seed=1)
    assert not set(first.drawn.values()) & set(other.drawn.values())
    assert losses != other_losses


@pytest.mark.parametrize("options", [{"in_validation": 5}, {"limit_val_batches": 1}, {"val_check_interval": 2}])
def test_validation_does_not_move_the_training(tmp_path: Path, options: dict[str, Any]) -> None:
    _, losses = draw(tmp_path)
    _, others = draw(tmp_path, **options)
    assert losses == others


def test_all_generators_are_seeded() -> None:
    seed_all(2**40 + 5)
    first = (float(torch.rand(())), float(np.random.rand()), random.random())  # noqa: NPY002
    seed_all(2**40 + 5)
    assert (float(torch.rand(())), float(np.random.rand()), random.random()) == first  # noqa: NPY002
