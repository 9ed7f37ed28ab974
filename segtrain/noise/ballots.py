"""What several annotators said of the pixels of one image.

Pixels that everybody labels alike are one case, so that the work grows with the number of ways in which masks
disagree, and not with the number of pixels. Letters: A annotators, C classes, N pixels, P ways to vote.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from segtrain.types import IGNORE

__all__ = ["Ballots", "count_ballots", "hardened", "vote_shares"]


class Ballots(NamedTuple):
    """How the pixels of one image were labelled."""

    votes: np.ndarray
    """(P, A) uint8, what each annotator said, in every way that occurs; `IGNORE`: nothing."""
    counts: np.ndarray
    """(P,) int64, pixels labelled in that way."""

    @property
    def disputed(self) -> np.ndarray:
        """Where two annotators differ, (P,) bool."""
        least = self.votes.min(axis=1)  # `IGNORE` is the greatest value
        return (np.where(self.votes == IGNORE, 0, self.votes).max(axis=1) > least) & (least != IGNORE)

    def only(self, chosen: np.ndarray) -> "Ballots":
        """Give some of the ways, `chosen` (P,) bool."""
        return Ballots(self.votes[chosen], self.counts[chosen])


def count_ballots(masks: Sequence[np.ndarray]) -> tuple[Ballots, np.ndarray]:
    """Sort pixels by what the annotators said of them.

    Args:
        masks: of each annotator, (N,) uint8 class numbers, `IGNORE` where ignored.

    Returns:
        The ballots, and the way of each pixel, (N,) int64.
    """
    codes, span = np.zeros(masks[0].shape, np.int64), 1
    for mask in masks:
        if span > 2**54:
            _, codes = np.unique(codes, return_inverse=True)
            span = int(codes.max()) + 1
        codes, span = codes * 256 + mask, span * 256
    _, first, places, counts = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
    return Ballots(np.stack([mask[first] for mask in masks], axis=1), counts), places


def vote_shares(votes: np.ndarray, num_classes: int) -> np.ndarray:
    """Give the share of the votes (P, A) for each class, (P, C); uniform where nobody voted."""
    shares = (votes[..., None] == np.arange(num_classes)).sum(axis=1).astype(float)  # (P, C)
    shares[shares.sum(axis=1) == 0] = 1
    return shares / shares.sum(axis=1, keepdims=True)


def hardened(probs: np.ndarray) -> np.ndarray:
    """Give the whole of each (P, C) to its likeliest class; those that tie share it.

    >>> hardened(np.array([[0.2, 0.4, 0.4], [0.1, 0.2, 0.7]])).tolist()
    [[0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]
    """
    most = (probs >= probs.max(axis=1, keepdims=True) - 1e-9).astype(float)
    return most / most.sum(axis=1, keepdims=True)
