"""Early-learning correction: when labels begin to be memorised, put what the network saw before in their place."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.models import EmaTeacher
from segtrain.models.arguments import argument_faults
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.learning_curve import slope_drop
from segtrain.noise.rates import sum_over
from segtrain.noise.selection import as_problems, hardened
from segtrain.types import CLASS_AXIS, Batch, Samples, Seen, TrainingView, resize_probs

__all__ = ["EarlyLearningCorrection", "averaged_probs", "corrected"]

MULTIPLE = 32
"""What every model's image sides are multiples of."""


class EarlyLearningCorrection(NoiseStrategy):
    """Correct the labels of each class from when they begin to be memorised (ADELE, Liu et al. 2022).

    Between epochs, the IoU of predictions with the given labels is measured. It climbs fast while what labels have
    in common is learned, and slowly when mistakes are; once its slope has fallen by `slope_drop`, a class is flagged.
    Its labels are then rewritten where an averaged teacher, asked at several scales and mirrored, is sure: from a
    flagged class or class 0 (the background, with overlapping classes "not this class") to another of these that
    the image's label has anyway. Clean samples are left alone. The paper's second part, a loss that makes the scales
    agree, is left out: it would triple the cost of each step.

    Costs: one forward pass of the training set per measurement; a correction, when a class is flagged and every
    `correct_every` epochs from then on, costs two forward passes at each scale more.

    Args:
        slope_drop: share of the first slope that is lost when a class is flagged, in (0, 1).
        confidence: of the averaged prediction, in (0, 1), that a rewritten pixel has at least.
        scales: of the image, each > 0.
        measure_every: epochs between two measurements, >= 1.
        correct_every: epochs between two corrections, >= 1.
        decay: of the teacher, see `EmaTeacher`.
    """

    sides = frozenset({"samples", "pixels"})

    def __init__(
        self,
        slope_drop: float = 0.9,
        confidence: float = 0.8,
        scales: list[float] = [0.7, 1.0, 1.5],  # noqa: B006
        measure_every: int = 1,
        correct_every: int = 10,
        decay: float = 0.99,
    ) -> None:
        super().__init__()
        faults = argument_faults(
            "EarlyLearningCorrection",
            ("slope_drop", slope_drop, 0 < slope_drop < 1, "in (0, 1)"),
            ("confidence", confidence, 0 < confidence < 1, "in (0, 1)"),
            ("scales", scales, bool(scales) and all(0 < scale < math.inf for scale in scales), "numbers above 0"),
            ("measure_every", measure_every, measure_every >= 1, "at least 1"),
            ("correct_every", correct_every, correct_every >= 1, "at least 1"),
        )
        if faults:
            raise ConfigError("noise.early_learning_correction cannot be built:", faults)
        self.slope_drop = slope_drop
        self.confidence = confidence
        self.scales = list(scales)
        self.measure_every = measure_every
        self.correct_every = correct_every
        self.follower = EmaTeacher(decay)
        self.history_ = torch.empty(0)  # see `_measure`; the number of classes is not known before

    @property
    def teacher(self) -> nn.Module:  # type: ignore[override]
        return self.follower.model

    # Its size is not known when the state is loaded, so that it cannot be a buffer.

    def get_extra_state(self) -> Tensor:
        return self.history_

    def set_extra_state(self, state: Tensor) -> None:
        self.history_ = state

    def attach(self, model: nn.Module, samples: Samples) -> None:
        self.follower.attach(model)

    def after_step(self, model: nn.Module) -> None:
        self.follower.follow(model)

    def audit(self, view: TrainingView, epoch: int) -> None:
        if epoch and epoch % self.measure_every == 0:
            self._measure(view, epoch)
        if self._correction_is_due(epoch):
            self._correct(view)

    def _measure(self, view: TrainingView, epoch: int) -> None:
        """Add to the history (1 + T, K, C): when each class was flagged, and its IoU at each of T measurements."""
        hits, given, predicted = sum_over(view, _areas).cpu()  # each (K, C)
        iou = hits / (given + predicted - hits).clamp_min(1)
        before = self.history_ if len(self.history_) else torch.full_like(iou, math.inf)[None]
        self.history_ = torch.cat([before, iou[None]])
        for problem, number in torch.cartesian_prod(torch.arange(len(iou)), torch.arange(1, iou.shape[1])).tolist():
            flagged, *curve = self.history_[:, problem, number].tolist()
            if flagged == math.inf and slope_drop(curve) > self.slope_drop:
                self.history_[0, problem, number] = epoch

    def _correction_is_due(self, epoch: int) -> bool:
        flagged = self.history_[:1]
        if not flagged.isfinite().any():
            return False
        return bool((flagged == epoch).any()) or (epoch - int(flagged.min())) % self.correct_every == 0

    def _correct(self, view: TrainingView) -> None:
        flagged = self.history_[0].isfinite()  # (K, C)
        for seen in view:
            batch = seen.batch
            probs = averaged_probs(self.follower, batch.image, self.scales)
            target = corrected(batch, probs, flagged.to(probs.device), self.confidence)
            for i, index in enumerate(batch.index.tolist()):
                if not torch.equal(target[i], batch.target[i]):
                    view.relabel(index, target[i], batch.weight[i])


