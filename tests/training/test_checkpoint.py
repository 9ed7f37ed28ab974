"""Checkpoints under a kill, a full disk, a NaN, and hands that put something else in their place."""

import errno
import os
import resource
import signal
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from segtrain.errors import CheckpointError, ConfigError, TrainingError
from segtrain.training import AtomicCheckpointIO, BestCheckpoint, LastCheckpoint, Seeding, Snapshots, read_checkpoint
from tests.training.tiny import BATCH, IMAGES, TinyData, TinyTask, run_tiny, tiny_trainer

STEPS = IMAGES // BATCH


def whole(fill: float, size: int = 10) -> dict[str, Any]:
    return {"state_dict": {"weight": torch.full((size,), fill)}, "pytorch-lightning_version": "2.6.6"}


# Writing


def test_the_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new file is written in the same folder, so that it is renamed and never copied (Lightning's is copied)."""
    renamed: list[tuple[Path, Path]] = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: renamed.append((self, target)) or replace(self, target))
    path = tmp_path / "new folder" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(whole(1.0), path)
    assert [(source.parent, target) for source, target in renamed] == [(path.parent, path)]
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]
    assert torch.equal(read_checkpoint(path)["state_dict"]["weight"], torch.ones(10))


def write_until_killed(path: Path) -> None:
    io, state = AtomicCheckpointIO(), whole(0.0, 200_000)
    while True:
        state["state_dict"]["weight"] += 1
        io.save_checkpoint(state, path)


@pytest.mark.parametrize("kills", [8, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_kill_while_writing_leaves_a_whole_checkpoint(tmp_path: Path, kills: int) -> None:
    """Forked, as so many imports of torch would take minutes."""
    path = tmp_path / "last.ckpt"
    for attempt in range(kills):
        if (child := os.fork()) == 0:
            write_until_killed(path)
        while not path.exists():
            time.sleep(0.001)
        time.sleep(0.005 + 0.0007 * attempt)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        weight = read_checkpoint(path)["state_dict"]["weight"]
        assert weight.unique().numel() == 1
        assert {file.name for file in tmp_path.iterdir()} <= {"last.ckpt", "last.ckpt.part"}  # nothing piles up


@pytest.fixture
def no_room() -> Any:
    """Let no file grow beyond 20 kB, as the disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path: Path, no_room: None) -> None:
    io, path = AtomicCheckpointIO(), tmp_path / "last.ckpt"
    io.save_checkpoint(whole(1.0), path)
    with pytest.warns(UserWarning, match="the previous last.ckpt is kept"):
        io.save_checkpoint(whole(2.0, 100_000), path)
    assert io.failures == 1
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
    assert read_checkpoint(path)["state_dict"]["weight"][0] == 1
    io.save_checkpoint(whole(3.0), path)
    assert io.failures == 0


class FullDisk(pl.Callback):
    """Fill the disk in some epochs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *epochs: int) -> None:
        self.epochs = epochs
        self.full = False
        save = torch.save

        def limited(state: Any, file: Any) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            save(state, file)

        monkeypatch.setattr(torch, "save", limited)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.full = trainer.current_epoch in self.epochs


def test_a_training_goes_on_over_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch, 1)
    with pytest.warns(UserWarning, match="No space left"):
        _, trainer = run_tiny(tmp_path, disk)
    assert trainer.current_epoch == 3
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["global_step"] == 3 * STEPS


def test_a_disk_that_stays_full_ends_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch, *range(1, 20))
    with pytest.warns(UserWarning, match="is kept"), pytest.raises(TrainingError, match=r"The last 3 .* No space left"):
        run_tiny(tmp_path, disk, max_epochs=20)
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["epoch"] == 0


def test_a_best_that_could_not_be_written_is_not_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    best = BestCheckpoint(monitor="val/score")
    disk = FullDisk(monkeypatch, 1)
    with pytest.warns(UserWarning, match=r"best.ckpt could not be written"):
        fit_scores(tmp_path, best, [0.1, 0.5, 0.3], disk)
    assert best.best_model_score == pytest.approx(0.3)
    assert read_checkpoint(Path(best.best_model_path))["epoch"] == 2


# Which is best


class Scores(TinyTask):
    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores = scores

    def on_validation_epoch_end(self) -> None:
        self.log("val/score", self.scores[min(self.current_epoch, len(self.scores) - 1)])


def fit_scores(folder: Path, best: BestCheckpoint, scores: list[float], *others: pl.Callback) -> None:
    trainer = tiny_trainer(folder, max_epochs=len(scores), callbacks=[*others, best], logger=False)
    trainer.fit(Scores(scores), datamodule=TinyData())


