"""The semantic task: a model, a criterion and a noise strategy in one short training step."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from segtrain.data.sample import Case, complete
from segtrain.errors import ConfigError
from segtrain.models.inference import predict_each
from segtrain.models.modes import evaluating
from segtrain.models.modes import freeze_encoder as freeze
from segtrain.models.normalize import Normalize
from segtrain.noise.base import NoiseStrategy
from segtrain.training.evaluation import Evaluation
from segtrain.training.guard import NonFiniteGuard
from segtrain.training.optim import build_optimizer
from segtrain.training.prediction import Prediction
from segtrain.training.signals import stop_if_asked
from segtrain.types import Batch, Criterion, PostProcessor, Progress, resize_probs, to_probs

__all__ = ["SemanticTask"]


class SemanticTask(LightningModule):
    """Train a model image -> logits under a criterion and a noise strategy.

    It knows no concrete loss, strategy or model, never reads `batch.clean`, and never asks how a label came about.

    Args:
        model: (B, D, H, W) -> logits (B, C, H, W) or (B, K, 2, H, W).
        criterion: the loss.
        strategy: what to do about noise; attached already.
        optimizer: parameter groups -> optimiser.
        scheduler: (optimiser, total_steps=..., restarts=...) -> learning-rate schedule, stepped after every
            optimiser step.
        classes: names in the order of the class numbers.
        overlapping: whether classes overlap.
        window: side in pixels of the largest piece predicted at once.
        postprocess: applied in test beside the raw probabilities, never in training; None = not at all.
        tta: wraps the predictor in test-time augmentation; None = not at all.
        normalize, mean, std: see `segtrain.models.Normalize`.
        predict_with: which weights are validated, kept as best and delivered.
        overlap: share that neighbouring windows overlap, in [0, 1).
        encoder_lr_factor: learning rate of the encoder relative to the rest, > 0.
        freeze_encoder: keep the encoder as it is.
        max_nonfinite: see `NonFiniteGuard`.
        references: names of the reference masks that predictions are scored against too.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        criterion: Criterion,
        strategy: NoiseStrategy,
        classes: list[str],
        overlapping: bool,
        window: int,
        references: Sequence[str] = (),
        optimizer: Callable[..., Optimizer] | None = None,
        scheduler: Callable[..., Any] | None = None,
        postprocess: PostProcessor | None = None,
        tta: Callable[[Callable[[Tensor], Tensor]], Callable[[Tensor], Tensor]] | None = None,
        normalize: Literal["image", "range", "fixed"] = "image",
        mean: list[float] | None = None,
        std: list[float] | None = None,
        predict_with: Literal["student", "teacher", "ema"] = "student",
        overlap: float = 0.5,
        encoder_lr_factor: float = 1.0,
        freeze_encoder: bool = False,
        max_nonfinite: int = 20,
    ) -> None:
        super().__init__()
        self.model = model
        if freeze_encoder:
            freeze(model)
        self.criterion = criterion
        self.strategy = strategy
        self.ema: nn.Module | None = None
        self.partners = nn.ModuleList()
        self.normalize = Normalize(method=normalize, mean=mean, std=std)
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.classes = classes
        self.overlapping = overlapping
        self.window = window
        self.tta = tta
        self.predict_with = predict_with
        self.overlap = overlap
        self.encoder_lr_factor = encoder_lr_factor
        self.guard = NonFiniteGuard(max_nonfinite)
        self.evaluate_against(references, postprocess)

    # Training

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        progress = self.progress()
        batch = self.strategy.prepare(batch, self.model, progress)
        logits = self.model(batch.image)  # (B, C, H, W)
        batch = batch._replace(weight=batch.weight * self.strategy.trust(logits.detach(), batch, progress))
        terms = self.strategy.loss_terms(logits, batch, self.criterion, progress)
        total = torch.stack(list(terms.values())).sum()
        self.log_terms(terms, total)
        return {"loss": self.guard.loss(total), "batch": batch, "logits": logits.detach()}

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

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return self.complete(batch) if isinstance(batch, Batch) else batch

    def complete(self, batch: Batch) -> Batch:
        """Give a batch, on the device, the form of the contract."""
        return complete(batch, len(self.classes), self.overlapping, self.normalize)

    def receive(self, batch: Batch) -> Batch:
        """Bring a collated batch of an audit to the device and complete it."""
        stop_if_asked()
        return self.complete(Batch(*(column.to(self.device) for column in batch)))

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

    # Prediction

    def attach_ema(self, module: nn.Module) -> None:
        """Take in the averaged model, before a checkpoint loads."""
        self.ema = module

    def average_with(self, others: "Iterable[SemanticTask]") -> None:
        """Give the mean of this and other tasks' probabilities from now on; each normalises images as it was taught."""
        self.partners.extend(others)

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

    def predict_windows(self) -> Callable[[Tensor], Tensor]:
        """Give stored pixels -> probabilities, for `predict_each` and `stream_probs`; each window is normalised by
        itself, as the crops of the training are."""
        predictor = self.predictor
        predict: Callable[[Tensor], Tensor] = lambda image: to_probs(predictor(image))  # noqa: E731
        augmented = predict if self.tta is None else self.tta(predict)
        own: Callable[[Tensor], Tensor] = lambda image: augmented(self.normalize(image.to(self.device)))  # noqa: E731
        if not self.partners:
            return own
        all_of_them = [own, *(cast(SemanticTask, partner).predict_windows() for partner in self.partners)]
        return lambda image: torch.stack([each(image) for each in all_of_them]).mean(0)

    def predict_each(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Give probabilities (C, h, w) or (K, 2, h, w) of stored images (D, h, w), in evaluation mode."""
        images = [image.to(self.device) for image in images]
        with evaluating(self):
            return predict_each(self.predict_windows(), images, window=self.window, overlap=self.overlap)

    def predict_cases(self, cases: list[Case]) -> list[Prediction]:
        """Predict images at the model's scale and bring the probabilities to full scale."""
        return [
            Prediction(case.id, case.native, case.label, case.references, resize_probs(probs, case.native.shape[:2]))
            for case, probs in zip(cases, self.predict_each([case.image for case in cases]), strict=True)
        ]

    # Validation and test

    def validation_step(  # type: ignore[override]  # Lightning hands any output on to the callbacks
        self, cases: list[Case], batch_idx: int
    ) -> list[Prediction]:
        predictions = self.predict_cases(cases)
        for prediction in predictions:
            self.evaluation.add(prediction)
            self.evaluation.add_loss(self.criterion, prediction)
        return predictions

    def on_validation_epoch_start(self) -> None:
        self.evaluation.reset()

    def on_validation_epoch_end(self) -> None:
        self.log_dict({f"val/{name}": value for name, value in self.evaluation.compute().items()})

    def test_step(  # type: ignore[override]
        self, cases: list[Case], batch_idx: int
    ) -> list[Prediction]:
        predictions = self.predict_cases(cases)
        for prediction in predictions:
            self.evaluation.add_thoroughly(prediction)
        return predictions

    def evaluate_against(self, references: Sequence[str], postprocess: PostProcessor | None) -> None:
        """Score from now on against these references too, and with these post-processors beside the raw output."""
        self.evaluation = Evaluation(self.classes, self.overlapping, references, postprocess).to(self.device)

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
