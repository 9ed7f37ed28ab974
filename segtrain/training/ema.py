"""Averaged weights, beside the weights that are trained and never in their place."""

import copy
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from segtrain.errors import ConfigError
from segtrain.models.teacher import average
from segtrain.training.steps import stepped

__all__ = ["EMA"]


class EMA(Callback):
    """Keep an exponential moving average of the model's weights, for `predict_with=ema`.

    After optimiser step t the average moves as `segtrain.models.average` says (Tarvainen and Valpola 2017). It is a
    module of the task, so that a checkpoint holds both at any moment, and nothing is ever swapped.

    Args:
        decay: in (0, 1).
        every_n_steps: optimiser steps between two updates, >= 1; then t counts updates.
    """

    def __init__(self, *, decay: float = 0.999, every_n_steps: int = 1) -> None:
        if not 0 < decay < 1:
            raise ConfigError(f"The 'decay' of EMA must be in (0, 1), got {decay}")
        if every_n_steps < 1:
            raise ConfigError(f"The 'every_n_steps' of EMA must be at least 1, got {every_n_steps}")
        self.decay = decay
        self.every_n_steps = every_n_steps

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        if pl_module.ema is None:
            pl_module.attach_ema(copy.deepcopy(pl_module.model).requires_grad_(False))

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        pl_module.ema.eval()  # not before: Lightning warns of modules that start a training in evaluation mode

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not stepped(trainer, batch_idx) or trainer.global_step % self.every_n_steps:
            return
        updates = trainer.global_step // self.every_n_steps
        average(pl_module.ema, pl_module.model, self.decay, updates)  # type: ignore[arg-type]
