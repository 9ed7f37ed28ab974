"""Gaussian filtering between points of any dimension, by the permutohedral lattice (Adams, Baek & Davis 2010).

Each point gives its value to the d + 1 lattice vertices around it (splat), the vertices exchange what they hold with
their neighbours along d + 1 axes (blur), and each point takes it back (slice). That costs O(d^2 P) for P points where
the sum over all pairs costs O(P^2), and is close to that sum times a constant, which a normalisation takes out.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Permutohedral", "added"]


class Permutohedral(NamedTuple):
    """The lattice of a set of points, built once and then applied to any number of values."""

    vertices: Tensor
    """(P, d + 1) int32: the vertices around each point."""
    slice_weights: Tensor
    """(P, d + 1) float: how much of each of them the point takes."""
    points: Tensor
    """(P * (d + 1),) int32: the points around each vertex, vertex by vertex."""
    splat_weights: Tensor
    """(P * (d + 1),) float: how much each of them gives."""
    starts: Tensor
    """(M,) int32: where the points of each vertex begin."""
    neighbours: Tensor
    """(d + 1, 2, M) int32: the next vertices along each axis; M where there is none."""

    @classmethod
    def of(cls, features: Tensor) -> Self:
        """Build the lattice in which the weight of two points is exp(-|f_i - f_j|^2 / 2), nearly.

        Args:
            features: (B, d, N) float: N points in each of B sets; those of different sets never meet.
        """
        remainder, rank, weights = _enclose(_elevate(features.transpose(0, 1).flatten(1)))
        sets = torch.arange(len(features), device=features.device).repeat_interleave(features.shape[2])  # (P,)
        vertices, keys = _vertices(remainder, rank, sets)
        sorted_vertices, order = vertices.flatten().sort(stable=True)  # (P * (d + 1),) each
        starts = torch.searchsorted(sorted_vertices, torch.arange(len(keys), device=keys.device, dtype=torch.int32))
        points = order.div(len(rank), rounding_mode="floor").int()
        splat_weights = weights.flatten().index_select(0, order)
        weights *= 1 / (1 + 2.0 ** -features.shape[1])  # the gain of the blur
        return cls(vertices, weights, points, splat_weights, starts.int(), _neighbours(keys, len(rank)))

    def blurred(self, values: Tensor) -> Tensor:
        """Splat and blur: (P, C) float -> (M + 1, C), the last row being 0."""
        held = F.embedding_bag(self.points, values, self.starts, mode="sum", per_sample_weights=self.splat_weights)
        held = F.pad(held, (0, 0, 0, 1))  # nothing where there is no vertex
        for ahead, behind in self.neighbours:
            held[:-1].add_(held.index_select(0, ahead).add_(held.index_select(0, behind)), alpha=0.5)
        return held

    def __call__(self, values: Tensor) -> Tensor:
        """Filter: (P, C) float -> (P, C), linear in the values; the P = B * N points set after set."""
        return F.embedding_bag(self.vertices, self.blurred(values), mode="sum", per_sample_weights=self.slice_weights)

    def scaled(self, given: Tensor, taken: Tensor) -> Self:
        """Multiply what each point gives, and what it takes, by (P,) factors: it costs no time when filtering."""
        return self._replace(
            slice_weights=self.slice_weights * taken[:, None], splat_weights=self.splat_weights * given[self.points]
        )


def added(lattices: Sequence[Permutohedral]) -> Callable[[Tensor], Tensor]:
    """Give the sum of lattices over the same points as one filter, which takes from all of them in one pass."""
    first = np.cumsum([0, *(len(lattice.starts) + 1 for lattice in lattices[:-1])])
    vertices = torch.cat([lattice.vertices + int(n) for lattice, n in zip(lattices, first, strict=True)], dim=1)
    weights = torch.cat([lattice.slice_weights for lattice in lattices], dim=1)  # (P, sum of d + 1)

    def filtered(values: Tensor) -> Tensor:
        held = torch.cat([lattice.blurred(values) for lattice in lattices])
        return F.embedding_bag(vertices, held, mode="sum", per_sample_weights=weights)

    return filtered


def _elevate(features: Tensor) -> Tensor:
    """Lift (d, P) into the plane of zero sum (d + 1, P), at the scale of the blur's variance (Adams 2010, sec. 3.1)."""
    axis = torch.arange(1, len(features) + 1, dtype=features.dtype, device=features.device)[:, None]
    scaled = features * ((len(features) + 1) * (2 / 3) ** 0.5 / (axis * (axis + 1)).sqrt())
    after = scaled.flip(0).cumsum(0).flip(0)  # (d, P): the sum from each axis on
    elevated = F.pad(after, (0, 0, 0, 1))  # (d + 1, P)
    elevated[1:] -= axis * scaled
    return elevated


