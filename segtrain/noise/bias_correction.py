"""Bias correction: the annotators' systematic error is learned from a few clean samples, and undone in the others."""

import numpy as np
import torch
from torch import Tensor, nn

from segtrain.audit import Bias, Corrector, Scale, Survey, estimate_bias, habits, learned, posterior, survey
from segtrain.errors import ConfigError
from segtrain.losses.base import require
from segtrain.noise.base import NoiseStrategy
from segtrain.types import Samples, TrainingView

__all__ = ["BiasCorrection"]


class BiasCorrection(NoiseStrategy):
    """Measure on clean samples how far outside the truth annotators draw, undo it in the noisy labels, train on.

    At first the noisy samples alone are drawn: the model comes to draw as the annotators do, and has never seen the
    clean samples. Then one audit compares. What its predictions are off on clean samples, less what they differ
    from the noisy labels themselves, is the annotators' bias, class by class (the bias correction of Yao et al.,
    ICLR 2023, eq. 8 and 9, with robust statistics and an interval, for labels instead of logits). Outlines are moved
    back by it; what labels vary beyond the model's own variation on clean samples is averaged with the prediction;
    classes that annotators take for another are given back by Bayes' rule. Nothing is changed that is not
    significant. From then on all samples are drawn, the clean ones as often as `clean_share` says. Of a class that
    the model does not show yet nothing can be measured: the audit is then made again an epoch later, until half of
    the time that is left is gone.

    Costs: nothing in a step; two forward passes of the training set and about ten distance transforms for each
    image and class, one pass more for each epoch that the correction has to wait.

    Args:
        epochs: length of the training, in epochs, that the shares below are of; at least 2.
        num_classes: of the data.
        correct_at: share of the epochs after which labels are corrected, in (0, 1); that is the time the model has
            at least to learn the annotators' habits.
        confidence: of the intervals that have to leave 0 out, in (0, 1).
        scale: annotators err by the same number of "pixels" in small and large objects, or by the same share of
            "diameters"; "auto": whichever fits the clean samples.
        own: correct each label by its own deviation as well, as far as it exceeds the model's on clean samples.
        jitter: average outlines with the prediction's, as far as theirs are shakier than the model's.
        per_annotator: let annotators with enough samples have habits of their own.
        confusion: undo confused classes.
        clean_share: share of the draws that clean samples get at least, once labels are corrected, in [0, 1).
        end_on_clean: share of the epochs, the last ones, in [0, 1 - correct_at), on clean samples alone.
        end_lr_factor: on the learning rate in those, > 0.
    """

    sides = frozenset({"samples", "pixels"})
    bias: Tensor
    truth: Tensor
    corrected: Tensor

    def __init__(
        self,
        epochs: int,
        num_classes: int,
        correct_at: float = 0.3,
        confidence: float = 0.95,
        scale: Scale = "auto",
        own: bool = True,
        jitter: bool = True,
        per_annotator: bool = True,
        confusion: bool = True,
        clean_share: float = 0.5,
        end_on_clean: float = 0.0,
        end_lr_factor: float = 0.5,
    ) -> None:
        super().__init__()
        require(epochs >= 2, self, "epochs", "at least 2 (raise trainer.max_epochs)", epochs)
        require(num_classes >= 1, self, "num_classes", "at least 1", num_classes)
        require(0 < correct_at < 1, self, "correct_at", "in (0, 1)", correct_at)
        require(0 < confidence < 1, self, "confidence", "in (0, 1)", confidence)
        require(scale in ("auto", "pixels", "diameters"), self, "scale", "auto, pixels or diameters", scale)
        require(0 <= clean_share < 1, self, "clean_share", "in [0, 1)", clean_share)
        require(0 <= end_on_clean < 1 - correct_at, self, "end_on_clean", "in [0, 1 - correct_at)", end_on_clean)
        require(end_lr_factor > 0, self, "end_lr_factor", "above 0", end_lr_factor)
        self.epochs = epochs
        self.num_classes = num_classes
        self.correct_at = correct_at
        self.confidence = confidence
        self.scale: Scale = scale
        self.own = own
        self.jitter = jitter
        self.per_annotator = per_annotator
        self.confusion = confusion
        self.clean_share = clean_share
        self.end_on_clean = end_on_clean
        self.end_lr_factor = end_lr_factor

    def attach(self, model: nn.Module, samples: Samples) -> None:
        if not samples.clean.any():
            raise ConfigError(
                "noise=bias_correction compares with samples known to be clean, and none of the "
                f"{len(samples.clean)} training samples is flagged so: name them by data.clean."
            )
        self.register_buffer("bias", torch.zeros(len(Bias._fields), self.num_classes))  # (columns of Bias, K)
        self.register_buffer("truth", torch.eye(self.num_classes))  # (K, K) true class by class in the label
        self.register_buffer("corrected", torch.tensor(False))

    @property
    def correct_epoch(self) -> int:
        """The first epoch that may have corrected labels."""
        return min(max(1, round(self.correct_at * self.epochs)), self.epochs - 1)

    @property
    def end_epoch(self) -> int:
        """The first epoch on clean samples alone; the number of epochs if there is none."""
        return max(self.correct_epoch + 1, self.epochs - round(self.end_on_clean * self.epochs))

    @property
    def restarts(self) -> dict[int, float]:
        end = {self.end_epoch: self.end_lr_factor} if self.end_epoch < self.epochs else {}
        return {self.correct_epoch: 1.0} | end

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        clean = samples.clean.float()  # (N,)
        noisy = (~samples.clean & samples.labelled).float()
        if epoch >= self.end_epoch or not noisy.any():
            return clean
        return with_share(clean, noisy, self.clean_share) if self.corrected else noisy

    def audit(self, view: TrainingView, epoch: int) -> None:
        latest = (self.correct_epoch + self.end_epoch) // 2
        if self.corrected or not self.correct_epoch <= epoch <= latest:
            return
        measured = survey(view, self.num_classes, self.bias.device)
        if epoch == latest or learned(measured).all():
            self.undo(view, measured)
            self.corrected.fill_(True)

    def undo(self, view: TrainingView, measured: Survey) -> None:
        """Estimate what annotators do from a survey, and rewrite the noisy labels; one pass of the training set."""
        own_habits = habits(measured, self.confidence) if self.per_annotator else {}
        bias = estimate_bias(measured, self.confidence, self.scale, own_habits)
        switched_off = np.zeros(self.num_classes)
        bias = bias._replace(
            own=bias.own if self.own else switched_off, jitter=bias.jitter if self.jitter else switched_off
        )
        truth = posterior(measured, self.confidence) if self.confusion else np.eye(self.num_classes)
        self.bias.copy_(torch.from_numpy(np.stack(bias)))
        self.truth.copy_(torch.from_numpy(truth))
        Corrector(bias, truth, own_habits).rewrite(view, measured)


def with_share(clean: Tensor, others: Tensor, share: float) -> Tensor:
    """Give weights of draws, (N,), with at least this share of the sum on the clean samples.

    >>> with_share(torch.tensor([1.0, 0, 0, 0]), torch.tensor([0, 1.0, 1, 1]), 0.5).tolist()
    [3.0, 1.0, 1.0, 1.0]
    """
    factor = max(1.0, share / (1 - share) * float(others.sum() / clean.sum()))
    return others + factor * clean
