"""Where labels are judged one after the other; what was found is kept in files."""

import numpy as np
import pandas as pd

from segtrain.audit.evidence import Clustering, Look, against, soft_minimum
from segtrain.audit.judge import BIAS, Judge
from segtrain.audit.ranking import severities
from segtrain.audit.store import AuditStore, Entry
from segtrain.data.source import DataSet, Source
from segtrain.run.audit.results import THRESHOLDS, Judged
from segtrain.run.audit.study import Learned, seen_of
from segtrain.run.audit.truth import mark
from segtrain.types import CLASS_AXIS, IGNORE

__all__ = ["Desk"]

MAPPED = 250
"""Images whose regions are mapped."""


class Desk:
    """Judges labels.

    Args:
        source: whose labels.
        judge: finds and scores issues.
        learned: what the sample taught.
        store: keeps what is found.
        data: the data set.
        truth: a reference mask that is right; None = nobody knows the truth.
    """

    def __init__(
        self, source: Source, judge: Judge, learned: Learned, store: AuditStore, data: DataSet, truth: str | None
    ) -> None:
        self.source = source
        self.judge = judge
        self.learned = learned
        self.store = store
        self.classes = data.classes
        self.truth = truth
        count = len(data.classes)
        self.confusion = np.zeros((count, 2, 2) if data.overlapping else (1, count, count), np.int64)
        """Pixels by their class in the label and in the suggestion."""
        self.regions: list[pd.DataFrame] = []
        """Of the clustering, if it is asked: a part of the regions, for a map."""

    def judged(self, row: int, look: Look) -> Judged:
        """Judge one label, keep what was found, and give what is needed of it in the end."""
        name = self.source.ids[row]
        prediction = look.probs.argmax(axis=CLASS_AXIS).astype(np.uint8)
        seen = seen_of(look, row, self.source.samples, len(self.classes))
        suggested = self.learned.suggestion(seen, look)
        annotator = int(self.source.samples.annotator[row])
        issues = self.judge(look, suggested, None if look.clean else self.learned.proven(annotator))
        if issues:
            self.store.write(Entry(name, issues, suggested, prediction))
        self._count(look.label, suggested)
        self._map(look)
        marked = None
        if self.truth is not None:
            truth = self.source.references(row).get(self.truth)
            marked = mark(look.label, truth, issues, suggested, THRESHOLDS, self.classes)
        own = [issue for issue in issues if BIAS not in issue.evidence]  # what is wrong with all says nothing of one
        scores = tuple(issue.score for issue in own)
        quality = soft_minimum(1 - against(look.label, look.probs))
        return Judged(
            row, name, look.clean, np.append(severities(own), float(len(own) < len(issues))), quality, scores, marked
        )

    def _map(self, look: Look) -> None:
        """Keep a few regions of the first images for the map of the clustering."""
        clustering = next((p for p in self.judge.evidence.values() if isinstance(p, Clustering)), None)
        if clustering is None or len(self.regions) >= MAPPED:
            return
        found = clustering.embedding(look)
        drawn = found.classes > 0
        names = np.where(look.label.ndim == 3, found.problems, found.classes)
        table = {"x": found.points[:, 0], "y": found.points[:, min(1, found.points.shape[1] - 1)]}
        told = pd.DataFrame({**table, "class": [self.classes[c] for c in names], "flagged": found.outliers.doubt > 0})
        self.regions.append(told[drawn].iloc[:: max(1, int(drawn.sum()) // 12)])

    def _count(self, label: np.ndarray, suggested: np.ndarray) -> None:
        """Add a label's pixels to the confusion."""
        size = self.confusion.shape[-1]
        for matrix, given, meant in zip(self.confusion, _planes(label), _planes(suggested), strict=True):
            known = given != IGNORE
            pairs = given[known].astype(np.int64) * size + meant[known]
            matrix += np.bincount(pairs, minlength=size * size).reshape(size, size)


def _planes(label: np.ndarray) -> np.ndarray:
    return label[None] if label.ndim == 2 else label
