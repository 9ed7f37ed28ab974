"""Noise transition: predict the true class, and compare with the labels through the mistakes that annotators make."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.models.arguments import argument_faults
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.selection import as_problems
from segtrain.noise.transition import estimate_transition, expected_agreement, through
from segtrain.types import Batch, Criterion, Progress, Samples, TrainingView

__all__ = ["NoiseTransition"]

PACE = 10.0
"""A learned matrix moves so much faster than the weights: it has few entries and an optimiser's rate is for many."""


class NoiseTransition(NoiseStrategy):
    """Compare labels with predictions passed through a matrix of mistakes (Patrini et al. 2017; Tanno et al. 2019).

    T[i, j] is the probability of label j where i is true. If p is predicted, labels are distributed as T' p, and it
    is this that is trained to fit them ("forward correction", Patrini et al., eq. 5), under any loss: it gets
    log T' p for logits. Clean samples are compared with p itself. The matrix says which classes are taken for which,
    and not where: it suits swapped classes, and can do little about outlines.

    Estimated: once, after the warm-up. Where there are clean samples, which are not drawn in the warm-up, T is what
    the network, which then predicts labels, predicts on their true classes (Hendrycks et al. 2018, eq. 2), for all
    annotators alike; else it is the confident joint (Northcutt et al. 2021), for each annotator. Learned: with the
    network from the end of the warm-up on, for each annotator; that they agree with the truth no more than they must
    is what tells their mistakes from the network's (Tanno et al. 2019, eq. 7).

    Costs: one forward and one backward pass a step; if it is estimated, two forward passes of the training set, once.

    Args:
        num_classes: of the data.
        epochs: length of the training, in epochs, that `warmup` is a share of.
        transition: "estimated" or "learned".
        warmup: share of the epochs, in [0, 1), in which labels are taken as they are; one epoch at least.
        per_annotator: a matrix for each annotator that is known, and one for all others; else one for all.
        trace: weight of the agreement of a learned matrix, >= 0. Classes count by how often they are predicted, or
            a rare class would be given away for it.
        diagonal: what a learned matrix starts from: the probability of the right label, in (0, 1).
    """

    sides = frozenset({"samples", "pixels"})

    deviation: nn.Parameter

    def __init__(
        self,
        num_classes: int,
        epochs: int,
        transition: Literal["estimated", "learned"] = "estimated",
        warmup: float = 0.2,
        per_annotator: bool = True,
        trace: float = 0.01,
        diagonal: float = 0.9,
    ) -> None:
        super().__init__()
        faults = argument_faults(
            "NoiseTransition",
            ("epochs", epochs, epochs >= 1, "at least 1 (give trainer.max_epochs)"),
            ("transition", transition, transition in ("estimated", "learned"), "estimated or learned"),
            ("warmup", warmup, 0 <= warmup < 1, "in [0, 1)"),
            ("trace", trace, trace >= 0, "at least 0"),
            ("diagonal", diagonal, 0 < diagonal < 1, "in (0, 1)"),
        )
        if faults:
            raise ConfigError("noise.noise_transition cannot be built:", faults)
        self.num_classes = num_classes
        self.learned = transition == "learned"
        self.warmup_epochs = max(1, round(warmup * epochs))
        self.per_annotator = per_annotator
        self.trace = trace
        self.diagonal = diagonal
        self.estimate_ = torch.empty(0)  # (A + 1, K, C, C) once estimated; the kind of classes is not known before

    def attach(self, model: nn.Module, samples: Samples) -> None:
        self.num_annotators = int(samples.annotator.max().clamp_min(-1)) + 1 if self.per_annotator else 0
        if self.learned:
            rooms = 2 * self.num_classes  # (C, C), or for overlapping classes K blocks of (2, 2)
            self.deviation = nn.Parameter(torch.zeros(self.num_annotators + 1, rooms, rooms))

    # Its size is not known when the state is loaded, so that it cannot be a buffer.

    def get_extra_state(self) -> Tensor:
        return self.estimate_.cpu()

    def set_extra_state(self, state: Tensor) -> None:
        self.estimate_ = state

    def audit(self, view: TrainingView, epoch: int) -> None:
        if not self.learned and epoch == self.warmup_epochs:
            self.estimate_ = estimate_transition(view, self.num_annotators)

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        noisy = samples.labelled & ~samples.clean
        held_out = not self.learned and epoch < self.warmup_epochs and bool(noisy.any())
        return (~samples.clean if held_out else torch.ones_like(samples.clean)).float()

    def loss_terms(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> dict[str, Tensor]:
        ready = self.learned or self.estimate_.numel() > 0
        if progress.epoch < self.warmup_epochs or not ready:
            terms = super().loss_terms(logits, batch, criterion, progress)
            # Distributed training waits for a gradient of every parameter.
            return terms | ({"trace": 0.0 * self.deviation.sum()} if self.learned else {})
        tables = self.tables(as_problems(logits))  # (A + 1, K, C, C)
        known = (batch.annotator >= 0) & (batch.annotator < self.num_annotators)
        matrices = tables[torch.where(known, batch.annotator, self.num_annotators)]  # (B, K, C, C)
        seen = torch.where(batch.clean.view(-1, *[1] * (logits.dim() - 1)), logits, through(logits, matrices))
        terms = {"supervised": criterion(seen, batch.target, batch.weight)}
        if self.learned:
            noisy = batch.weight * ~batch.clean[:, None, None]
            terms["trace"] = self.trace * expected_agreement(logits, matrices, noisy)
        return terms

    def tables(self, problems: Tensor) -> Tensor:
        """Give a matrix for each annotator and, last, for all others, (A + 1, K, C, C), for logits (B, K, C, H, W)."""
        num_problems, num_classes = problems.shape[1:3]
        if not self.learned:
            self.estimate_ = self.estimate_.to(problems.device)
            return self.estimate_
        blocks = self.deviation[:, : num_problems * num_classes, : num_problems * num_classes]
        blocks = blocks.unflatten(2, (num_problems, num_classes)).unflatten(1, (num_problems, num_classes))
        deviation = blocks.diagonal(dim1=1, dim2=3).movedim(-1, 1)  # (A + 1, K, C, C)
        odds = self.diagonal / (1 - self.diagonal) * (num_classes - 1)  # of the right label against any other
        start = torch.eye(num_classes, device=problems.device) * math.log(odds)
        return (start + PACE * deviation).softmax(dim=-1)
