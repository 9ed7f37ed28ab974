"""What is told while a training runs, in a terminal and without one."""

import io
import re
import time
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from rich.console import Console

from segtrain.errors import ConfigError
from segtrain.training import BestCheckpoint, ProgressBar
from segtrain.training import progress as module
from segtrain.training.progress import Pace
from tests.training.tiny import IMAGES, TinyData, TinyTask, tiny_trainer

LINE = re.compile(
    r"epoch (\d)/3  loss (\d\.\d{4})  val/dice (\d\.\d{4})  best (\d\.\d{4})  (\S+) img/s  data wait (\d+)%  0:00:\d\d"
)


class Slow(pl.Callback):
    """Make steps take their time, as a device would."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_before_zero_grad(self, *args: Any) -> None:
        time.sleep(self.seconds)


def fit(folder: Path, bar: ProgressBar, *callbacks: pl.Callback, **options: Any) -> TinyTask:
    task = TinyTask()
    trainer = tiny_trainer(folder, callbacks=[*callbacks, bar, BestCheckpoint()], logger=False, **options)
    trainer.fit(task, datamodule=TinyData())
    return task


def test_a_line_an_epoch_where_there_is_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = fit(tmp_path, ProgressBar())
    lines = capsys.readouterr().out.splitlines()
    found = [LINE.fullmatch(line) for line in lines]
    assert len(lines) == 3
    assert all(found), lines
    told = [match.groups() for match in found if match]
    assert [groups[0] for groups in told] == ["1", "2", "3"]
    assert told[-1][1] == f"{float(task.losses[-1]):.4f}"
    assert told[-1][3] == max(groups[2] for groups in told)
    assert "\x1b" not in "".join(lines)


def test_lines_within_a_long_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, ProgressBar(line_seconds=0.1), Slow(0.07), max_epochs=1)
    *within, last = capsys.readouterr().out.splitlines()
    assert 3 <= len(within) <= 6
    assert all(re.match(r"epoch 1/1  batch [1-6]/6  loss \d", line) for line in within)
    assert "batch" not in last


def test_the_bar_in_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(module, "Console", lambda **_: Console(file=screen, force_terminal=True, width=200))
    fit(tmp_path, ProgressBar(refresh_seconds=0.01), Slow(0.02))
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert len(LINE.findall(shown)) == 3
    assert re.search(r"epoch 2/3 .* [1-6]/6 .* loss \d\.\d{4}", shown)
    assert re.search(r"validation .*/3", shown)
    assert screen.getvalue().count("\x1b[?25l") == screen.getvalue().count("\x1b[?25h")  # the cursor is back


def test_the_cursor_comes_back_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dies(pl.Callback):
        def on_train_batch_end(self, *args: Any) -> None:
            raise RuntimeError("a mistake")

    screen = io.StringIO()
    monkeypatch.setattr(module, "Console", lambda **_: Console(file=screen, force_terminal=True))
    with pytest.raises(RuntimeError, match="a mistake"):
        fit(tmp_path, ProgressBar(), Dies())
    assert screen.getvalue().count("\x1b[?25l") == screen.getvalue().count("\x1b[?25h") > 0


def test_the_wait_is_told_from_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three batches of 4 images: 1 s of waiting and 3 s of work each, and a validation of 50 s between."""
    clock = iter([0.0, 1.0, 4.0, 5.0, 8.0, 58.0, 59.0, 62.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    pace = Pace()
    for batch in range(3):
        if batch == 2:
            pace.rest()
        pace.begin()
        pace.end(4)
    assert str(pace) == "1 img/s  data wait 25%"


def test_the_speed_is_that_of_the_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, ProgressBar(), Slow(0.05), max_epochs=1)
    seconds = IMAGES / float(re.findall(r"(\S+) img/s", capsys.readouterr().out)[0])
    assert 6 * 0.05 <= seconds < 6 * 0.05 + 5.0


def test_validation_is_no_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class SlowValidation(pl.Callback):
        def on_validation_batch_start(self, *args: Any) -> None:
            time.sleep(0.3)

    fit(tmp_path, ProgressBar(), Slow(0.05), SlowValidation(), max_epochs=1, val_check_interval=2)
    wait = int(re.findall(r"data wait (\d+)%", capsys.readouterr().out)[0])
    assert wait < 50  # the two validations within the epoch took 1.8 s, the steps 0.3 s


def test_the_loss_is_read_once_a_second_only(tmp_path: Path) -> None:
    """A look at it waits for the device."""

    class Counting(ProgressBar):
        looks = 0

        def _told(self, trainer: pl.Trainer) -> str:
            self.looks += 1
            return super()._told(trainer)

    bar = Counting()
    fit(tmp_path, bar)
    assert bar.looks == 3  # the ends of the epochs


@pytest.mark.parametrize("name", ["refresh_seconds", "line_seconds"])
def test_out_of_range(name: str) -> None:
    with pytest.raises(ConfigError, match=f"The '{name}' of ProgressBar must be greater than 0, got 0"):
        ProgressBar(**{name: 0})
