"""data.clean_per_batch: every batch holds that many clean samples, whatever the strategy, the devices or a resume."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from segtrain.errors import ConfigError
from segtrain.noise import CleanOnly, NoiseStrategy
from segtrain.run.build import Parts, build
from segtrain.types import Batch, Progress, Samples
from tests.laws.test_resume_laws import resumes_bitwise
from tests.small import small_config
from tests.training.test_ddp import trained as trained_apart


class Watch(NoiseStrategy):
    """Notes each batch's samples and how many are clean, and gives every other sample this weight."""

    def __init__(self, odd: float = 0.5) -> None:
        super().__init__()
        self.odd = odd
        self.clean: list[int] = []
        self.rows: list[list[int]] = []

    def sample_weights(self, samples: Samples, epoch: int) -> torch.Tensor:
        return torch.where(torch.arange(len(samples.clean)) % 2 == 1, self.odd, 1.0)

    def prepare(self, batch: Batch, model: torch.nn.Module, progress: Progress) -> Batch:
        self.clean.append(int(batch.clean.sum()))
        self.rows.append(batch.index.tolist())
        return batch


def trained(folder: Path, strategy: NoiseStrategy, *overrides: str) -> Parts:
    parts = build(small_config("augmentation=none", "callbacks=[last]", *overrides), folder)
    parts.task.strategy = parts.data.strategy = strategy
    parts.trainer.fit(parts.task, datamodule=parts.data)
    return parts


@pytest.mark.parametrize("wanted", [1, 3])
def test_every_batch_holds_exactly_that_many(tmp_path: Path, wanted: int) -> None:
    watch = Watch()
    parts = trained(tmp_path, watch, f"data.clean_per_batch={wanted}")
    assert watch.clean == [wanted] * 9
    assert parts.trainer.global_step == 9  # as without: 12 samples, 4 in a batch, 3 epochs
    assert all(len(row) == 4 for row in watch.rows)


def test_as_they_come_they_differ(tmp_path: Path) -> None:
    watch = Watch()
    trained(tmp_path, watch)
    assert len(set(watch.clean)) > 1


def test_a_resumed_run_draws_the_same(tmp_path: Path) -> None:
    overrides = ("data.clean_per_batch=2", "augmentation=medium")
    resumes_bitwise(tmp_path, overrides, ("step4", "epoch0"))


def test_clean_only_still_draws_clean_ones_alone(tmp_path: Path) -> None:
    parts = trained(tmp_path, CleanOnly(), "data.clean_per_batch=1", "callbacks=[last,draws]")
    drawn = torch.tensor(pd.read_csv(tmp_path / "draws.csv")["draws"].to_numpy())
    assert drawn[~parts.data.splits["train"].samples.clean].sum() == 0
    assert drawn.sum() == 9 * 4


def test_overfitting_sees_the_same_few_of_both_kinds(tmp_path: Path) -> None:
    watch = Watch(odd=1.0)
    trained(tmp_path, watch, "data.clean_per_batch=1", "trainer.overfit_batches=1")
    assert watch.clean == [1] * 3
    assert len({tuple(sorted(row)) for row in watch.rows}) == 1


def test_what_cannot_be_is_refused_before_any_training(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"clean_per_batch=4 must be smaller than data\.batch_size=4"):
        trained(tmp_path / "a", NoiseStrategy(), "data.clean_per_batch=4")
    with pytest.raises(ConfigError, match="none of the 12 training samples is flagged so"):
        trained(tmp_path / "b", NoiseStrategy(), "data.clean_per_batch=1", "data.clean_fraction=0")
    with pytest.raises(ConfigError, match="'clean_per_batch' of Synthetic must be at least 0"):
        build(small_config("data.clean_per_batch=-1"), tmp_path / "c")


@pytest.mark.slow
def test_two_processes_draw_what_one_does(tmp_path: Path) -> None:
    clean = "data.clean_fraction=0.25"
    trained_apart(tmp_path / "one", "data.batch_size=8", "data.clean_per_batch=2", clean)
    ddp = ("trainer.devices=2", "trainer.strategy=ddp")
    trained_apart(tmp_path / "two", "data.batch_size=4", "data.clean_per_batch=1", *ddp, clean)
    one, two = (pd.read_csv(tmp_path / name / "draws.csv")["draws"].tolist() for name in ("one", "two"))
    assert one == two
    assert sum(one) == 2 * 16
