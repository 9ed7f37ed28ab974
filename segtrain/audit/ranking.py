"""How the labels of a data set compare: the ones that are unusually doubtful come first."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import chi2

from segtrain.audit.issue import Issue

__all__ = ["FAMILIES", "qualities", "severities"]

FAMILIES = {
    "flaws": ("hole", "speck"),
    "objects": ("missing", "extra", "wrong class", "unusable"),
    "outlines": ("wide", "tight", "displaced", "ragged", "shaky", "merged", "split"),
}
"""What goes wrong apart from each other: how it was drawn, what was drawn, and where."""


def severities(issues: Sequence[Issue]) -> np.ndarray:
    """Give the worst issue of each family, (3,): its score times the side of a square of its area, in pixels."""
    return np.array(
        [
            max((i.score * np.sqrt(i.area) for i in issues if i.kind in kinds), default=0.0)
            for kinds in FAMILIES.values()
        ]
    )


def qualities(severities: np.ndarray) -> np.ndarray:
    """Give each label's quality, (N,) in (0, 1], from the severities (N, F) of all.

    A model is wrong, too, and where it errs by habit - outlines, mostly - nearly every image has issues that say
    little. So a severity counts by how few images have one as great: that share is its probability by chance, and
    those of the families are combined by Fisher's method (1932): -2 sum ln p is chi-squared with 2 F degrees of
    freedom. The quality is the probability of a sum at least so large; 1 = no issue at all.

    >>> qualities(np.array([[0.0], [0.0], [0.0], [3.0]])).round(2).tolist()
    [1.0, 1.0, 1.0, 0.25]
    """
    shares = np.ones_like(severities)
    for column, values in enumerate(severities.T):
        ordered = np.sort(values)
        at_least = (len(values) - np.searchsorted(ordered, values, side="left")) / len(values)
        shares[:, column] = np.where(values > 0, at_least, 1.0)
    return np.asarray(chi2.sf(-2 * np.log(shares).sum(axis=1), 2 * severities.shape[1]))
