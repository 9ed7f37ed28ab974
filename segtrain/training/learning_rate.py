"""The learning rates, logged."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

__all__ = ["LearningRateMonitor"]


class LearningRateMonitor(Callback):
    """Log each parameter group's learning rate as `lr-<group>`, or `lr` when all have one, as often as losses.

    (Lightning's own stops the training where there is no logger.)
    """

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        first = batch_idx % trainer.accumulate_grad_batches == 0
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if not first or not trainer.loggers or (trainer.global_step + 1) % every:
            return
        rates = {}
        for group in trainer.optimizers[0].param_groups:
            role = group.get("name", "").partition("/")[0]
            rates[f"lr-{role}" if role else "lr"] = float(group["lr"])
        for logger in trainer.loggers:
            logger.log_metrics({**rates, "epoch": trainer.current_epoch}, step=trainer.global_step)