@pytest.mark.parametrize(
    ("mode", "scores", "epoch"),
    [
        ("max", [0.1, 0.4, 0.2], 1),
        ("min", [0.3, 0.1, 0.2], 1),
        ("max", [float("nan"), 0.2, float("nan")], 1),
        ("max", [0.2, float("inf"), 0.1], 0),
        ("min", [0.2, float("-inf"), 0.1], 2),
        ("max", [0.2, 0.2, 0.2], 0),  # the first of equals
    ],
)
def test_the_best_is_kept(tmp_path: Path, mode: Any, scores: list[float], epoch: int) -> None:
    best = BestCheckpoint(monitor="val/score", mode=mode)
    fit_scores(tmp_path, best, scores)
    assert best.best_model_score == pytest.approx(scores[epoch])
    assert best.best_model_path == str(tmp_path / "checkpoints" / "best.ckpt")
    assert read_checkpoint(tmp_path / "checkpoints" / "best.ckpt")["epoch"] == epoch


def test_a_nan_is_never_best(tmp_path: Path) -> None:
    best = BestCheckpoint(monitor="val/score")
    fit_scores(tmp_path, best, [float("nan")] * 2)
    assert (best.best_model_score, best.best_model_path) == (None, "")
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("sanity_steps", [0, 1])
def test_a_misspelt_monitor_is_told_before_the_first_epoch_if_it_can(tmp_path: Path, sanity_steps: int) -> None:
    task = Scores([0.5])
    best = BestCheckpoint(monitor="val/scor")
    trainer = tiny_trainer(tmp_path, callbacks=[best], logger=False, num_sanity_val_steps=sanity_steps)
    with pytest.raises(ConfigError, match="Did you mean 'val/score'"):
        trainer.fit(task, datamodule=TinyData())
    assert len(task.losses) == (0 if sanity_steps else STEPS)


def test_the_best_so_far_outlives_a_resume(tmp_path: Path) -> None:
    fit_scores(tmp_path, BestCheckpoint(monitor="val/score"), [0.9], LastCheckpoint())
    best = BestCheckpoint(monitor="val/score")
    trainer = tiny_trainer(tmp_path, max_epochs=3, callbacks=[best, LastCheckpoint()], logger=False)
    last = tmp_path / "checkpoints" / "last.ckpt"
    trainer.fit(Scores([0.9, 0.5, 0.6]), datamodule=TinyData(), ckpt_path=last, weights_only=True)
    assert best.best_model_score == pytest.approx(0.9)
    assert read_checkpoint(tmp_path / "checkpoints" / "best.ckpt")["epoch"] == 0


@pytest.mark.parametrize(("epochs", "count", "kept"), [(4, 2, [1, 3]), (5, 2, [2, 4]), (3, 9, [0, 1, 2]), (3, 1, [2])])
def test_snapshots_are_evenly_spaced(tmp_path: Path, epochs: int, count: int, kept: list[int]) -> None:
    trainer = tiny_trainer(tmp_path, max_epochs=epochs, callbacks=[Snapshots(count=count)], logger=False)
    trainer.fit(TinyTask(), datamodule=TinyData())
    files = sorted((tmp_path / "checkpoints").iterdir())
    assert [file.name for file in files] == [f"snapshot{epoch:04d}.ckpt" for epoch in kept]
    assert [read_checkpoint(file)["epoch"] for file in files] == kept
    weights = [read_checkpoint(file)["state_dict"] for file in files]
    assert all(any((a[k] != b[k]).any() for k in a) for a, b in pairwise(weights))


def test_a_best_whose_file_is_gone_is_forgotten(tmp_path: Path) -> None:
    fit_scores(tmp_path, BestCheckpoint(monitor="val/score"), [0.9], LastCheckpoint())
    (tmp_path / "checkpoints" / "best.ckpt").unlink()
    best = BestCheckpoint(monitor="val/score")
    trainer = tiny_trainer(tmp_path, max_epochs=3, callbacks=[best], logger=False)
    last = tmp_path / "checkpoints" / "last.ckpt"
    trainer.fit(Scores([0.9, 0.5, 0.6]), datamodule=TinyData(), ckpt_path=last, weights_only=True)
    assert best.best_model_score == pytest.approx(0.6)


# The last


class Steps(pl.Callback):
    """Note after each batch which step last.ckpt is of."""

    def __init__(self, folder: Path) -> None:
        self.last = folder / "checkpoints" / "last.ckpt"
        self.seen: list[int | None] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        self.seen.append(read_checkpoint(self.last)["global_step"] if self.last.exists() else None)


