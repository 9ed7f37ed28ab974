"""Who erred how, and what is true, from several masks: STAPLE and the EM of Dawid and Skene.

Letters: A annotators, C classes, P ways to vote.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from segtrain.noise.ballots import Ballots, vote_shares
from segtrain.types import IGNORE

__all__ = [
    "Case", "confusion_of", "dawid_skene", "expected_counts", "log_likelihood", "posterior", "settled", "staple",
]  # fmt: skip


def log_likelihood(votes: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Give how likely the votes are under each true class, (P, C), in logarithms, if annotators err independently.

    Args:
        votes: (P, A).
        confusion: (A, C, C), greater than 0: how often each annotator calls a class, a row, each class.
    """
    logs = np.zeros((len(votes), confusion.shape[-1]))  # (P, C)
    for said, rates in zip(votes.T, np.log(confusion), strict=True):
        voted = said != IGNORE
        logs[voted] += rates.T[said[voted]]
    return logs


def posterior(logs: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Give the probability of each true class, (P, C), by Bayes' rule (Dawid & Skene 1979, eq. 2.5).

    Args:
        logs: (P, C), the logarithms of the likelihoods.
        prior: (C,), sums to 1.
    """
    with np.errstate(divide="ignore"):
        logs = logs + np.log(prior)
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def expected_counts(ballots: Ballots, truth: np.ndarray) -> np.ndarray:
    """Give how many pixels of each true class, a row, each annotator called each class, (A, C, C).

    Args:
        ballots: of an image.
        truth: (P, C), probability of each true class.
    """
    weighted = truth * ballots.counts[:, None]
    said = ballots.votes[..., None] == np.arange(truth.shape[1])  # (P, A, C)
    return np.einsum("pc,pad->acd", weighted, said.astype(float))


def confusion_of(counts: np.ndarray) -> np.ndarray:
    """Turn counts (..., C, C) into rates, rows that sum to 1 (Dawid & Skene 1979, eq. 2.3).

    One pixel for each class is added, nine tenths of it right: nothing is impossible, and a class that an annotator
    never met leaves him trustworthy.
    """
    num_classes = counts.shape[-1]
    added = np.full((num_classes, num_classes), 0.1 / max(1, num_classes - 1))
    np.fill_diagonal(added, 0.9)
    added = counts + added
    return added / added.sum(axis=-1, keepdims=True)


def settled(ballots: Ballots, confusion: np.ndarray, iterations: int = 100) -> np.ndarray:
    """Give the probability of each true class, (P, C), under the image's own prior, which is the mean of them.

    The prior begins as the share of the votes, so that a class without a vote has none.

    Args:
        ballots: of the image.
        confusion: (A, C, C).
        iterations: of the EM, at most; it converges whatever the start, as only the prior moves.
    """
    share = ballots.counts / ballots.counts.sum()
    logs, truth = log_likelihood(ballots.votes, confusion), vote_shares(ballots.votes, confusion.shape[-1])
    prior = share @ truth
    for _ in range(iterations):
        truth = posterior(logs, prior)
        before, prior = prior, share @ truth
        if np.abs(prior - before).max() < 1e-6:
            break
    return truth


def staple(ballots: Ballots, num_classes: int, iterations: int, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Fuse the masks of one image, weighing each by how it fares in it (Warfield et al. 2004, for C classes).

    The prior is the share of all votes, and stays.

    Args:
        ballots: of the image.
        num_classes: C.
        iterations: of the EM, at most.
        tolerance: it ends when no rate moves by more.

    Returns:
        The probability of each class (P, C), and each annotator's confusion (A, C, C); with two classes its diagonal
        holds his specificity and his sensitivity.
    """
    truth = vote_shares(ballots.votes, num_classes)
    prior = ballots.counts @ truth / ballots.counts.sum()
    confusion = confusion_of(expected_counts(ballots, truth))
    for _ in range(iterations):
        truth = posterior(log_likelihood(ballots.votes, confusion), prior)
        before, confusion = confusion, confusion_of(expected_counts(ballots, truth))
        if np.abs(confusion - before).max() < tolerance:
            break
    return truth, confusion


class Case(NamedTuple):
    """One image's ballots in one problem, and who voted."""

    problem: int
    """Overlapping classes are a problem each, of two classes."""
    who: list[int]
    """Numbers of the annotators whose votes these are, in their order."""
    ballots: Ballots


def dawid_skene(
    cases: Sequence[Case],
    size: tuple[int, int, int],
    gather: Callable[[np.ndarray], np.ndarray],
    iterations: int,
    tolerance: float,
) -> np.ndarray:
    """Learn one confusion matrix for each annotator from many images, each with its own prior (Dawid & Skene 1979).

    Args:
        cases: of this process.
        size: numbers of problems, annotators and classes.
        gather: adds a table up over the processes.
        iterations: of the EM, at most.
        tolerance: it ends when no rate moves by more.

    Returns:
        (problems, A, C, C), rows sum to 1.
    """
    confusion = None
    for _ in range(iterations + 1):
        table = np.zeros((*size, size[-1]))
        for problem, who, ballots in cases:
            if confusion is None:
                truth = vote_shares(ballots.votes, size[-1])
            else:
                truth = settled(ballots, confusion[problem, who])
            table[problem, who] += expected_counts(ballots, truth)
        before, confusion = confusion, confusion_of(gather(table))
        if before is not None and np.abs(confusion - before).max() < tolerance:
            break
    assert confusion is not None
    return confusion
