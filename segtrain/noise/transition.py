"""Matrices of mistakes: T[i, j] is the probability of label j where class i is true; rows add up to 1."""

import torch
from torch import Tensor

from segtrain.losses.functional import ratio
from segtrain.noise.rates import estimate_joint, sum_over
from segtrain.noise.selection import as_problems, hardened
from segtrain.types import Seen, TrainingView, to_probs

__all__ = ["estimate_transition", "expected_agreement", "through", "transition_of"]


def through(logits: Tensor, matrices: Tensor) -> Tensor:
    """Give log(T' p), the log-probabilities of the labels where p = softmax(logits) are those of the true classes.

    They are logits in turn, whose softmax is T' p: every loss takes them.

    Args:
        logits: (B, C, H, W) or (B, K, 2, H, W).
        matrices: (B, K, C true, C label), one for each image; K = 1 for exclusive classes.

    Returns:
        Of the shape of `logits`, float32.
    """
    with torch.autocast(logits.device.type, enabled=False):  # half precision would round small probabilities to 0
        probs = as_problems(to_probs(logits)).flatten(-2)  # (B, K, C, H W)
        labels = matrices.float().mT @ probs  # (B, K, C, H W)
        return labels.clamp_min(torch.finfo(labels.dtype).tiny).log().view_as(logits)


def expected_agreement(logits: Tensor, matrices: Tensor, weight: Tensor) -> Tensor:
    """Give how often labels are right, sum_i P(i) T[i, i]: the trace with each class counting by its frequency.

    The frequency is that of the predictions, as a constant: this is about the matrices alone.

    Args:
        logits: (B, C, H, W) or (B, K, 2, H, W).
        matrices: (B, K, C true, C label).
        weight: (B, H, W), at least 0; all zero gives 0.
    """
    probs = as_problems(to_probs(logits.detach()))  # (B, K, C, H, W)
    frequency = (probs * weight[:, None, None]).sum(dim=(-2, -1))  # (B, K, C)
    right = (frequency * matrices.diagonal(dim1=-2, dim2=-1)).sum()
    return ratio(right, frequency.sum())


def estimate_transition(view: TrainingView, num_annotators: int) -> Tensor:
    """Give a matrix for each annotator and, last, one for all, (A + 1, K, C, C).

    Clean samples, where there are any, tell it from one pass: what a network that predicts labels predicts on their
    true classes (Hendrycks et al. 2018, eq. 2), for all annotators alike. Else two passes count the confident joint.
    """
    if view.samples.clean.any():
        predicted = sum_over(view, _predicted_where_true)  # (K, C true, C label)
        return _filled(predicted, torch.zeros_like(predicted)).expand(num_annotators + 1, -1, -1, -1)
    joint, _, _ = estimate_joint(view, num_annotators)  # (A + 1, K, C label, C believed)
    return transition_of(joint)


def _predicted_where_true(seen: Seen) -> Tensor:
    target, probs = as_problems(seen.batch.target), as_problems(seen.probs)
    counts = ((seen.batch.weight > 0) & seen.batch.clean[:, None, None])[:, None, None]  # (B, 1, 1, H, W)
    true = hardened(target) * counts
    return (true.flatten(-2) @ probs.flatten(-2).mT).sum(dim=0)  # (K, C, C)


def transition_of(joint: Tensor) -> Tensor:
    """Turn counts (A + 1, K, C label, C believed) into matrices (A + 1, K, C true, C label), belief standing for truth.

    An annotator's row without counts is that of all, and theirs says that labels are right.
    """
    counts = joint.mT  # (A + 1, K, C believed, C label)
    return _filled(counts, counts[-1])


def _filled(counts: Tensor, fallback: Tensor) -> Tensor:
    """Make rows add up to 1; one that has no majority on the diagonal was not learned, and takes its fallback."""
    identity = torch.eye(counts.shape[-1], device=counts.device).expand_as(counts)
    rows, others = (ratio(each, each.sum(dim=-1, keepdim=True)) for each in (counts, fallback))
    for candidate in (others, identity):
        learned = rows.diagonal(dim1=-2, dim2=-1).unsqueeze(-1) > 0.5
        rows = torch.where(learned, rows, candidate)
    return rows