@pytest.mark.parametrize(
    ("every", "options", "seen"),
    [
        (None, {}, [None] * 6 + [6] * 6),
        (4, {}, [None] * 4 + [4] * 2 + [6] * 2 + [8] * 4),
        (2, {"accumulate_grad_batches": 2}, [None] * 4 + [2] * 2 + [3] * 2 + [4] * 4),
        (2, {"val_check_interval": 2}, [None] * 2 + [2] * 2 + [4] * 2 + [6] * 2 + [8] * 2 + [10] * 2),
    ],
)
def test_when_the_last_is_saved(tmp_path: Path, every: int | None, options: dict[str, Any], seen: list[Any]) -> None:
    steps = Steps(tmp_path)
    callbacks = [Seeding(0), steps, LastCheckpoint(every_n_steps=every)]
    trainer = tiny_trainer(tmp_path, max_epochs=2, callbacks=callbacks, logger=False, **options)
    trainer.fit(TinyTask(), datamodule=TinyData())
    assert steps.seen == seen


class KillAt(pl.Callback):
    """Break off without a chance to save."""

    def __init__(self, hook: str, step: int) -> None:
        self.step = step
        setattr(self, hook, self._kill)

    def _kill(self, trainer: pl.Trainer, *args: Any) -> None:
        if trainer.global_step == self.step and not trainer.sanity_checking:
            raise RuntimeError("killed")


@pytest.mark.parametrize(
    ("every", "interval", "hook", "step", "saved"),
    [
        (4, 1.0, "on_train_batch_start", 11, 8),
        (2, 2, "on_train_batch_start", 11, 10),
        (3, 2, "on_train_batch_start", 11, 9),
        (2, 2, "on_validation_start", 10, 8),  # the validation after step 10 is part of the state of step 10
        (4, 1.0, "on_validation_start", 12, 8),
    ],
)
def test_resumes_bitwise_from_any_step(
    tmp_path: Path, every: int, interval: Any, hook: str, step: int, saved: int
) -> None:
    def fit(folder: Path, ckpt: Path | None, *extra: pl.Callback) -> TinyTask:
        callbacks = [Seeding(0), *extra, BestCheckpoint(), LastCheckpoint(every_n_steps=every)]
        task = TinyTask()
        trainer = tiny_trainer(folder, callbacks=callbacks, val_check_interval=interval)
        trainer.fit(task, datamodule=TinyData(), ckpt_path=ckpt, weights_only=True)
        return task

    unbroken = fit(tmp_path / "unbroken", None).state_dict()
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path / "killed", None, KillAt(hook, step))
    last = tmp_path / "killed" / "checkpoints" / "last.ckpt"
    assert read_checkpoint(last)["global_step"] == saved
    resumed = fit(tmp_path / "killed", last).state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in unbroken.items())
    csvs = [(tmp_path / name / "metrics.csv").read_text() for name in ("unbroken", "killed")]
    assert csvs[0] == csvs[1]


def test_nothing_is_saved_in_a_trial_run(tmp_path: Path) -> None:
    run_tiny(tmp_path, fast_dev_run=2)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("make", [lambda: LastCheckpoint(every_n_steps=0), lambda: LastCheckpoint(every_n_steps=-1)])
def test_out_of_range(make: Any) -> None:
    with pytest.raises(ConfigError, match="every_n_steps"):
        make()


# Reading


def test_a_training_is_read_without_executing_anything(tmp_path: Path) -> None:
    run_tiny(tmp_path, max_epochs=1)
    for name in ("best", "last"):
        file = tmp_path / "checkpoints" / f"{name}.ckpt"
        assert torch.load(file, weights_only=True)["global_step"] == STEPS


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("executed",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "There is no checkpoint"),
        (b"", "0 bytes"),
        (b"not a checkpoint", "truncated or no checkpoint|holds more than weights"),
        ("half", "truncated"),
        ("evil", "holds more than weights"),
        ("foreign", "no checkpoint of a training"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_a_sentence(tmp_path: Path, content: Any, told: str) -> None:
    path = tmp_path / "some.ckpt"
    match content:
        case bytes():
            path.write_bytes(content)
        case "half":
            torch.save(whole(1.0, 10_000), path)
            path.write_bytes(path.read_bytes()[:20_000])
        case "evil":
            torch.save({"state_dict": Evil()}, path)
        case "foreign":
            torch.save({"model": torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match=told) as error:
        read_checkpoint(path)
    assert str(path) in str(error.value)
    assert not Path("executed").exists()


def test_lightning_itself_reads_that_way(tmp_path: Path) -> None:
    (tmp_path / "evil.ckpt").parent.mkdir(exist_ok=True)
    torch.save({"state_dict": Evil(), "pytorch-lightning_version": "2.6.6"}, tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError, match="holds more than weights"):
        run_tiny(tmp_path, ckpt=tmp_path / "evil.ckpt")
    assert not Path("executed").exists()
