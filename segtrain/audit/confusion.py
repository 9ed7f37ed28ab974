"""Classes that annotators confuse systematically, and what a label then says of the truth."""

import numpy as np

from segtrain.audit.intervals import rate_difference
from segtrain.audit.survey import Survey

__all__ = ["posterior"]


def posterior(survey: Survey, confidence: float = 0.95) -> np.ndarray:
    """Give the probability of each true class, given an object's class in a noisy label: (K, K), rows sum to 1.

    A model trained on the noisy samples calls the objects of clean samples what annotators would call them, which
    tells how often each true class gets each name (Hendrycks et al. 2018, eq. 1, by objects instead of soft
    outputs). Only confusions that are for certain more frequent than the model's own, seen where it differs from
    the labels it was trained on, are undone: by Bayes' rule, with the classes as frequent as on clean samples.

    Args:
        survey: of a model trained on the noisy samples alone.
        confidence: of the comparison, in (0, 1).
    """
    noisy, clean = survey.swaps.astype(np.float64)  # (K, K) each: label's class by predicted class
    num_classes = len(clean)
    named = np.eye(num_classes)  # true class by given name
    for true in range(num_classes):
        for name in range(num_classes):
            if name != true and _certain(noisy[true], clean[true], name, confidence):
                named[true, name] = clean[true, name] / clean[true].sum()
        named[true, true] = 1 - (named[true].sum() - named[true, true])
    joint = clean.sum(1)[:, None] * named  # true class by given name
    total = joint.sum(0)
    known = total > 0
    found = np.eye(num_classes)
    found[known] = (joint[:, known] / total[known]).T
    return found


def _certain(noisy: np.ndarray, clean: np.ndarray, name: int, confidence: float) -> bool:
    """Whether clean objects of one class are called `name` more often than the model's own confusion explains.

    One object shows no habit; it takes two.
    """
    if clean[name] < 2:
        return False
    events = [(np.array([row[name]]), np.array([row.sum()])) for row in (clean, noisy)]
    if not noisy.sum():  # annotators never use the class: nothing to compare with
        return bool(clean[name] > 0.5 * clean.sum())
    return rate_difference(events[0], events[1], confidence).low > 0
