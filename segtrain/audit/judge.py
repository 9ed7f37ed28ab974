"""A label judged: its issues, each scored by all evidence, and the quality of the whole."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from segtrain.audit.evidence.base import Evidence, Look
from segtrain.audit.evidence.combine import combine
from segtrain.audit.issue import Issue
from segtrain.audit.outline import LEAST_AREA
from segtrain.audit.ranking import FAMILIES
from segtrain.audit.search import find_differences
from segtrain.types import IGNORE

__all__ = ["BIAS", "Judge"]

UNRELATED = 0.2
"""Intersection over union of what is drawn and what is suggested, below which the label is of no use."""
BIAS = "bias"
"""The name under which an issue tells that clean masks prove it."""


class Judge(NamedTuple):
    """Finds where a label differs from a suggestion, and asks the evidence about each place."""

    evidence: Mapping[str, Evidence]
    """Which have learned already."""
    weights: Mapping[str, float]
    """Of the evidence, see `combine`."""
    tolerance: float
    """Pixels that an outline may be off."""
    least_score: float
    """Issues below it are not told."""

    def __call__(self, look: Look, suggested: np.ndarray, proven: np.ndarray | None = None) -> list[Issue]:
        """Give a label's issues, the best score first.

        Args:
            look: the image.
            suggested: in the form of the label, without ignored pixels.
            proven: (K,) in [0, 1], how certain it is of each class that annotators draw its outlines otherwise than
                they are, which the suggestion undoes: a model that has learned the habit has no doubts. None = no.
        """
        doubts = {name: part(look) for name, part in self.evidence.items()}
        issues = find_differences(look.label, suggested, self.tolerance)
        issues = [self._scored(issue, doubts, proven) for issue in _without_the_useless(issues, look, suggested)]
        return sorted((i for i in issues if i.score >= self.least_score), key=lambda issue: -issue.score)

    def _scored(self, issue: Issue, doubts: Mapping[str, np.ndarray], proven: np.ndarray | None) -> Issue:
        told = {name: _mean(doubt, issue) for name, doubt in doubts.items()}
        score = float(combine({name: np.array(doubt) for name, doubt in told.items()}, self.weights))
        sure = float(proven[issue.number]) if proven is not None and issue.kind in FAMILIES["outlines"] else 0.0
        return issue._replace(score=max(score, sure), evidence={**told, BIAS: sure} if sure else told)


def _mean(doubt: np.ndarray, issue: Issue) -> float:
    plane = doubt if doubt.ndim == 2 else doubt[issue.number]
    return float(plane[issue.window][issue.mask].mean())


def _without_the_useless(issues: list[Issue], look: Look, suggested: np.ndarray) -> list[Issue]:
    """Put one issue in the place of all those of a label that has next to nothing in common with the suggestion."""
    if look.label.ndim == 2:
        found = _useless(look.label, suggested)
        return issues if found is None else [found]
    told = []
    for k, (given, meant) in enumerate(zip(look.label, suggested, strict=True)):
        found = _useless(given, meant)
        told += (
            [issue for issue in issues if issue.number == k]
            if found is None
            else [found._replace(number=k, given=k, suggested=k)]
        )
    return told


def _useless(label: np.ndarray, suggested: np.ndarray) -> Issue | None:
    valid = label != IGNORE
    drawn, meant = (label > 0) & valid, (suggested > 0) & valid
    if min(drawn.sum(), meant.sum()) < LEAST_AREA:
        return None
    same = drawn & (label == suggested)
    if same.sum() >= UNRELATED * (drawn | meant).sum():
        return None
    region = (drawn | meant) & ~same
    rows, columns = (np.flatnonzero(region.any(axis)) for axis in (1, 0))
    mask = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    number = int(np.bincount(label[drawn]).argmax())
    return Issue("unusable", number, number, number, int(rows[0]), int(columns[0]), mask, 0.0)
