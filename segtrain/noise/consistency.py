"""Consistency: the prediction must not depend on how the image is seen."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.losses.functional import pixel_mean
from segtrain.models import EmaTeacher
from segtrain.models.arguments import argument_faults
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.pacing import sigmoid_rampup
from segtrain.noise.views import Turn, photometric
from segtrain.types import CLASS_AXIS, Batch, Criterion, Progress, Samples, to_probs

__all__ = ["Consistency", "kl_map", "mse_map"]


class _Views(NamedTuple):
    """The two views of a batch, from `prepare` until the loss."""

    teacher: Tensor
    """(B, D, H, W), as the loader gave it."""
    student: Tensor
    """(B, D, H, W), changed and turned."""
    turn: Turn | None
    valid: Tensor
    """(B, H, W) bool, of the student's view: where predictions are compared."""


class Consistency(NoiseStrategy):
    """Predict of a changed view what an averaged teacher predicts of the plain one (Tarvainen and Valpola 2017).

    Loss = supervised + lambda(t) consistency, with lambda(t) = weight exp(-5 (1 - t / rampup)^2) (Laine and Aila 2017,
    section 2.1) and consistency the mean over all pixels, labelled or not, of a distance between the student's and
    the teacher's probabilities (their section 2). The supervised term is the run's own loss on the student's view.
    Where a later strategy of a chain changes the images (mixup), the teacher sees these, as the student does.

    Costs: one forward pass of the teacher per step.

    Args:
        measure: distance, "mse" (mean over classes of (p - q)^2) or "kl" (KL divergence of p from the teacher's q).
        weight: of the consistency term at the end of its ramp, >= 0.
        rampup_fraction: share of the steps in which it grows, in [0, 1].
        strength: of the student's view, see `photometric`.
        turn: also turn the student's view by a symmetry of the square: only where orientation means nothing.
        decay: of the teacher, see `EmaTeacher`.
    """

    sides = frozenset({"pixels"})
    uses_unlabelled = True

    def __init__(
        self,
        measure: Literal["mse", "kl"] = "mse",
        weight: float = 0.1,
        rampup_fraction: float = 1.0,
        strength: float = 1.0,
        turn: bool = False,
        decay: float = 0.99,
    ) -> None:
        super().__init__()
        faults = argument_faults(
            "Consistency",
            ("measure", measure, measure in ("mse", "kl"), "mse or kl"),
            ("weight", weight, weight >= 0, "at least 0"),
            ("rampup_fraction", rampup_fraction, 0 <= rampup_fraction <= 1, "in [0, 1]"),
            ("strength", strength, strength >= 0, "at least 0"),
        )
        if faults:
            raise ConfigError("noise.consistency cannot be built:", faults)
        self.distance = mse_map if measure == "mse" else kl_map
        self.weight = weight
        self.rampup_fraction = rampup_fraction
        self.strength = strength
        self.turn = turn
        self.follower = EmaTeacher(decay)
        self.views: _Views | None = None

    @property
    def teacher(self) -> nn.Module:  # type: ignore[override]
        return self.follower.model

    def attach(self, model: nn.Module, samples: Samples) -> None:
        if not samples.labelled.any():
            raise ConfigError(
                "noise=consistency adds a term to a loss on labels, and no training sample has a mask: name them by "
                "data.masks."
            )
        self.follower.attach(model)

    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        plain, valid = batch.image, _valid(batch)
        batch = batch._replace(image=photometric(plain, self.strength))
        turn = Turn.draw(plain) if self.turn else None
        if turn is not None:
            batch = batch._replace(image=turn(batch.image), target=turn(batch.target), weight=turn(batch.weight))
            valid = turn(valid)
        self.views = _Views(plain, batch.image, turn, valid)
        return batch

    def loss_terms(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> dict[str, Tensor]:
        terms = super().loss_terms(logits, batch, criterion, progress)
        believed, valid = self._believed(batch)
        ramp = sigmoid_rampup(progress.fraction / max(self.rampup_fraction, 1e-12))
        return terms | {"consistency": self.weight * ramp * pixel_mean(self.distance, logits, believed, valid.float())}

    def _believed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Give what the teacher believes of the batch (B, C, H, W), and where to compare (B, H, W); forget the views.

        The teacher's pass is made here and not in `prepare`, or a chain would pay for it twice: only now is it known
        which images the student saw.
        """
        views, self.views = self.views, None
        if views is None or views.student is not batch.image:
            return self.follower(batch.image), _valid(batch)
        believed = self.follower(views.teacher)
        return believed if views.turn is None else views.turn(believed), views.valid

    def after_step(self, model: nn.Module) -> None:
        self.follower.follow(model)


def _valid(batch: Batch) -> Tensor:
    """Give the pixels that are not ignored (B, H, W): those of an unlabelled sample all count."""
    return (batch.weight > 0) | ~batch.labelled[:, None, None]


def mse_map(logits: Tensor, target: Tensor) -> Tensor:
    """Give the mean over classes of (p - q)^2, for (B, K, C, H, W) -> (B, K, H, W)."""
    return (to_probs(logits) - target).square().mean(CLASS_AXIS)


def kl_map(logits: Tensor, target: Tensor) -> Tensor:
    """Give KL(q || p) = sum_c q_c log(q_c / p_c), for (B, K, C, H, W) -> (B, K, H, W)."""
    return (torch.xlogy(target, target) - target * logits.log_softmax(CLASS_AXIS)).sum(CLASS_AXIS)
