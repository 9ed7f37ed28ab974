"""Who is drawn: an epoch's order from the samples' weights."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from segtrain.seeds import derive_seed

__all__ = ["Draw", "Places", "epoch_draws", "shared_draws", "systematic_resample"]


class Draw(NamedTuple):
    """What the data set is asked for: one sample, in one epoch, under one revision of the labels."""

    index: int  # type: ignore[assignment]  # a tuple's own index() is never needed
    epoch: int
    repeat: int = 0
    """How often this sample was drawn before in the same epoch, so that a repeat is augmented anew."""
    revision: int = 0
    """The newest revision of the labels to use; 0 = the labels as given."""


class Places(NamedTuple):
    """Some of the places in every step, and who is drawn for them."""

    weights: Tensor
    """(N,), >= 0, not all 0."""
    per_step: int
    """How many places of a step, over all devices."""


def systematic_resample(weights: Tensor, num_draws: int, generator: torch.Generator) -> Tensor:
    """Draw indices in proportion to weights, with the least variance: systematic resampling (Kitagawa 1996, appendix).

    A sample of weight w is drawn floor or ceil of `num_draws * w / sum` times: equal weights and as many draws as
    samples give a permutation; weights of 0 and 1 give the chosen ones in turn.

    Args:
        weights: (N,), >= 0, not all 0.
        num_draws: length of the result.
        generator: the only source of chance.

    Returns:
        (num_draws,) int64, in random order.
    """
    shuffle = torch.randperm(len(weights), generator=generator)  # (N,) who gets the odd draw is chance
    edges = weights.double()[shuffle].cumsum(dim=0)  # (N,)
    start = torch.rand((), generator=generator, dtype=torch.float64)
    positions = (torch.arange(num_draws) + start) * (edges[-1] / num_draws)
    drawn = shuffle[torch.searchsorted(edges, positions, right=True).clamp_max(len(weights) - 1)]  # (num_draws,)
    return drawn[torch.randperm(num_draws, generator=generator)]


def epoch_draws(weights: Tensor, num_draws: int, seed: int, epoch: int, revision: int = 0) -> list[Draw]:
    """Give an epoch's draws, in order; they depend on the arguments alone.

    As many as there are samples are drawn and the first `num_draws` kept, so that what a drop of the last partial
    batch leaves out is chance and not the rule.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, epoch))
    drawn = systematic_resample(weights, max(num_draws, len(weights)), generator)[:num_draws]
    return _numbered(drawn.tolist(), epoch, revision)


def shared_draws(places: Sequence[Places], steps: int, seed: int, epoch: int, revision: int = 0) -> list[Draw]:
    """Give an epoch's draws when a step's places are shared out; they depend on the arguments alone.

    Every step has the places of the first kind first, then those of the second, and so on. Dealt out to devices in
    turn, each gets its even share of every kind, if their numbers are multiples of the number of devices.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, epoch))
    columns = []
    for weights, per_step in places:
        columns.append(systematic_resample(weights, steps * per_step, generator).view(steps, per_step))
    return _numbered(torch.cat(columns, dim=1).flatten().tolist(), epoch, revision)


def _numbered(drawn: Iterable[int], epoch: int, revision: int) -> list[Draw]:
    seen: Counter[int] = Counter()
    draws = []
    for index in drawn:
        draws.append(Draw(index, epoch, seen[index], revision))
        seen[index] += 1
    return draws
