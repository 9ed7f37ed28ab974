"""Curriculum: easy samples first, harder and doubtful ones later."""

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.pacing import Pacing, pace
from segtrain.types import CLASS_AXIS, Samples, Seen, TrainingView

__all__ = ["Curriculum", "class_balanced_disagreement"]


class Curriculum(NoiseStrategy):
    """Draw the easiest share of the samples, and let it grow (Bengio et al. 2009; Kumar et al. 2010).

    Difficulty is how much the model disagrees with a sample's label. Samples are ranked among those of like
    object size, or small objects, which are mostly boundary, would all come last. Clean samples are always drawn.
    A ranking costs one forward pass of the training set.

    Args:
        epochs: length of the training, in epochs, that `full_at` is a share of.
        start_fraction: share of the samples drawn right after the warm-up, in (0, 1].
        full_at: share of the epochs after which every sample is drawn, in (0, 1].
        pacing: how the share grows, see `pace`.
        warmup_epochs: epochs with every sample before the first ranking, >= 1: an untrained model ranks by chance.
        rank_every: epochs between two rankings, >= 1.
        strata: number of object-size groups of equal count, >= 1.
    """

    difficulty: Tensor
    size: Tensor

    def __init__(
        self,
        epochs: int,
        start_fraction: float = 0.3,
        full_at: float = 0.7,
        pacing: Pacing = "linear",
        warmup_epochs: int = 1,
        rank_every: int = 1,
        strata: int = 4,
    ) -> None:
        super().__init__()
        faults = [
            f"The '{name}' of Curriculum must be {law}, got {value}"
            for name, value, law, holds in (
                ("epochs", epochs, "at least 1 (give trainer.max_epochs)", epochs >= 1),
                ("start_fraction", start_fraction, "in (0, 1]", 0 < start_fraction <= 1),
                ("full_at", full_at, "in (0, 1]", 0 < full_at <= 1),
                ("warmup_epochs", warmup_epochs, "at least 1", warmup_epochs >= 1),
                ("rank_every", rank_every, "at least 1", rank_every >= 1),
                ("strata", strata, "at least 1", strata >= 1),
            )
            if not holds
        ]
        if faults:
            raise ConfigError("noise.curriculum cannot be built:", faults)
        self.epochs = epochs
        self.start_fraction = start_fraction
        self.full_at = full_at
        self.pacing: Pacing = pacing
        self.warmup_epochs = warmup_epochs
        self.rank_every = rank_every
        self.strata = strata

    def attach(self, model: nn.Module, samples: Samples) -> None:
        self.register_buffer("difficulty", torch.zeros(len(samples.clean)))  # (N,)
        self.register_buffer("size", torch.zeros(len(samples.clean)))  # (N,)

    def share(self, epoch: int) -> float:
        """Give the share of the samples to draw in this epoch, in (0, 1]."""
        growth = self.full_at * self.epochs - self.warmup_epochs
        if epoch < self.warmup_epochs or growth <= 0:
            return 1.0
        return pace(self.pacing, self.start_fraction, (epoch - self.warmup_epochs) / growth)

    def audit(self, view: TrainingView, epoch: int) -> None:
        if self.share(epoch) == 1.0 or (epoch - self.warmup_epochs) % self.rank_every:
            return
        difficulty, size = torch.zeros_like(self.difficulty), torch.zeros_like(self.size)
        for seen in view:
            difficulty[seen.batch.index] = class_balanced_disagreement(seen)
            size[seen.batch.index] = _size(seen)
        self.difficulty.copy_(view.gather(difficulty))
        self.size.copy_(view.gather(size))

    def sample_weights(self, samples: Samples, epoch: int) -> Tensor:
        share = self.share(epoch)
        if share == 1.0:
            return super().sample_weights(samples, epoch)
        drawn = samples.clean.clone()  # (N,)
        order = self.size.cpu().argsort(stable=True)
        for stratum in order.tensor_split(self.strata):
            easiest = stratum[self.difficulty.cpu()[stratum].argsort(stable=True)]
            drawn[easiest[: max(1, round(share * len(stratum)))]] = True
        return drawn.float()


def class_balanced_disagreement(seen: Seen) -> Tensor:
    """Give how much the model disagrees with each label: the mean over its classes of 1 - p(label), (B,) in [0, 1].

    Each class counts alike, or an image with little foreground would look easy by its background alone. Ignored
    pixels do not count; a sample without a trusted pixel gets 1.
    """
    target, weight = seen.batch.target, seen.batch.weight.unsqueeze(CLASS_AXIS)
    if target.dim() == 5:  # (B, K, 2, H, W): the K problems' classes count alike
        weight = weight.unsqueeze(1)  # (B, 1, 1, H, W)
    mass = (target * weight).sum(dim=(-2, -1)).flatten(1)  # (B, C) or (B, 2K)
    agreement = (target * weight * seen.probs).sum(dim=(-2, -1)).flatten(1)
    present = mass > 0
    per_class = 1.0 - agreement / mass.clamp_min(1e-12)
    disagreement = (per_class * present).sum(dim=1) / present.sum(dim=1).clamp_min(1)
    return torch.where(present.any(dim=1), disagreement, torch.ones_like(disagreement))  # (B,)


def _size(seen: Seen) -> Tensor:
    """Give the share of pixels outside the largest class, (B,): the object's share when there is a background."""
    shares = seen.batch.target.mean(dim=(-2, -1))  # (B, C) or (B, K, 2)
    largest = shares.amax(dim=-1)
    return 1.0 - (largest if largest.dim() == 1 else largest.mean(dim=1))
