"""MixMatch: guess labels, sharpen the guesses, mix everything."""

import math

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.losses.functional import pixel_mean, ratio
from segtrain.models import EmaTeacher
from segtrain.models.arguments import argument_faults
from segtrain.models.modes import evaluating
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.consistency import mse_map
from segtrain.noise.mixing import beta_shares, blend, over_classes, shuffled
from segtrain.noise.views import Turn, photometric
from segtrain.types import CLASS_AXIS, Batch, Criterion, Progress, Samples, to_probs

__all__ = ["MixMatch", "sharpen"]


class MixMatch(NoiseStrategy):
    """Take only clean labels as given; guess all others, sharpen the guesses, and mix (Berthelot et al. 2019, alg. 1).

    A guess is the mean of what the model says about several views of the image (eq. 6), sharpened (eq. 7). Then each
    image of the batch is blended with another so that it keeps at least half (eq. 8-11). Those whose first image is
    clean make the supervised term, under the run's loss; the others the unsupervised one, the squared error of the
    probabilities (eq. 4), which counts by the share of their pixels that is not ignored.

    Unlike the paper, each image is trained on once and not in every view, so that a step trains as many images as
    without. A batch without a clean sample has a supervised term of 0: set data.clean_per_batch, for example to half
    of data.batch_size, the paper's share.

    Costs: `views` forward passes of the batch without gradient in each step.

    Args:
        views: views that make a guess, at least 1; K in the paper.
        temperature: above 0; T in the paper: below 1 a guess is sharpened, 1 leaves it as it is.
        alpha: of Beta(alpha, alpha), above 0, from which the shares of the blends are drawn.
        weight: of the unsupervised term after its ramp, at least 0; lambda_U in the paper. 1 to 10 for masks,
            where every pixel gives a term, not the paper's 75 for CIFAR-10: in a short training even 5 lets early
            guesses confirm themselves.
        rampup_fraction: share of the steps in which that weight grows from 0, evenly, in [0, 1].
        strength: of the views' change in contrast, brightness, blur and noise, at least 0; see `photometric`.
        turn: also turn the views by a symmetry of the square: only where orientation means nothing.
        keep_given: where a sample has a label that may be wrong, count it as one more view, by its pixels' weights.
        teacher_decay: guess by the average of the model's weights with this decay, in (0, 1); null = by the model.
    """

    sides = frozenset({"pixels"})
    uses_unlabelled = True

    def __init__(
        self,
        views: int = 2,
        temperature: float = 0.5,
        alpha: float = 0.75,
        weight: float = 1.0,
        rampup_fraction: float = 0.25,
        strength: float = 0.5,
        turn: bool = False,
        keep_given: bool = False,
        teacher_decay: float | None = None,
    ) -> None:
        super().__init__()
        faults = argument_faults(
            "MixMatch",
            ("views", views, views >= 1, "at least 1"),
            ("temperature", temperature, 0 < temperature < math.inf, "above 0"),
            ("alpha", alpha, 0 < alpha < math.inf, "above 0"),
            ("weight", weight, 0 <= weight < math.inf, "at least 0"),
            ("rampup_fraction", rampup_fraction, 0 <= rampup_fraction <= 1, "in [0, 1]"),
            ("strength", strength, 0 <= strength < math.inf, "at least 0"),
        )
        if faults:
            raise ConfigError("noise.mixmatch cannot be built:", faults)
        self.views = views
        self.temperature = temperature
        self.alpha = alpha
        self.weight = weight
        self.rampup_fraction = rampup_fraction
        self.strength = strength
        self.turn = turn
        self.keep_given = keep_given
        self.follower = None if teacher_decay is None else EmaTeacher(teacher_decay)

    @property
    def teacher(self) -> nn.Module | None:  # type: ignore[override]  # there is one only where a decay is given
        return None if self.follower is None else self.follower.model

    def attach(self, model: nn.Module, samples: Samples) -> None:
        if not (samples.clean & samples.labelled).any():
            raise ConfigError(
                "noise=mixmatch learns from clean labels alone and guesses the others, and none of the "
                f"{len(samples.clean)} training samples is flagged clean: name them by data.clean, and how many each "
                "batch holds by data.clean_per_batch."
            )
        if self.follower is not None:
            self.follower.attach(model)

    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        clean = batch.clean & batch.labelled  # (B,)
        given = clean.view(-1, *(1,) * (batch.target.dim() - 1))  # (B, 1, 1, 1)
        guessed = batch._replace(
            target=torch.where(given, batch.target, self._guess(batch, model)),
            # What was ignored in a label stays so; where there is no label, nothing was.
            weight=torch.where(batch.labelled.view(-1, 1, 1), batch.weight, 1.0),
            labelled=torch.ones_like(batch.labelled),
        )
        mixed = blend(guessed, shuffled(guessed), beta_shares(batch, self.alpha, fold=True))
        return mixed._replace(clean=clean)  # which term it belongs to

    def _guess(self, batch: Batch, model: nn.Module) -> Tensor:
        """Give sharpened probabilities (B, C, H, W) or (B, K, 2, H, W)."""
        votes = batch.weight.new_zeros(batch.target.shape)
        for _ in range(self.views):
            view = photometric(batch.image, self.strength)
            if self.turn:
                turn = Turn.draw(view)
                votes += turn.back(self._believe(turn(view), model))
            else:
                votes += self._believe(view, model)
        if self.keep_given:
            weight = over_classes(batch.weight, votes)
            votes = (votes + weight * batch.target) / (self.views + weight)
        else:
            votes /= self.views
        return sharpen(votes, self.temperature)

    def _believe(self, image: Tensor, model: nn.Module) -> Tensor:
        if self.follower is not None:
            return self.follower(image)
        with evaluating(model), torch.no_grad():
            return to_probs(model(image))

    def loss_terms(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> dict[str, Tensor]:
        clean = batch.clean.view(-1, 1, 1)
        guessed = batch.weight * ~clean  # (B, H, W)
        kept = ratio(guessed.sum(), (~clean).sum() * guessed[0].numel())
        grown = min(1.0, progress.fraction / self.rampup_fraction) if self.rampup_fraction else 1.0
        error = pixel_mean(mse_map, logits, batch.target, guessed)
        return {
            "supervised": criterion(logits, batch.target, batch.weight * clean),
            "unsupervised": self.weight * grown * kept * error,
        }

    def after_step(self, model: nn.Module) -> None:
        if self.follower is not None:
            self.follower.follow(model)


def sharpen(probs: Tensor, temperature: float) -> Tensor:
    """Raise probabilities to 1 / temperature and let them sum to 1 again (Berthelot et al. 2019, eq. 7).

    >>> sharpen(torch.tensor([0.2, 0.8]).view(2, 1, 1), 0.5).flatten()
    tensor([0.0588, 0.9412])
    """
    # In logarithms: a small temperature would take all classes to 0.
    return (probs.clamp_min(torch.finfo(probs.dtype).tiny).log() / temperature).softmax(CLASS_AXIS)
