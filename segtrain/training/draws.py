"""How often each training sample was really drawn."""

import csv
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from segtrain.types import Batch

__all__ = ["RealisedDraws"]


class RealisedDraws(Callback):
    """Count each sample's draws on the device; write `draws.csv` (id, draws) into the run's folder each epoch."""

    def __init__(self) -> None:
        self.counts: Tensor | None = None
        self._first = True

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._first = trainer.is_global_zero

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        total = len(trainer.datamodule.splits["train"])  # type: ignore[attr-defined]
        counts = self.counts if self.counts is not None else torch.zeros(total, dtype=torch.int64)
        self.counts = counts.to(pl_module.device)  # (N,)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        assert self.counts is not None
        self.counts.index_add_(0, batch.index, torch.ones_like(batch.index))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        counts = self._total(trainer)
        if trainer.is_global_zero:
            ids = trainer.datamodule.splits["train"].ids  # type: ignore[attr-defined]
            _write(Path(trainer.default_root_dir) / "draws.csv", ids, counts.tolist())

    def _total(self, trainer: Trainer) -> Tensor:
        """Give the counts of all processes together, (N,)."""
        assert self.counts is not None
        return trainer.strategy.reduce(self.counts.clone(), reduce_op="sum")

    def state_dict(self) -> dict[str, Any]:
        return {} if self.counts is None else {"counts": self.counts.cpu()}

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        # The state of the first process alone reaches the file.
        if self.counts is not None:
            checkpoint["callbacks"][self.state_key]["counts"] = self._total(trainer).cpu()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.counts = state_dict.get("counts") if self._first else None  # one process carries on what all have drawn


def _write(path: Path, ids: list[str], counts: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "draws"])
        writer.writerows(zip(ids, counts, strict=True))
    part.replace(path)
