"""Uncertainty: pixels about which the model cannot make up its mind are ignored, or count less."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from segtrain.errors import ConfigError
from segtrain.models import mc_dropout_probs
from segtrain.models.arguments import argument_faults
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.pacing import sigmoid_rampup
from segtrain.noise.thresholds import class_rows, least, likeliest, subsample
from segtrain.types import CLASS_AXIS, Batch, Progress, Samples

__all__ = ["Uncertainty", "boundary_rings", "excess"]


class Uncertainty(NoiseStrategy):
    """Ignore, or weight down, the pixels on which passes with dropout disagree (Gal and Ghahramani 2016).

    A pixel's doubt is its uncertainty as a share of the most there can be, ln C nats. In "weight" it counts by
    1 - doubt; in "ignore" it counts where doubt < limit + (1 - limit) ramp(t) (Yu et al. 2019, eq. 2 and 3, UA-MT).
    Every model is unsure along boundaries, wrong label or not, and of rare classes: by default doubt is therefore
    counted from what is usual in the batch for a pixel's class and distance from its label's boundary, see `excess`.
    A pixel with overlapping classes is trusted as far as the least sure of them. Clean samples are left alone.
    Batch-norm statistics stand still in these passes.

    Costs: `passes` forward passes more per step after the warm-up.

    Args:
        passes: with dropout, >= 2; UA-MT's are 8.
        measure: "entropy" of the mean prediction, or "mutual_information", the part of it that is the model's own.
        mode: "weight" or "ignore", see above.
        ceiling: uncertainty in nats that is full doubt, > 0; null = ln C. Mutual information needs less: it is a
            small part of the entropy.
        limit: of "ignore", in (0, 1].
        rings: distances in pixels from the boundary that are told apart, >= 0; 0 = count all doubt, from nothing.
        warmup_fraction: share of the steps in which every label is trusted, in [0, 1): an untrained model is unsure.
    """

    sides = frozenset({"pixels"})

    def __init__(
        self,
        passes: int = 8,
        measure: Literal["entropy", "mutual_information"] = "entropy",
        mode: Literal["weight", "ignore"] = "weight",
        ceiling: float | None = None,
        limit: float = 0.75,
        rings: int = 3,
        warmup_fraction: float = 0.2,
    ) -> None:
        super().__init__()
        faults = argument_faults(
            "Uncertainty",
            ("passes", passes, passes >= 2, "at least 2"),
            ("measure", measure, measure in ("entropy", "mutual_information"), "entropy or mutual_information"),
            ("mode", mode, mode in ("weight", "ignore"), "weight or ignore"),
            ("ceiling", ceiling, ceiling is None or ceiling > 0, "greater than 0, or null"),
            ("limit", limit, 0 < limit <= 1, "in (0, 1]"),
            ("rings", rings, rings >= 0, "at least 0"),
            ("warmup_fraction", warmup_fraction, 0 <= warmup_fraction < 1, "in [0, 1)"),
        )
        if faults:
            raise ConfigError("noise.uncertainty cannot be built:", faults)
        self.passes = passes
        self.measure = measure
        self.mode = mode
        self.ceiling = ceiling
        self.limit = limit
        self.rings = rings
        self.warmup_fraction = warmup_fraction

    def attach(self, model: nn.Module, samples: Samples) -> None:
        if not any(isinstance(module, _DropoutNd) and module.p > 0 for module in model.modules()):
            raise ConfigError(
                "noise=uncertainty asks how far passes with dropout disagree, and the model has none: set "
                "model.dropout, for example model.dropout=0.2."
            )

    @torch.no_grad()
    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        if progress.fraction < self.warmup_fraction:
            return batch
        seen = mc_dropout_probs(model, batch.image, self.passes)
        doubt = self.doubt(getattr(seen, self.measure), batch)  # (B, H, W) or (B, K, H, W)
        if self.mode == "weight":
            trust = 1 - doubt
        else:
            trust = (doubt < self.limit + (1 - self.limit) * sigmoid_rampup(progress.fraction)).float()
        trust = torch.where(batch.clean[:, None, None], 1.0, least(trust))  # (B, H, W)
        return batch._replace(weight=batch.weight * trust)

    def doubt(self, uncertainty: Tensor, batch: Batch) -> Tensor:
        """Give how much each pixel is in doubt, in [0, 1], from its uncertainty (B, H, W) or (B, K, H, W) in nats."""
        ceiling = math.log(batch.target.shape[CLASS_AXIS]) if self.ceiling is None else self.ceiling
        if self.rings == 0:
            return (uncertainty / ceiling).clamp_(0, 1)
        classes = likeliest(batch.target)[1]
        places = class_rows(classes) * (self.rings + 1) + boundary_rings(classes, self.rings)
        rows = math.prod(batch.target.shape[1:-2]) * (self.rings + 1)
        return excess(uncertainty, ceiling, places, batch.weight > 0, rows)


def excess(uncertainty: Tensor, ceiling: float, places: Tensor, counted: Tensor, rows: int) -> Tensor:
    """Give (u - usual) / (ceiling - usual), in [0, 1]: 0 for what is usual in a pixel's place, 1 at the ceiling.

    Args:
        uncertainty: (B, H, W) or (B, K, H, W), at least 0.
        ceiling: full doubt.
        places: like `uncertainty`, int64 in [0, rows): the same for pixels that are compared.
        counted: (B, H, W) bool, the pixels whose mean says what is usual.
        rows: number of places.
    """
    counted = counted if counted.dim() == uncertainty.dim() else counted.unsqueeze(1).expand_as(uncertainty)
    weight = subsample(counted).double()  # (P,)
    index, values = subsample(places), subsample(uncertainty).double()
    total = weight.new_zeros(rows).index_add_(0, index, weight * values)
    mean = (total / weight.new_zeros(rows).index_add_(0, index, weight).clamp_min(1)).to(uncertainty)  # (rows,)
    usual = mean.clamp_max(0.999 * ceiling)[places]  # like `uncertainty`
    return ((uncertainty - usual) / (ceiling - usual)).clamp_(0, 1)


def boundary_rings(classes: Tensor, rings: int) -> Tensor:
    """Give each pixel's distance from the nearest pixel of another class, less 1: 0 beside it, at most `rings`.

    Args:
        classes: (B, H, W) or (B, K, H, W) class numbers.
        rings: largest distance told apart, in pixels (eight neighbours at distance 1).
    """
    ring = torch.zeros_like(classes)
    highest = classes.float()
    lowest = -highest
    for _ in range(rings):
        highest = F.max_pool2d(highest, 3, stride=1, padding=1)
        lowest = F.max_pool2d(lowest, 3, stride=1, padding=1)
        ring += highest == -lowest
    return ring
