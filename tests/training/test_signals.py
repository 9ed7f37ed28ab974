"""Signals end a training where it can go on to the same bit, with the exit status that tells of them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from segtrain.training import Interrupted, Signals, StopOnSignal, ends_truly, stop_if_asked
from segtrain.training.checkpoint_io import read_checkpoint
from tests.training.tiny import BATCH, IMAGES, SignalMyself, TinyData, TinyTask, run_tiny, tiny_trainer

ROOT = Path(__file__).parent.parent.parent
STEPS = IMAGES // BATCH


_unbroken: dict[str, tuple[Path, TinyTask, pl.Trainer]] = {}


def unbroken_run(folder: Path, options: dict[str, Any]) -> tuple[Path, TinyTask, pl.Trainer]:
    """Train without a signal, once for each set of options."""
    if str(options) not in _unbroken:
        _unbroken[str(options)] = (folder / "unbroken", *run_tiny(folder / "unbroken", **options))
    return _unbroken[str(options)]


def assert_resumes_as_if_nothing_had_been(folder: Path, stop: pl.Callback, code: int, **options: Any) -> int:
    """Stop and resume in one folder; weights, metrics and best score must agree to the bit with the unbroken run's."""
    whole, unbroken, reference = unbroken_run(folder, options)
    with pytest.raises(Interrupted) as interrupted:
        run_tiny(folder / "stopped", stop, **options)
    assert interrupted.value.code == code
    last = folder / "stopped" / "checkpoints" / "last.ckpt"
    steps = read_checkpoint(last)["global_step"]
    resumed, trainer = run_tiny(folder / "stopped", ckpt=last, **options)
    for name, value in unbroken.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert trainer.global_step == reference.global_step
    assert (folder / "stopped" / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    assert best_score(folder / "stopped") == best_score(whole)
    return steps


def best_score(folder: Path) -> tuple[float, int]:
    best = read_checkpoint(folder / "checkpoints" / "best.ckpt")
    return best["callbacks"]["BestCheckpoint"]["best_model_score"], best["global_step"]


@pytest.mark.parametrize(
    ("hook", "count", "steps"),
    [
        ("on_train_batch_start", 3, 3),
        ("on_train_batch_end", 1, 1),
        ("on_train_batch_start", STEPS, STEPS),  # the last batch of an epoch: validation is next
        ("on_train_batch_end", 2 * STEPS, 2 * STEPS),
        ("on_validation_batch_start", 3, STEPS),  # the first two are the sanity check's
        ("on_validation_batch_end", 4, STEPS),
        ("on_validation_epoch_end", 2, STEPS),
        ("on_train_epoch_end", 1, STEPS),
        ("on_train_epoch_start", 3, 2 * STEPS),
    ],
)
def test_stops_anywhere_in_training(tmp_path: Path, hook: str, count: int, steps: int) -> None:
    assert assert_resumes_as_if_nothing_had_been(tmp_path, SignalMyself(hook, count, "SIGTERM"), 143) == steps


@pytest.mark.parametrize(("hook", "count"), [("on_train_batch_end", 2), ("on_validation_batch_end", 4)])
def test_stops_where_validation_comes_within_epochs(tmp_path: Path, hook: str, count: int) -> None:
    stop = SignalMyself(hook, count, "SIGUSR1")
    assert assert_resumes_as_if_nothing_had_been(tmp_path, stop, 143, val_check_interval=2) == 2


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_waits_for_the_optimiser_under_accumulation(tmp_path: Path, name: str, code: int) -> None:
    """Lightning, which takes SIGTERM for itself, would stop here with a gradient lost and status 0."""
    stop = SignalMyself("on_train_batch_end", 4, name)
    steps = assert_resumes_as_if_nothing_had_been(tmp_path, stop, code, accumulate_grad_batches=3)
    assert steps == 2  # batch 4 is the first of three; batch 6 ends the epoch


def test_stops_under_a_limit_of_steps(tmp_path: Path) -> None:
    stop = SignalMyself("on_train_batch_end", 8, "SIGTERM")
    assert assert_resumes_as_if_nothing_had_been(tmp_path, stop, 143, max_epochs=-1, max_steps=15) == 8


def test_a_signal_in_the_sanity_check_saves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="SIGTERM"):
        run_tiny(tmp_path, SignalMyself("on_validation_batch_start", 1, "SIGTERM"))
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()