def _areas(seen: Seen) -> Tensor:
    """Count pixels labelled and predicted so, labelled so, predicted so, of samples not known clean, (3, K, C)."""
    target, probs = as_problems(seen.batch.target), as_problems(seen.probs)
    counts = ((seen.batch.weight > 0) & ~seen.batch.clean[:, None, None])[:, None, None]  # (B, 1, 1, H, W)
    drawn, predicted = hardened(target) * counts, hardened(probs) * counts
    return torch.stack([term.sum(dim=(0, -2, -1)) for term in (drawn * predicted, drawn, predicted)])


def averaged_probs(predict: Callable[[Tensor], Tensor], image: Tensor, scales: list[float]) -> Tensor:
    """Average predictions over scales, each also mirrored; sides become the nearest multiples of 32.

    Args:
        predict: images (B, D, h, w) -> probabilities (B, C, h, w) or (B, K, 2, h, w).
        image: (B, D, H, W), taken as a whole.
        scales: each > 0.

    Returns:
        (B, C, H, W) or (B, K, 2, H, W).
    """
    size = (image.shape[-2], image.shape[-1])
    total = torch.zeros((), device=image.device)
    for scale in scales:
        height, width = (max(1, round(side * scale / MULTIPLE)) * MULTIPLE for side in size)
        scaled = F.interpolate(image, (height, width), mode="bilinear", align_corners=False)
        both = predict(scaled) + predict(scaled.flip(-1)).flip(-1)
        total = total + resize_probs(both, size)  # (B, C, H, W)
    return total / (2 * len(scales))


def corrected(batch: Batch, probs: Tensor, flagged: Tensor, confidence: float) -> Tensor:
    """Give the targets with sure predictions in place of labels of flagged classes.

    Args:
        batch: its clean samples, its unlabelled ones and ignored pixels stay.
        probs: like `batch.target`.
        flagged: (K, C) bool; a label changes from one of them, or class 0, to another that the image has, or class 0.
        confidence: least probability of a new label.
    """
    target, probs = as_problems(batch.target), as_problems(probs)  # (B, K, C, H, W)
    highest, predicted = probs.max(CLASS_AXIS, keepdim=True)  # (B, K, 1, H, W)
    given = target.argmax(CLASS_AXIS, keepdim=True)  # (B, K, 1, H, W)
    trusted = (batch.weight > 0)[:, None, None]  # (B, 1, 1, H, W)
    background = torch.arange(target.shape[CLASS_AXIS], device=target.device) == 0  # (C,)
    legal = (flagged | background)[None, :, :, None, None]  # (1, K, C, 1, 1)
    there = ((target > 0) & trusted).any(-1, keepdim=True).any(-2, keepdim=True) | background[:, None, None]
    change = (highest >= confidence) & trusted & ~batch.clean[:, None, None, None, None]
    change = change & torch.take_along_dim(legal, given, 2) & torch.take_along_dim(legal & there, predicted, 2)
    return torch.where(change & (predicted != given), hardened(probs), target).view_as(batch.target)