def _enclose(elevated: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find the simplex around each point (d + 1, P) (Adams 2010, sec. 3.2).

    Returns:
        The vertex of remainder 0, in steps of d + 1: (d + 1, P) float; each coordinate's place when the offsets from it
        are sorted downwards: (d + 1, P) int16; the barycentric weights by remainder: (P, d + 1) float.
    """
    num_axes = len(elevated)
    steps = (elevated / num_axes).round()
    offset = elevated - steps * num_axes
    rank = steps.sum(0).to(torch.int16) + torch.arange(num_axes, dtype=torch.int16, device=steps.device)[:, None]
    for i in range(num_axes):
        for j in range(i + 1, num_axes):
            below = (offset[i] < offset[j]).to(torch.int16)
            rank[i] += below
            rank[j] -= below
    wrap = (rank < 0).to(torch.int16) - (rank >= num_axes).to(torch.int16)  # where rounding left the plane
    rank += wrap * num_axes
    offset -= wrap * num_axes
    steps += wrap
    falling = torch.empty_like(offset).scatter_(0, rank.long(), offset)
    barycentric = falling.flip(0).diff(dim=0, prepend=falling[:1] - num_axes) / num_axes
    return steps, rank, barycentric.T.contiguous()


def _multipliers(num_axes: int, device: torch.device) -> Tensor:
    """Give numbers (3, d + 1) that turn coordinates, ranks and sets into keys by a sum, modulo 2^64.

    A neighbour's key is the vertex's plus a constant. That two of a million vertices share one has a chance below 1e-6.
    """
    numbers = np.random.default_rng(2010).integers(-(2**63), 2**63, (3, num_axes))
    return torch.from_numpy(numbers).to(device)


def _vertices(remainder: Tensor, rank: Tensor, sets: Tensor) -> tuple[Tensor, Tensor]:
    """Number the vertices of the simplices: (P, d + 1) int32, and give the sorted keys (M,) of all there are."""
    num_axes = len(rank)
    multipliers = _multipliers(num_axes, rank.device)
    origin = sets * multipliers[2, 0]
    simplex = origin.clone()
    for axis in range(num_axes):
        origin += remainder[axis].long() * (multipliers[0, axis] * num_axes)
        simplex += rank[axis].long() * multipliers[1, axis]
    simplex += origin
    # Many points share a simplex: only what differs is sorted.
    simplices, shared = simplex.unique(return_inverse=True)  # (U,), (P,)
    first = torch.empty_like(simplices).scatter_(0, shared, torch.arange(len(shared), device=rank.device))
    axes = torch.arange(num_axes, device=rank.device)[:, None].expand(-1, len(first))
    place = torch.empty_like(axes).scatter_(0, rank.index_select(1, first).long(), axes)  # (d + 1, U): by rank
    # From one remainder to the next, all coordinates grow by 1 but the one of the last rank left, which falls by d.
    step = multipliers[0].sum() - num_axes * multipliers[0][place.flip(0)[:-1]]  # (d, U)
    corners = origin[first] + F.pad(step, (0, 0, 1, 0)).cumsum(0)  # (d + 1, U)
    keys, numbers = corners.unique(return_inverse=True)
    return numbers.int().T.contiguous().index_select(0, shared), keys


def _neighbours(keys: Tensor, num_axes: int) -> Tensor:
    """Find each vertex's neighbours, d steps ahead on one axis and 1 behind on the others: (d + 1, 2, M) int32."""
    multipliers, numbers = _multipliers(num_axes, keys.device)[0], torch.arange(len(keys), device=keys.device)
    wanted = keys + (num_axes * multipliers - multipliers.sum())[:, None]  # (d + 1, M)
    found = torch.searchsorted(keys, wanted).clamp_(max=len(keys) - 1)
    ahead = found.masked_fill_(keys[found] != wanted, len(keys))
    behind = ahead.new_full((num_axes, len(keys) + 1), len(keys)).scatter_(1, ahead, numbers.expand(num_axes, -1))
    return torch.stack([ahead, behind[:, :-1]], dim=1).int()