def test_a_signal_in_test_ends_it(tmp_path: Path) -> None:
    stop = SignalMyself("on_test_batch_start", 2, "SIGTERM")
    trainer = tiny_trainer(tmp_path, stop)
    with pytest.raises(Interrupted), ends_truly(trainer):
        trainer.test(TinyTask(), datamodule=TinyData(), verbose=False)
    assert stop.left == 0  # the third batch never came


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    first, second = (SignalMyself("on_train_batch_start", 3, "SIGINT") for _ in range(2))
    with pytest.raises(Interrupted, match="Ctrl-C") as interrupted:
        run_tiny(tmp_path, first, second)
    assert interrupted.value.code == 130
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()  # not even the step was finished


def test_a_second_sigterm_changes_nothing(tmp_path: Path) -> None:
    first, second = (SignalMyself("on_train_batch_start", 3, "SIGTERM") for _ in range(2))
    with pytest.raises(Interrupted, match="SIGTERM"):
        run_tiny(tmp_path, first, second)
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["global_step"] == 3


def test_a_failure_that_the_signal_brought_about_is_the_signals(tmp_path: Path) -> None:
    class Dies(pl.Callback):
        def on_train_batch_start(self, *args: Any) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            raise RuntimeError("a worker is killed by signal: Terminated")

    with pytest.raises(Interrupted) as interrupted:
        run_tiny(tmp_path, Dies())
    assert "Terminated" in str(interrupted.value.__cause__)


def test_another_failure_stays_itself(tmp_path: Path) -> None:
    class Dies(pl.Callback):
        def on_train_batch_start(self, *args: Any) -> None:
            raise RuntimeError("a mistake")

    with pytest.raises(RuntimeError, match="a mistake"):
        run_tiny(tmp_path, Dies())


def test_the_handlers_of_before_come_back(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)]
    run_tiny(tmp_path, max_epochs=1)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)] == before


def test_long_work_between_epochs_can_ask() -> None:
    stop_if_asked()  # nobody listens
    with Signals() as signals:
        stop_if_asked()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted):
            stop_if_asked()
        assert signals.pending == signal.SIGTERM


def test_the_callback_is_taken_out_again(tmp_path: Path) -> None:
    _, trainer = run_tiny(tmp_path, max_epochs=1)
    assert not any(isinstance(callback, StopOnSignal) for callback in trainer.callbacks)


# Real processes


def program(folder: Path, *options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.training.tiny", str(folder), *options]
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=240)
    return process.returncode, output


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 300
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert path.exists()


def test_a_real_process_ends_with_the_true_status(tmp_path: Path) -> None:
    stopped = program(tmp_path / "a", "signal=SIGTERM", "hook=on_validation_batch_end", "count=4")
    asked = program(tmp_path / "b", "epochs=100000")
    wait_for(tmp_path / "b" / "checkpoints" / "last.ckpt")
    asked.send_signal(signal.SIGINT)
    code, output = ended(asked)
    assert code == 130, output
    assert "finishing the step" in output
    code, output = ended(stopped)
    assert code == 143, output
    assert read_checkpoint(tmp_path / "a" / "checkpoints" / "last.ckpt")["global_step"] == STEPS


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_to_workers_too(tmp_path: Path, name: str) -> None:
    """A scheduler, or a terminal's Ctrl-C, signals every process of the training, not only the first."""
    last = tmp_path / "checkpoints" / "last.ckpt"
    process = program(tmp_path, "epochs=100000", "workers=2")
    wait_for(last)
    signalled = time.time()
    os.killpg(process.pid, getattr(signal, name))
    code, output = ended(process)
    assert code == {"SIGTERM": 143, "SIGINT": 130}[name], output
    assert "killed by signal" not in output  # the workers lived on
    assert last.stat().st_mtime > signalled
    read_checkpoint(last)


@pytest.mark.slow
def test_two_processes_stop_at_one_step(tmp_path: Path) -> None:
    process = program(tmp_path, "devices=2", "epochs=100000")
    wait_for(tmp_path / "checkpoints" / "last.ckpt")
    process.send_signal(signal.SIGTERM)  # the first alone
    code, output = ended(process)
    assert code == 143, output
    read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")
