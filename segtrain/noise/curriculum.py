"""Curriculum: easy samples first, harder and doubtful ones later."""

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.models import EmaTeacher
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.difficulty import RANKINGS, Ranking, difficulty, object_share
from segtrain.noise.pacing import Pacing, pace
from segtrain.types import Samples, TrainingView

__all__ = ["Curriculum"]


class Curriculum(NoiseStrategy):
    """Draw the easiest share of the samples, and let it grow (Bengio et al. 2009; Kumar et al. 2010).

    Samples are ranked among those of like object size, or small objects, which are mostly boundary, would all come
    last. Clean samples are always drawn.

    Costs: one forward pass of the training set in each ranking, two by the teacher; nothing in a step.

    Args:
        epochs: length of the training, in epochs, that `full_at` is a share of.
        by: what makes a sample difficult: the model's or an averaged teacher's "disagreement" with its label, its
            "loss", the "size" of its object (small is hard), or that it is not "clean"; see `difficulty`.
        start_fraction: share of the samples drawn right after the warm-up, in (0, 1].
        full_at: share of the epochs after which every sample is drawn, in (0, 1].
        pacing: how the share grows, see `pace`.
        warmup_epochs: epochs with every sample before the first ranking, >= 1: an untrained model ranks by chance.
        rank_every: epochs between two rankings, >= 1.
        strata: number of object-size groups of equal count, >= 1; by size there is one.
        decay: of the teacher, when it is asked; in (0, 1).
    """

    difficulty: Tensor
    size: Tensor

    def __init__(
        self,
        epochs: int,
        by: Ranking = "disagreement",
        start_fraction: float = 0.3,
        full_at: float = 0.7,
        pacing: Pacing = "linear",
        warmup_epochs: int = 1,
        rank_every: int = 1,
        strata: int = 4,
        decay: float = 0.99,
    ) -> None:
        super().__init__()
        faults = [
            f"The '{name}' of Curriculum must be {law}, got {value}"
            for name, value, law, holds in (
                ("epochs", epochs, "at least 1 (give trainer.max_epochs)", epochs >= 1),
                ("by", by, f"one of {', '.join(RANKINGS)}", by in RANKINGS),
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
        self.average = EmaTeacher(decay) if by == "teacher" else None
        self.epochs = epochs
        self.by: Ranking = by
        self.start_fraction = start_fraction
        self.full_at = full_at
        self.pacing: Pacing = pacing
        self.warmup_epochs = warmup_epochs
        self.rank_every = rank_every
        self.strata = 1 if by == "size" else strata

    @property
    def teacher(self) -> nn.Module | None:  # type: ignore[override]
        return None if self.average is None else self.average.model

    def attach(self, model: nn.Module, samples: Samples) -> None:
        if self.average is not None:
            self.average.attach(model)
        if self.by == "clean" and not samples.clean.any():
            raise ConfigError("noise.curriculum.by=clean has no clean sample to begin with: name them by data.clean.")
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
        lots = torch.rand(len(self.difficulty))  # drawn at once: the same whichever process looks at a sample
        ranks, size = torch.zeros_like(self.difficulty), torch.zeros_like(self.size)
        for seen in view:
            judged = seen if self.average is None else seen._replace(probs=self.average(seen.batch.image))
            ranks[seen.batch.index] = difficulty(self.by, judged, lots)
            size[seen.batch.index] = object_share(seen)
        self.difficulty.copy_(view.gather(ranks))
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

    def after_step(self, model: nn.Module) -> None:
        if self.average is not None:
            self.average.follow(model)
