"""What colours a segment has: a few Gaussians, each pixel held by one of them."""

from typing import NamedTuple

import numpy as np

__all__ = ["Mixture", "split_colours"]

UNSEEN = 0.1
"""Added to each variance, units of Lab squared: one colour alone has none of its own."""


class Mixture(NamedTuple):
    """M Gaussians over F features."""

    shares: np.ndarray
    """(M,), sum to 1."""
    means: np.ndarray
    """(M, F)."""
    covariances: np.ndarray
    """(M, F, F)."""

    @classmethod
    def fitted(cls, points: np.ndarray, holders: np.ndarray) -> "Mixture":
        """Give each Gaussian the mean and the covariance of the points that it holds.

        Args:
            points: (N, F), N >= 1.
            holders: (N,) int, which Gaussian holds each; one that holds none is left out.
        """
        counts = np.bincount(holders)
        members = [points[holders == number].astype(np.float64) for number in np.flatnonzero(counts)]
        means = np.stack([part.mean(0) for part in members])
        ridge = UNSEEN * np.eye(points.shape[1])
        covariances = [
            (part - mean).T @ (part - mean) / len(part) + ridge for part, mean in zip(members, means, strict=True)
        ]
        return cls(counts[counts > 0] / len(points), means, np.stack(covariances))

    def costs(self, points: np.ndarray) -> np.ndarray:
        """Give each point's cost under each Gaussian, (N, M) float32 (Rother et al. 2004, eq. 9).

        It is -log pi + 1/2 log det Sigma + 1/2 (z - mu)^T Sigma^-1 (z - mu).
        """
        columns = []
        for share, mean, covariance in zip(*self, strict=True):
            root = np.linalg.cholesky(np.linalg.inv(covariance))  # det root = det Sigma^-1/2
            turned = (points - mean.astype(np.float32)) @ root.astype(np.float32)
            own = -np.log(share) - np.log(np.diagonal(root)).sum()
            columns.append(np.float32(own) + 0.5 * np.einsum("nf,nf->n", turned, turned))
        return np.stack(columns, axis=1)


def split_colours(points: np.ndarray, most: int) -> np.ndarray:
    """Part points into groups: always the widest one, across its longest axis, at its mean (Orchard & Bouman 1991).

    Args:
        points: (N, F), N >= 1.
        most: groups, >= 1; there are fewer where there are fewer colours.

    Returns:
        (N,) int64, the group of each.
    """
    groups = np.zeros(len(points), np.int64)
    axes = [_longest_axis(points)]
    while len(axes) < most:
        widest = int(np.argmax([width for width, _ in axes]))
        width, axis = axes[widest]
        if width <= 0:
            break
        members = np.flatnonzero(groups == widest)
        along = points[members] @ axis
        far = members[along > along.mean()]
        if len(far) in (0, len(members)):
            break  # only rounding tells them apart
        groups[far] = len(axes)
        axes[widest] = _longest_axis(points[groups == widest])
        axes.append(_longest_axis(points[far]))
    return groups


def _longest_axis(points: np.ndarray) -> tuple[float, np.ndarray]:
    """Give the points' scatter along their main axis, and that axis."""
    middle = points - points.mean(0)
    values, vectors = np.linalg.eigh((middle.T @ middle).astype(np.float64))
    return float(values[-1]), vectors[:, -1].astype(points.dtype)
