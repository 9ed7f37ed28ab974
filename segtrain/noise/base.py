"""The noise strategy: seven named hooks, each of which takes what it needs and returns a value."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from segtrain.types import Batch, Criterion, Progress, Samples, TrainingView

__all__ = ["Findings", "NoiseStrategy"]


class Findings(NamedTuple):
    """What a strategy has found out about the labels, for people; nothing in a training depends on it."""

    sentences: list[str]
    """In the order in which they are to be read; "class 1" stands for the name of class 1."""
    diagnosis: dict[str, Any] | None = None
    """Plain numbers, see `segtrain.audit.Diagnosis.as_dict`."""
    examples: tuple[tuple[str, int], ...] = ()
    """What can be seen in which training sample: (caption, index)."""


class NoiseStrategy(nn.Module):
    """Trust every label: the baseline, `noise=none`, from which each strategy differs in one to three hooks.

    A strategy is final: share by parts, combine by wrapping (`Chain`, `Phased`). It never knows the optimiser,
    the trainer, a data set's class, paths or the device; tensors it keeps are buffers, so that they follow the
    model to the device and into the checkpoint, and no module is assigned after `attach`.
    """

    sides: frozenset[str] = frozenset({"samples"})
    """What it touches: "samples" (who is drawn) and, where a pixel's target or weight changes, "pixels"."""

    uses_unlabelled: bool = False
    """Whether samples without a mask are drawn."""

    teacher: nn.Module | None = None
    """The averaged model of a strategy that has one; `predict_with=teacher` delivers it."""

    @property
    def findings(self) -> Findings | None:
        """What it has found out about the labels, as soon as there is something to tell."""
        return None

    def attach(self, model: nn.Module, samples: Samples) -> None:
        """Once, before a checkpoint loads: copy a teacher or a peer, size the buffers for N samples."""

    @property
    def restarts(self) -> dict[int, float]:
        """Epochs at which the learning rate's schedule starts anew, with the factor on the rate from there on."""
        return {}

    # Between epochs, asked by the data module.

    def audit(self, view: TrainingView, epoch: int) -> None:
        """Look at the training set through the model; rewrite labels by `view.relabel`."""

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        """Give each sample's share of the coming epoch's draws: (N,) float, >= 0 and not all 0; 0 = left out."""
        return samples.labelled.new_ones(len(samples.labelled), dtype=torch.float32)

    # Inside a step, asked by the Lightning module.

    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        """Change what the model will see: images, targets, weights."""
        return batch

    def trust(self, logits: Tensor, batch: Batch, progress: Progress) -> Tensor:
        """Give the trust in each pixel, (B, H, W) in [0, 1]; it multiplies the batch's weights."""
        return batch.weight.new_ones(()).expand_as(batch.weight)

    @property
    def names_terms(self) -> bool:
        """Whether it gives loss terms of its own; one strategy of a chain may."""
        return type(self).loss_terms is not NoiseStrategy.loss_terms

    def loss_terms(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> dict[str, Tensor]:
        """Give the named terms whose sum is minimised."""
        return {"supervised": criterion(logits, batch.target, batch.weight)}

    def after_step(self, model: nn.Module) -> None:
        """Follow the model after an optimiser step."""
