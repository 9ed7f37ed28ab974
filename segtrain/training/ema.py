"""Averaged weights, beside the weights that are trained and never in their place."""

import copy
from itertools import chain
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from segtrain.errors import ConfigError
from segtrain.training.steps import stepped

__all__ = ["EMA"]


class EMA(Callback):
    """Keep an exponential moving average of the model's weights, for `predict_with=ema`.

    After optimiser step t the average moves by 1 - min(decay, 1 - 1 / (t + 1)) towards the weights (Tarvainen and
    Valpola 2017, with the ramp of the authors' code). Floating-point buffers, such as the statistics of batch norm,
    are averaged with the weights; others are copied. The average is a module of the task, so that a checkpoint holds
    both at any moment, and nothing is ever swapped.

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
        self._averaged: tuple[list[Tensor], list[Tensor]] = ([], [])
        self._copied: tuple[list[Tensor], list[Tensor]] = ([], [])

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        if pl_module.ema is None:
            pl_module.attach_ema(copy.deepcopy(pl_module.model).requires_grad_(False))

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        pl_module.ema.eval()  # not before: Lightning warns of modules that start a training in evaluation mode
        pairs = list(zip(_tensors(pl_module.ema), _tensors(pl_module.model), strict=True))
        self._averaged = _columns([pair for pair in pairs if pair[0].is_floating_point()])
        self._copied = _columns([pair for pair in pairs if not pair[0].is_floating_point()])

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not stepped(trainer, batch_idx) or trainer.global_step % self.every_n_steps:
            return
        updates = trainer.global_step // self.every_n_steps
        get_ema_multi_avg_fn(min(self.decay, 1 - 1 / (updates + 1)))(*self._averaged, updates)
        if self._copied[0]:
            torch._foreach_copy_(*self._copied)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in chain(module.parameters(), module.buffers())]


def _columns(pairs: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]
