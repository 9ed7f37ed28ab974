"""Ending a training that was asked to end: finish the step, save, flush the loggers, and say so in the exit status.

Under several processes one may hear of a signal before the others; they then agree, over a group of their own that
waits for no device, every `_AGREE_EVERY` batches, so that all save and stop at the same step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn

from segtrain.training.checkpoint import LastCheckpoint
from segtrain.training.safe_logger import close
from segtrain.training.signals import Interrupted, Signals
from segtrain.training.steps import at_rest

__all__ = ["StopOnSignal", "ends_truly"]

_AGREE_EVERY = 10


@contextmanager
def ends_truly(trainer: Trainer) -> Iterator[None]:
    """Let fit, validate and test of `trainer` be ended by a signal as they should be, and close its loggers after all.

    Raises:
        Interrupted: a signal came. Nothing else is said of a failure that the signal brought about, such as workers
            that died of it.
    """
    exit_code = 1
    with Signals() as signals:
        stop = StopOnSignal(signals)
        trainer.callbacks.append(stop)  # type: ignore[attr-defined]
        try:
            yield
            exit_code = 0
        except Interrupted as interrupted:
            exit_code = interrupted.exit_status
            raise
        except Exception as error:
            if signals.pending is None:
                raise
            exit_code = Interrupted(signals.pending).exit_status
            raise Interrupted(signals.pending) from error
        finally:
            trainer.callbacks.remove(stop)  # type: ignore[attr-defined]
            close(trainer.loggers, exit_code)


class StopOnSignal(Callback):
    """Ends fit, validate, test and predict where all that has been done is saved or can be done again.

    Args:
        signals: what came.
    """

    def __init__(self, signals: Signals) -> None:
        self.signals = signals
        self._asked: int | None = None
        self._group: Any = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if trainer.world_size > 1 and self._group is None:
            self._group = dist.new_group(backend="gloo")
        self._stop_if_asked(trainer)

    # Lightning takes SIGTERM for itself just before these two.

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.signals.install()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.signals.install()
        self._stop_if_asked(trainer)

    # In training: save when the step is done, stop when its metrics are logged, too.

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop_if_asked(trainer)  # last.ckpt was saved at the end of the epoch before

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not at_rest(trainer, batch_idx) or (trainer.world_size > 1 and (batch_idx + 1) % _AGREE_EVERY):
            return
        self._asked = self._agreed(trainer)
        if self._asked is not None:
            _save(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self._asked is not None:
            raise Interrupted(self._asked)

    # In validation: give it up, to be begun anew. Processes may have unlike numbers of batches, so they agree before.

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.signals.install()
        self._give_up_validation(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        if trainer.world_size == 1:
            self._give_up_validation(trainer)

    def _give_up_validation(self, trainer: Trainer) -> None:
        self._asked = self._agreed(trainer)
        if self._asked is None:
            return
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            _save(trainer, validation_ahead=True)
        raise Interrupted(self._asked)

    # Elsewhere there is nothing to save.

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.signals.install()
        self._stop_if_asked(trainer)

    def on_test_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        if trainer.world_size == 1:
            self._stop_if_asked(trainer)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.signals.install()

    def on_predict_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        if trainer.world_size == 1:
            self._stop_if_asked(trainer)

    def _stop_if_asked(self, trainer: Trainer) -> None:
        if (number := self._agreed(trainer)) is not None:
            raise Interrupted(number)

    def _agreed(self, trainer: Trainer) -> int | None:
        """Give the signal that any process got, the same answer to all."""
        if trainer.world_size == 1:
            return self.signals.pending
        number = torch.tensor(self.signals.pending or 0)
        dist.all_reduce(number, dist.ReduceOp.MAX, group=self._group)
        return int(number) or None


def _save(trainer: Trainer, *, validation_ahead: bool = False) -> None:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, LastCheckpoint):
            callback.save(trainer, validation_ahead=validation_ahead)
