"""How a training is getting on: a bar in a terminal, plain lines elsewhere."""

import time
from datetime import timedelta
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor

from segtrain.errors import ConfigError
from segtrain.training.checkpoint import BestCheckpoint
from segtrain.types import Batch

__all__ = ["ProgressBar"]


class Pace:
    """Images a second, and the share of the time that went by waiting for them."""

    def __init__(self) -> None:
        self.images = 0
        self.waited = 0.0
        self.worked = 0.0
        self._mark = time.perf_counter()

    def rest(self) -> None:
        """Leave out what has gone by since the last batch."""
        self._mark = time.perf_counter()

    def begin(self) -> None:
        self.waited += self._lap()

    def end(self, images: int) -> None:
        self.worked += self._lap()
        self.images += images

    def _lap(self) -> float:
        now = time.perf_counter()
        lap, self._mark = now - self._mark, now
        return lap

    def __str__(self) -> str:
        seconds = max(self.waited + self.worked, 1e-9)
        return f"{self.images / seconds:.4g} img/s  data wait {self.waited / seconds:.0%}"


class ProgressBar(Callback):
    """Show epoch, loss, images a second, the share of the time spent waiting for data, and the best score so far.

    The wait is the host's: on a GPU that is kept busy it is near 0 %, as the host then waits in the step instead.

    Args:
        refresh_seconds: between two looks at the loss, each of which waits for the device, > 0.
        line_seconds: where there is no terminal, between two lines within an epoch, > 0.
    """

    def __init__(self, *, refresh_seconds: float = 1.0, line_seconds: float = 60.0) -> None:
        for name, value in (("refresh_seconds", refresh_seconds), ("line_seconds", line_seconds)):
            if value <= 0:
                raise ConfigError(f"The '{name}' of ProgressBar must be greater than 0, got {value}")
        self.refresh_seconds = refresh_seconds
        self.line_seconds = line_seconds
        self._pace = Pace()
        self._began = self._shown = 0.0
        self._loss: Tensor | None = None
        self._console: Console | None = None
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._open(trainer)
        self._start_epoch(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start_epoch(trainer)

    def on_train_batch_start(self, *args: Any, **kwargs: Any) -> None:
        self._pace.begin()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self._pace.end(len(batch.image) * trainer.world_size)
        self._loss = outputs["loss"]
        if self._due():
            if self._bar is not None:
                self._bar.update(self._task, completed=batch_idx + 1, told=self._told(trainer))
            elif self._console is not None:
                batches = f"batch {batch_idx + 1}/{trainer.num_training_batches}"
                self._line(f"{_epoch(trainer)}  {batches}  {self._told(trainer)}")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        took = timedelta(seconds=round(time.monotonic() - self._began))
        self._line(f"{_epoch(trainer)}  {self._told(trainer)}  {took}")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._phase("validation", sum(trainer.num_val_batches))

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        if self._bar is not None and self._due():
            self._bar.update(self._task, completed=batch_idx + 1)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.training or trainer.validating:
            self._phase(_epoch(trainer), trainer.num_training_batches, trainer.fit_loop.batch_idx + 1)
        self._pace.rest()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._close()

    # The display, in the first process only

    def _open(self, trainer: Trainer) -> None:
        if not trainer.is_global_zero:
            return
        self._console = Console(soft_wrap=True)
        if self._console.is_terminal:
            columns = TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn()
            self._bar = Progress(*columns, TextColumn("{task.fields[told]}"), console=self._console, transient=True)
            self._task = self._bar.add_task("", told="")
            self._bar.start()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._console = None

    def _start_epoch(self, trainer: Trainer) -> None:
        self._pace = Pace()
        self._began = self._shown = time.monotonic()
        self._phase(_epoch(trainer), trainer.num_training_batches)

    def _phase(self, name: str, total: float, completed: int = 0) -> None:
        if self._bar is not None:
            self._bar.reset(self._task, description=name, total=total, completed=completed)

    def _due(self) -> bool:
        now = time.monotonic()
        due = now - self._shown >= (self.refresh_seconds if self._bar is not None else self.line_seconds)
        if due:
            self._shown = now
        return due

    def _line(self, text: str) -> None:
        if self._console is not None:
            self._console.print(text, highlight=False, markup=False)

    def _told(self, trainer: Trainer) -> str:
        parts = [] if self._loss is None else [f"loss {float(self._loss):.4f}"]
        best = next((c for c in trainer.callbacks if isinstance(c, BestCheckpoint)), None)  # type: ignore[attr-defined]
        if best is not None and best.monitor in trainer.callback_metrics:
            parts.append(f"{best.monitor} {float(trainer.callback_metrics[best.monitor]):.4f}")
        if best is not None and best.best_model_score is not None:
            parts.append(f"best {best.best_model_score:.4f}")
        return "  ".join([*parts, str(self._pace)])


def _epoch(trainer: Trainer) -> str:
    limit = trainer.max_epochs
    return f"epoch {trainer.current_epoch + 1}" + (f"/{limit}" if limit is not None and limit > 0 else "")
