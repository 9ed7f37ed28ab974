"""Self-training in rounds: train, let the model label, train again."""

import copy
from typing import Literal

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.models.arguments import argument_faults
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.pacing import pace
from segtrain.noise.thresholds import least, likeliest
from segtrain.types import CLASS_AXIS, Batch, Progress, Samples, Seen, TrainingView, one_hot

__all__ = ["SelfTraining", "image_confidence"]


class SelfTraining(NoiseStrategy):
    """Label noisy and unlabelled samples by the model at the start of each round (Lee 2013; ST++, Yang et al. 2022).

    The epochs are shared out evenly over the rounds. The first trains on the labels as given; at the start of each
    further one the model of `predict_with` labels the surest share of the images (for images of which it is less
    sure the former label stays), which grows to all in the last round. ST++ ranks images by how much checkpoints
    disagree; here they are ranked by confidence, which needs no stored masks, with each class counted alike. A
    pixel's weight is the confidence of its label; ignored pixels of a labelled sample stay ignored. A sample without
    a mask is drawn once it has a label. Clean samples keep theirs.

    Costs: one forward pass of the training set per round, two in rounds that label a part of the images.

    Args:
        epochs: length of the training.
        rounds: that it is divided into, >= 2, and at most `epochs`.
        first_share: share of the images labelled at the start of the second round, in (0, 1], growing evenly to 1 in
            the last; with two rounds all are labelled at once.
        given: what becomes of the labels of noisy samples: "replace", or "keep" (only unlabelled ones are labelled).
        soft: the label is the model's probabilities instead of its likeliest class.
        restart: begin each round with the weights of the very start, as ST++ does, and with the learning rate's
            schedule anew; the optimiser's running averages stay.
    """

    labelled_here: Tensor
    initial: nn.Module

    sides = frozenset({"samples", "pixels"})
    uses_unlabelled = True

    def __init__(
        self,
        epochs: int,
        rounds: int = 3,
        first_share: float = 0.5,
        given: Literal["replace", "keep"] = "replace",
        soft: bool = False,
        restart: bool = False,
    ) -> None:
        super().__init__()
        faults = argument_faults(
            "SelfTraining",
            ("rounds", rounds, rounds >= 2, "at least 2"),
            ("epochs", epochs, epochs >= rounds, f"at least the {rounds} rounds (raise trainer.max_epochs)"),
            ("first_share", first_share, 0 < first_share <= 1, "in (0, 1]"),
            ("given", given, given in ("replace", "keep"), "replace or keep"),
        )
        if faults:
            raise ConfigError("noise.self_training cannot be built:", faults)
        self.starts = [round(epochs * number / rounds) for number in range(rounds)]
        self.first_share = first_share
        self.given = given
        self.soft = soft
        self.restart = restart
        self.round = 0

    @property
    def restarts(self) -> dict[int, float]:
        return dict.fromkeys(self.starts[1:], 1.0) if self.restart else {}

    def attach(self, model: nn.Module, samples: Samples) -> None:
        if not samples.labelled.any():
            raise ConfigError(
                "noise=self_training learns from some labels before it makes its own, and no training sample has a "
                "mask: name them by data.masks."
            )
        self.register_buffer("labelled_here", torch.zeros(len(samples.labelled), dtype=torch.bool))  # (N,)
        if self.restart:
            self.initial = copy.deepcopy(model).requires_grad_(False)

    def audit(self, view: TrainingView, epoch: int) -> None:
        if epoch not in self.starts[1:]:
            return
        chosen = self._surest(view, self.share(self.starts.index(epoch)))  # (N,)
        for seen in view:
            for position, index in enumerate(seen.batch.index.tolist()):
                if chosen[index]:
                    view.relabel(index, *self._label(seen, position))
        self.labelled_here |= chosen.to(self.labelled_here.device)

    def share(self, number: int) -> float:
        """Give the share of the images to label at the start of a round, counted from 0."""
        between = len(self.starts) - 2
        return pace("linear", self.first_share, (number - 1) / between) if between else 1.0

    def _surest(self, view: TrainingView, share: float) -> Tensor:
        """Give which samples to label, (N,) bool on the host: the surest of those that may be labelled."""
        eligible = ~view.samples.clean if self.given == "replace" else ~view.samples.labelled & ~view.samples.clean
        if share == 1.0:
            return eligible
        surety = torch.zeros(len(eligible), device=self.labelled_here.device)
        for seen in view:
            surety[seen.batch.index] = image_confidence(seen.probs).to(surety)
        candidates = eligible.nonzero().flatten()
        order = view.gather(surety).cpu()[candidates].argsort(descending=True, stable=True)
        chosen = torch.zeros_like(eligible)
        chosen[candidates[order[: round(share * len(candidates))]]] = True
        return chosen

    def _label(self, seen: Seen, position: int) -> tuple[Tensor, Tensor]:
        """Give the new label (C, H, W) and its weight (H, W) for one image of a batch."""
        probs = seen.probs[position]
        confidence, classes = likeliest(probs)  # (H, W) or (K, H, W)
        weight = least(confidence[None])[0]  # (H, W)
        if seen.batch.labelled[position]:
            weight = weight * (seen.batch.weight[position] > 0)
        return probs if self.soft else one_hot(classes, probs.shape[CLASS_AXIS]), weight

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        return (samples.labelled | self.labelled_here.cpu()).float()

    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        number = sum(start <= progress.epoch for start in self.starts) - 1
        if self.restart and number > self.round:
            model.load_state_dict(self.initial.state_dict())
            self.round = number
        return batch

    # A tensor on the host: the number of the round whose weights were put back.

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.round)

    def set_extra_state(self, state: Tensor) -> None:
        self.round = int(state)


def image_confidence(probs: Tensor) -> Tensor:
    """Give how sure a model is of each image, (B,): the mean over the classes it finds of their pixels' confidence."""
    planes = probs.flatten(1, -3)  # (B, C, H, W) or (B, 2 K, H, W)
    found = one_hot(likeliest(probs)[1], probs.shape[CLASS_AXIS]).flatten(1, -3)
    area = found.sum(dim=(-2, -1))  # (B, C)
    sure = (found * planes).sum(dim=(-2, -1)) / area.clamp_min(1)
    return sure.sum(dim=1) / (area > 0).sum(dim=1)
