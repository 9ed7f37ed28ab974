"""The callbacks that save: best.ckpt by a validation score, last.ckpt to go on from, snapshots on the way."""

import math
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn

from segtrain.errors import ConfigError, TrainingError
from segtrain.training.checkpoint_io import AtomicCheckpointIO
from segtrain.training.steps import at_rest, stepped, validation_due

__all__ = ["BestCheckpoint", "LastCheckpoint", "Snapshots"]

_MOST_FAILURES = 3


class _Saving(Checkpoint):
    """What best and last share: a folder, and writes that are counted."""

    def __init__(self, dirpath: str | None) -> None:
        self.dirpath = dirpath

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.dirpath is None:
            self.dirpath = str(Path(trainer.default_root_dir) / "checkpoints")
        if not isinstance(trainer.strategy.checkpoint_io, AtomicCheckpointIO):
            trainer.strategy.checkpoint_io = AtomicCheckpointIO()

    def _write(self, trainer: Trainer, name: str, weights_only: bool = False) -> bool:
        """Save, on all processes together; say whether the file is on the disk."""
        assert self.dirpath is not None
        trainer.save_checkpoint(Path(self.dirpath) / name, weights_only=weights_only)
        written = trainer.strategy.checkpoint_io
        assert isinstance(written, AtomicCheckpointIO)
        failures, reason = trainer.strategy.broadcast((written.failures, written.reason))
        if failures >= _MOST_FAILURES:
            raise TrainingError(
                f"The last {failures} checkpoints could not be written to {self.dirpath}, so the training stops while "
                f"it can still be resumed: {reason}. Make room, then go on from the last.ckpt there."
            )
        return failures == 0


def _fitting(trainer: Trainer) -> bool:
    trial = trainer.sanity_checking or trainer.fast_dev_run  # type: ignore[attr-defined]
    return trainer.state.fn == TrainerFn.FITTING and not trial


class BestCheckpoint(_Saving):
    """Keep the weights with the best validation score as `best.ckpt`; a score that is not finite is never best.

    Args:
        monitor: a metric that the validation logs.
        mode: whether a higher or a lower score is better.
        dirpath: folder; null = `checkpoints` in the run's folder.
    """

    def __init__(
        self, *, monitor: str = "val/dice", mode: Literal["max", "min"] = "max", dirpath: str | None = None
    ) -> None:
        super().__init__(dirpath)
        self.monitor = monitor
        self.mode = mode
        self.best_model_score: float | None = None
        self.best_model_path = ""

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._score(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not _fitting(trainer):
            return
        score = trainer.strategy.broadcast(self._score(trainer))
        before = self.best_model_score, self.best_model_path
        if not math.isfinite(score) or (before[0] is not None and not self._better(score, before[0])):
            return
        # The state is part of the checkpoint, so it is changed first and taken back when the disk is full.
        self.best_model_score, self.best_model_path = score, str(Path(str(self.dirpath)) / "best.ckpt")
        if not self._write(trainer, "best.ckpt"):
            self.best_model_score, self.best_model_path = before

    def _score(self, trainer: Trainer) -> float:
        """Give the monitored metric.

        Raises:
            ConfigError: the validation does not log it.
        """
        logged = sorted(name for name in trainer.callback_metrics)
        if self.monitor not in logged:
            near = get_close_matches(self.monitor, logged, n=1)
            meant = f" Did you mean '{near[0]}'?" if near else ""
            raise ConfigError(
                f"The 'monitor' of BestCheckpoint must be a metric that the validation logs, got '{self.monitor}'."
                f"{meant} It logs: {', '.join(logged)}"
            )
        return float(trainer.callback_metrics[self.monitor])

    def _better(self, score: float, than: float) -> bool:
        return score > than if self.mode == "max" else score < than

    def state_dict(self) -> dict[str, Any]:
        return {"best_model_score": self.best_model_score, "best_model_path": self.best_model_path}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        here = Path(str(self.dirpath)) / "best.ckpt"
        for path in (here, Path(state_dict["best_model_path"])):  # the folder may have moved since
            if path.is_file():
                self.best_model_score, self.best_model_path = state_dict["best_model_score"], str(path)
                return


class LastCheckpoint(_Saving):
    """Save `last.ckpt` at the end of every epoch, so that the training can go on from there to the same bit.

    Args:
        every_n_steps: save after so many optimiser steps too; null = only at the end of an epoch.
        dirpath: folder; null = `checkpoints` in the run's folder.
    """

    def __init__(self, *, every_n_steps: int | None = None, dirpath: str | None = None) -> None:
        super().__init__(dirpath)
        if every_n_steps is not None and every_n_steps < 1:
            raise ConfigError(f"The 'every_n_steps' of LastCheckpoint must be at least 1 or null, got {every_n_steps}")
        self.every_n_steps = every_n_steps
        self._after_validation = False
        self._validation_ahead = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.every_n_steps is None or trainer.global_step % self.every_n_steps or not stepped(trainer, batch_idx):
            return
        if at_rest(trainer, batch_idx):
            self.save(trainer)
        else:
            self._after_validation = validation_due(trainer, batch_idx) and not trainer.is_last_batch

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._after_validation:
            self._after_validation = False
            self.save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.save(trainer)

    def save(self, trainer: Trainer, *, validation_ahead: bool = False) -> None:
        """Save now, on all processes together.

        Args:
            trainer: in fit.
            validation_ahead: the current validation is given up; a resumed training begins it anew.
        """
        if _fitting(trainer):
            self._validation_ahead = validation_ahead
            self._write(trainer, "last.ckpt")
            self._validation_ahead = False

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self._validation_ahead:
            # What Lightning's counters say within the first validation batch: it then begins the validation anew,
            # where any other count makes it leave out batches, or all of the validation.
            first = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
            progress = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
            progress |= {"total": first, "current": dict(first), "is_last_batch": False}


class Snapshots(_Saving):
    """Keep the weights of a few epochs, evenly spaced, as `snapshot<epoch>.ckpt`: what did the model believe before it
    knew a label by heart?

    Args:
        count: how many, the last epoch's among them, >= 1.
        dirpath: folder; null = `checkpoints` in the run's folder.
    """

    def __init__(self, *, count: int = 4, dirpath: str | None = None) -> None:
        super().__init__(dirpath)
        if count < 1:
            raise ConfigError(f"The 'count' of Snapshots must be at least 1, got {count}")
        self.count = count

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        done, epochs = trainer.current_epoch + 1, trainer.max_epochs or 0
        # An epoch's end that brings the training past another of the equal parts.
        if _fitting(trainer) and epochs > 0 and done * self.count // epochs > (done - 1) * self.count // epochs:
            self._write(trainer, f"snapshot{trainer.current_epoch:04d}.ckpt", weights_only=True)
