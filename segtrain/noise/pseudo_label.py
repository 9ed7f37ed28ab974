"""Pseudo-labels: where an averaged teacher is sure, its prediction is the label."""

from typing import Literal

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.models import EmaTeacher
from segtrain.models.arguments import argument_faults
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.thresholds import ClassThresholds, Threshold, least, likeliest
from segtrain.noise.views import Turn, photometric
from segtrain.types import CLASS_AXIS, Batch, Criterion, Progress, Samples, one_hot

__all__ = ["PseudoLabel"]


class PseudoLabel(NoiseStrategy):
    """Label noisy and unlabelled samples by an averaged teacher where it is sure (Lee 2013; Sohn et al. 2020, eq. 4).

    The teacher looks at the image as the loader gives it, the student learns from a stronger view of it. A pixel is
    labelled where the teacher's highest probability reaches the threshold of its class (see `ClassThresholds`;
    `thresholds.kept()` tells the share of each class that does); with overlapping classes, where it does for all.
    The loss is multiplied by the share of the pixels in use, so that three trusted pixels do not push like a full
    image. Clean samples keep their label and, but for `turn`, their view. Until the warm-up ends labels stay as given,
    and unlabelled samples are not drawn: they have nothing to teach yet.

    Costs: one forward pass of the teacher per step after the warm-up.

    Args:
        num_classes: of the data.
        epochs: length of the training, that `warmup_fraction` is a share of.
        given: what becomes of the labels of noisy samples: "keep" (only unlabelled samples are labelled), "replace"
            (pixels of which the teacher is unsure are ignored), "where_unsure" (they keep their given label).
        threshold: "fixed", "adaptive" or "percentile", each class by itself, see `ClassThresholds`.
        level: confidence that is enough, in (0, 1]; with "adaptive" the surest class's.
        drop: share of each class's pixels under its threshold, in [0, 1), with "percentile".
        soft: the label is the teacher's probabilities instead of its likeliest class.
        warmup_fraction: share of the epochs before the first pseudo-label, in [0, 1).
        strength: of the stronger view, see `photometric`; 0 = the teacher's view.
        turn: also turn the images, labels with them, by a symmetry of the square: only where orientation means
            nothing.
        memory: weight of the past steps in the classes' statistics, in [0, 1).
        decay: of the teacher, see `EmaTeacher`.
    """

    sides = frozenset({"samples", "pixels"})
    uses_unlabelled = True

    def __init__(
        self,
        num_classes: int,
        epochs: int,
        given: Literal["keep", "replace", "where_unsure"] = "where_unsure",
        threshold: Threshold = "adaptive",
        level: float = 0.95,
        drop: float = 0.2,
        soft: bool = False,
        warmup_fraction: float = 0.2,
        strength: float = 1.0,
        turn: bool = False,
        memory: float = 0.99,
        decay: float = 0.99,
    ) -> None:
        super().__init__()
        faults = argument_faults(
            "PseudoLabel",
            ("epochs", epochs, epochs >= 1, "at least 1 (give trainer.max_epochs)"),
            ("given", given, given in ("keep", "replace", "where_unsure"), "keep, replace or where_unsure"),
            ("warmup_fraction", warmup_fraction, 0 <= warmup_fraction < 1, "in [0, 1)"),
            ("strength", strength, strength >= 0, "at least 0"),
        )
        if faults:
            raise ConfigError("noise.pseudo_label cannot be built:", faults)
        self.num_classes = num_classes
        self.given = given
        self.soft = soft
        self.warmup_epochs = round(warmup_fraction * epochs)
        self.strength = strength
        self.turn = turn
        self.thresholds = ClassThresholds(threshold, level, drop, memory)
        self.follower = EmaTeacher(decay)
        self.share: Tensor | None = None

    @property
    def teacher(self) -> nn.Module:  # type: ignore[override]
        return self.follower.model

    def attach(self, model: nn.Module, samples: Samples) -> None:
        if not samples.labelled.any():
            raise ConfigError(
                "noise=pseudo_label learns from some labels before it makes its own, and no training sample has a "
                "mask: name them by data.masks."
            )
        self.thresholds.attach(self.num_classes)
        self.follower.attach(model)

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        return samples.labelled.float() if epoch < self.warmup_epochs else super().sample_weights(samples, epoch)

    @torch.no_grad()
    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        self.share = None
        if progress.epoch < self.warmup_epochs:
            return batch
        taught = ~batch.clean if self.given != "keep" else ~batch.clean & ~batch.labelled  # (B,)
        batch = self._relabelled(batch, self.follower(batch.image), taught)
        if self.strength:
            image = torch.where(taught[:, None, None, None], photometric(batch.image, self.strength), batch.image)
            batch = batch._replace(image=image)
        if self.turn:
            turn = Turn.draw(batch.image)
            batch = batch._replace(image=turn(batch.image), target=turn(batch.target), weight=turn(batch.weight))
        return batch

    def _relabelled(self, batch: Batch, probs: Tensor, taught: Tensor) -> Batch:
        """Give the taught samples (B,) the teacher's labels where it is sure, and remember the share in use."""
        full = torch.where(batch.labelled[:, None, None], batch.weight, 1.0)  # (B, H, W), if all were sure
        eligible = taught[:, None, None] & (full > 0)
        sure, classes = likeliest(probs)  # (B, H, W) or (B, K, H, W)
        kept = eligible & least(sure >= self.thresholds(sure, classes, eligible))  # (B, H, W)
        rest = batch.weight * (self.given != "replace")
        weight = torch.where(kept, full, torch.where(eligible, rest, batch.weight))
        self.share = weight.sum() / torch.where(eligible, full, batch.weight).sum().clamp_min(1e-12)
        label = probs if self.soft else one_hot(classes, probs.shape[CLASS_AXIS])
        mask = kept.view(len(kept), *[1] * (probs.dim() - 3), *kept.shape[-2:])
        return batch._replace(target=torch.where(mask, label, batch.target), weight=weight)

    def loss_terms(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> dict[str, Tensor]:
        share, self.share = self.share, None
        terms = super().loss_terms(logits, batch, criterion, progress)
        return terms if share is None else {name: term * share for name, term in terms.items()}

    def after_step(self, model: nn.Module) -> None:
        self.follower.follow(model)
