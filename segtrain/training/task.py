"""What the tasks share: a model, a strategy, weights to deliver, an optimiser, and the progress."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from segtrain.data.sample import Case
from segtrain.errors import ConfigError
from segtrain.models.modes import freeze_encoder as freeze
from segtrain.models.normalize import Normalize
from segtrain.noise.base import NoiseStrategy
from segtrain.training.guard import NonFiniteGuard
from segtrain.training.optim import build_optimizer
from segtrain.types import Progress

__all__ = ["Task"]


class Task(LightningModule, ABC):
    """Train a model under a noise strategy; a final class says what a step, a prediction and a score are.

    Args:
        model: any.
        strategy: what to do about noise; attached already.
        classes: names in the order of the class numbers.
        optimizer: parameter groups -> optimiser.
        scheduler: (optimiser, total_steps=..., restarts=...) -> learning-rate schedule, stepped after every
            optimiser step.
        normalize, mean, std: see `segtrain.models.Normalize`.
        predict_with: which weights are validated, kept as best and delivered.
        encoder_lr_factor: learning rate of the encoder relative to the rest, > 0.
        freeze_encoder: keep the encoder as it is.
        max_nonfinite: see `NonFiniteGuard`.
    """

    evaluation: Any

    def __init__(
        self,
        *,
        model: nn.Module,
        strategy: NoiseStrategy,
        classes: list[str],
        optimizer: Callable[..., Optimizer] | None,
        scheduler: Callable[..., Any] | None,
        normalize: Literal["image", "range", "fixed"],
        mean: list[float] | None,
        std: list[float] | None,
        predict_with: Literal["student", "teacher", "ema"],
        encoder_lr_factor: float,
        freeze_encoder: bool,
        max_nonfinite: int,
    ) -> None:
        super().__init__()
        self.model = model
        if freeze_encoder:
            freeze(model)
        self.strategy = strategy
        self.ema: nn.Module | None = None
        self.normalize = Normalize(method=normalize, mean=mean, std=std)
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.classes = classes
        self.predict_with = predict_with
        self.encoder_lr_factor = encoder_lr_factor
        self.guard = NonFiniteGuard(max_nonfinite)

    # Training

    def progress(self) -> Progress:
        trainer = self.trainer
        epochs = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else trainer.current_epoch + 1
        return Progress(self.current_epoch, self.global_step, epochs, self._total_steps)

    @property
    def _total_steps(self) -> int:
        steps = self.trainer.estimated_stepping_batches
        if math.isinf(steps):
            raise ConfigError("A training needs an end: set trainer.max_epochs or trainer.max_steps.")
        return int(steps)

    def log_terms(self, terms: dict[str, Tensor], total: Tensor) -> None:
        # A call of self.log costs about a millisecond, so it is made only where the loggers listen.
        if (self.global_step + 1) % self._log_every:
            return
        self.log("train/loss", total.detach(), on_step=True, on_epoch=False)
        for name, term in terms.items():
            self.log(f"train/loss_{name}", term.detach(), on_step=True, on_epoch=False)

    @property
    def _log_every(self) -> int:
        return self.trainer.log_every_n_steps  # type: ignore[attr-defined]

    @abstractmethod
    def complete(self, batch: Any) -> Any:
        """Give a batch, on the device, the form that the step takes."""

    @abstractmethod
    def receive(self, batch: Any) -> Any:
        """Bring a collated batch of an audit to the device; give it the form that strategies look at."""

    @abstractmethod
    def predict_each(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Give probabilities (C, h, w) or (K, 2, h, w) of stored images (D, h, w), in evaluation mode."""

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        self.guard.gradients(optimizer)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        self.strategy.after_step(self.model)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        # Reading the guard waits for the device: every N steps only.
        due = self.trainer.is_last_batch or self.global_step % self._log_every == 0
        if due and (masked := self.guard.check()):
            self.log("train/nonfinite_steps", float(masked), on_step=True, on_epoch=False)

    def configure_optimizers(self) -> Any:
        if self.optimizer is None:
            raise ConfigError("The task has no optimizer: choose one by optimizer=adamw.")
        optimizer = build_optimizer(self.optimizer, self, self.encoder_lr_factor)
        if self.scheduler is None:
            return optimizer
        epochs = self.progress().max_epochs
        restarts = {epoch * self._total_steps // epochs: factor for epoch, factor in self.strategy.restarts.items()}
        schedule = self.scheduler(optimizer, total_steps=self._total_steps, restarts=restarts)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # Prediction, validation and test

    def attach_ema(self, module: nn.Module) -> None:
        """Take in the averaged model, before a checkpoint loads."""
        self.ema = module

    @property
    def predictor(self) -> nn.Module:
        """The weights that `predict_with` names."""
        chosen = {"student": self.model, "teacher": self.strategy.teacher, "ema": self.ema}[self.predict_with]
        if chosen is None:
            cure = "add ema to callbacks" if self.predict_with == "ema" else "choose a noise strategy with a teacher"
            raise ConfigError(f"task.predict_with={self.predict_with} has no such weights: {cure}, or use student.")
        return chosen

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        chosen = self.predictor
        checkpoint["classes"] = list(self.classes)
        checkpoint["delivers"] = next(name for name, module in self.named_modules() if module is chosen) + "."

    @abstractmethod
    def predict_cases(self, cases: list[Case]) -> list[Any]:
        """Predict images and bring what is found to full scale."""

    def on_validation_epoch_start(self) -> None:
        self.evaluation.reset()

    def on_validation_epoch_end(self) -> None:
        self.log_dict({f"val/{name}": value for name, value in self.evaluation.compute().items()})

    def test_step(self, cases: list[Case], batch_idx: int) -> list[Any]:  # type: ignore[override]
        predictions = self.predict_cases(cases)
        for prediction in predictions:
            self.evaluation.add_thoroughly(prediction)
        return predictions

    def on_test_epoch_start(self) -> None:
        self.evaluation.reset()

    def score(self, cases: Iterable[list[Case]], folder: Path, prefix: str) -> dict[str, float]:
        """Score a split between two epochs and write what a report needs into a folder.

        Args:
            cases: this process's share, see `SegmentationData.evaluation_loader`.
            folder: gets `images.csv` and more.
            prefix: of the scores' names.
        """
        self.evaluation.reset()
        for some in cases:
            for prediction in self.predict_cases(some):
                self.evaluation.add_thoroughly(prediction)
        return self.evaluation.write(folder, prefix)
