"""Scores of the last epochs: a figure for comparisons that no label has chosen."""

from pathlib import Path

from pytorch_lightning import Callback, Trainer

from segtrain.errors import ConfigError
from segtrain.training.semantic import SemanticTask

__all__ = ["FinalEpochs"]


class FinalEpochs(Callback):
    """Score the test split after each of the last epochs, into `final/epoch<number>/` of the run's folder.

    The best of many validations flatters, and chooses a model by labels that may be wrong or that nobody has. The
    mean of the last few epochs does neither.

    Args:
        count: how many epochs, >= 1.
    """

    def __init__(self, count: int = 3) -> None:
        if count < 1:
            raise ConfigError(f"The 'count' of FinalEpochs must be at least 1, got {count}")
        self.count = count

    def on_train_epoch_end(self, trainer: Trainer, pl_module: SemanticTask) -> None:  # type: ignore[override]
        epochs = trainer.max_epochs or 0
        if trainer.current_epoch < epochs - self.count:
            return
        folder = Path(trainer.default_root_dir) / "final" / f"epoch{trainer.current_epoch:03d}"
        pl_module.score(trainer.datamodule.test_dataloader(), folder, "test")  # type: ignore[attr-defined]
