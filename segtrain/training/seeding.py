"""Chance that depends on where in the training it comes, not on what ran before: a resumed run ends bitwise equal."""

import random
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from segtrain.seeds import derive_seed

__all__ = ["Seeding", "seed_all"]

_TRAINING, _VALIDATION, _TEST = range(3)


def seed_all(seed: int) -> None:
    """Seed torch on the devices in use, NumPy and Python; it does not wait for a device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries draw from NumPy's global generator
    # torch.manual_seed takes half a millisecond, for devices that are not in use.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


class Seeding(Callback):
    """Seed every batch anew from (seed, epoch, batch, process).

    Lightning saves no random state, so dropout after a resume would not be what it would have been. As each batch
    of training starts from a seed of its own, nothing that validation draws can move the training either.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._seed(trainer, batch_idx, _TRAINING)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._seed(trainer, batch_idx, _VALIDATION)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._seed(trainer, batch_idx, _TEST)

    def _seed(self, trainer: Trainer, batch_idx: int, stage: int) -> None:
        seed_all(derive_seed(self.seed, trainer.current_epoch, batch_idx, trainer.global_rank, stage))
