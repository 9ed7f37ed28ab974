"""confident_learning: a label is doubtful where the model firmly believes another class, by that class's measure."""

import numpy as np

from segtrain.audit.evidence.base import Evidence, Look, given_probs, planes_of
from segtrain.types import IGNORE

__all__ = ["ConfidentLearning"]

SLACK = 1e-6
"""Below a threshold, and still confident: sums in another order give other last bits."""


class ConfidentLearning(Evidence):
    """Confident learning (Northcutt et al. 2021): thresholds for each class make up for what the model believes less.

    The threshold of class j is what the model believes of j on average where it is the label (eq. 2):
    t_j = mean of p_j over the pixels labelled j. A pixel is confidently of the class l* that is likeliest among those
    with p_l >= t_l; counted by label and l*, the pixels make the confident joint (eq. 1). A pixel is doubtful where
    it lies off the joint's diagonal and l* is likelier than the label: its doubt is (1 + p_l* - p_label) / 2, one half
    and more. All other pixels have no doubt. Each of K overlapping classes is a problem of two classes.

    It learns sums and counts only. `joint` counts every image that is judged, each time it is.
    """

    def __init__(self) -> None:
        self._sums = self._counts = np.zeros((0, 0))  # (P, C)
        self._joint = np.zeros((0, 0, 0), np.int64)  # (P, C, C)
        self._exclusive = True

    def learn(self, look: Look) -> None:
        labels, problems = planes_of(look.label, look.probs)
        shape = problems.shape[:2]
        if not self._sums.size:
            self._sums, self._counts = np.zeros(shape), np.zeros(shape)
            self._joint = np.zeros((*shape, shape[1]), np.int64)
            self._exclusive = look.label.ndim == 2
        own = given_probs(look.label, look.probs).reshape(labels.shape)
        for p, (label, prob) in enumerate(zip(labels, own, strict=True)):
            self._sums[p] += np.bincount(label.ravel(), prob.ravel(), minlength=IGNORE + 1)[: shape[1]]
            self._counts[p] += np.bincount(label.ravel(), minlength=IGNORE + 1)[: shape[1]]

    @property
    def thresholds(self) -> np.ndarray:
        """t_j, (C,) or (K, 2) of overlapping classes; infinite of a class that no label has: nothing is known of it."""
        found = np.divide(self._sums, self._counts, out=np.full(self._sums.shape, np.inf), where=self._counts > 0)
        return found[0] if self._exclusive and len(found) else found

    @property
    def joint(self) -> np.ndarray:
        """Judged pixels by label (row) and confident class (column), (C, C) int64 or (K, 2, 2)."""
        return self._joint[0] if self._exclusive and len(self._joint) else self._joint

    @property
    def noise_rates(self) -> dict[int, dict[int, float]]:
        """Of the judged pixels that bear a class, the share that is truly of each other: {given: {true: share}}.

        The calibration of the joint (eq. 3) leaves these shares as they are. Of K overlapping classes, {class:
        {0: share of the pixels with the class that should not have it, 1: share of those without that should}}.
        """
        shares = self._joint / np.maximum(self._joint.sum(2, keepdims=True), 1)  # (P, C, C)
        if not len(shares):
            return {}
        if self._exclusive:
            classes = range(len(shares[0]))
            return {i: {j: float(shares[0, i, j]) for j in classes if j != i} for i in classes}
        return {k: {true: float(share[1 - true, true]) for true in (0, 1)} for k, share in enumerate(shares)}

    def __call__(self, look: Look) -> np.ndarray:
        """Give the doubt; see `Evidence`.

        Raises:
            RuntimeError: it has learned from no image.
        """
        if not self._sums.size:
            raise RuntimeError("ConfidentLearning judges images after it has learned from some")
        labels, problems = planes_of(look.label, look.probs)
        own = given_probs(look.label, look.probs).reshape(labels.shape)
        doubt = np.zeros(labels.shape, np.float32)
        for p, bounds in enumerate(np.atleast_2d(self.thresholds)):
            label, count = labels[p], len(bounds)
            best, confident = _confident(problems[p], bounds - SLACK)
            pairs = label.astype(np.intp) * (count + 1) + confident  # ignored labels and unsure pixels stand outside
            counts = np.bincount(pairs.ravel(), minlength=count * (count + 1))[: count * (count + 1)]
            self._joint[p] += counts.reshape(count, count + 1)[:, :count]
            off = (best > own[p]) & (confident != label) & (label != IGNORE)
            np.copyto(doubt[p], np.minimum((1 + best - own[p]) / 2, 1), where=off)
        return doubt.reshape(look.label.shape)


def _confident(probs: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the likeliest class of probs (C, H, W) that reaches its bound, its probability first: -1 and C if none."""
    best = np.full(probs.shape[1:], -1, np.float32)
    likeliest = np.full(probs.shape[1:], len(probs), np.uint8)
    for c, (prob, bound) in enumerate(zip(probs, bounds, strict=True)):
        better = (prob >= np.float32(bound)) & (prob > best)
        np.copyto(best, prob, where=better)
        np.copyto(likeliest, c, where=better)
    return best, likeliest
