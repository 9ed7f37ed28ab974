"""The semantic task: a model, a criterion and a noise strategy in one short training step."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from segtrain.data.pixel_form import complete
from segtrain.data.sample import Case
from segtrain.models.inference import predict_each
from segtrain.models.modes import evaluating
from segtrain.noise.base import NoiseStrategy
from segtrain.training.evaluation import Evaluation
from segtrain.training.prediction import Prediction
from segtrain.training.signals import stop_if_asked
from segtrain.training.task import Task
from segtrain.types import Batch, Criterion, PostProcessor, resize_probs, to_probs

__all__ = ["SemanticTask"]


class SemanticTask(Task):
    """Train a model image -> logits under a criterion and a noise strategy.

    It knows no concrete loss, strategy or model, never reads `batch.clean`, and never asks how a label came about.

    Args:
        model: (B, D, H, W) -> logits (B, C, H, W) or (B, K, 2, H, W).
        criterion: the loss.
        strategy, classes, optimizer, scheduler: see `Task`.
        overlapping: whether classes overlap.
        window: side in pixels of the largest piece predicted at once.
        references: names of the reference masks that predictions are scored against too.
        postprocess: applied in test beside the raw probabilities, never in training; None = not at all.
        tta: wraps the predictor in test-time augmentation; None = not at all.
        normalize, mean, std: see `segtrain.models.Normalize`.
        predict_with: which weights are validated, kept as best and delivered.
        overlap: share that neighbouring windows overlap, in [0, 1).
        encoder_lr_factor, freeze_encoder, max_nonfinite: see `Task`.
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
        super().__init__(
            model=model,
            strategy=strategy,
            classes=classes,
            optimizer=optimizer,
            scheduler=scheduler,
            normalize=normalize,
            mean=mean,
            std=std,
            predict_with=predict_with,
            encoder_lr_factor=encoder_lr_factor,
            freeze_encoder=freeze_encoder,
            max_nonfinite=max_nonfinite,
        )
        self.criterion = criterion
        self.partners = nn.ModuleList()
        self.overlapping = overlapping
        self.window = window
        self.tta = tta
        self.overlap = overlap
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

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return self.complete(batch) if isinstance(batch, Batch) else batch

    def complete(self, batch: Batch) -> Batch:
        """Give a batch, on the device, the form of the contract."""
        return complete(batch, len(self.classes), self.overlapping, self.normalize)

    def receive(self, batch: Batch) -> Batch:
        """Bring a collated batch of an audit to the device and complete it."""
        stop_if_asked()
        return self.complete(Batch(*(column.to(self.device) for column in batch)))

    # Prediction

    def average_with(self, others: "Iterable[SemanticTask]") -> None:
        """Give the mean of this and other tasks' probabilities from now on; each normalises images as it was taught."""
        self.partners.extend(others)

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
            Prediction(
                case.id,
                case.native,
                case.label,
                case.references,
                resize_probs(probs, case.native.shape[:2]),
                case.instances,
            )
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

    def evaluate_against(self, references: Sequence[str], postprocess: PostProcessor | None) -> None:
        """Score from now on against these references too, and with these post-processors beside the raw output."""
        self.evaluation = Evaluation(self.classes, self.overlapping, references, postprocess).to(self.device)
