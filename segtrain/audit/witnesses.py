"""A diagnosis as numbers of a fixed shape, for a checkpoint, and the samples in which its findings can be seen."""

import numpy as np

from segtrain.audit.diagnosis import KINDS, Diagnosis, Finding, judged
from segtrain.audit.intervals import UNKNOWN, Interval
from segtrain.audit.survey import COLUMNS, Survey

__all__ = ["diagnosis_of", "table_of", "witnesses"]

_COLUMN = {
    "wide": "offset", "tight": "offset", "unsteady": "middle", "shaky": "spread", "displaced": "shift",
    "ragged": "teeth", "random pixels": "speckle", "missing": "missing", "extra": "extra", "swapped": "swapped",
}  # fmt: skip
"""Kind -> what of the survey shows it."""


def table_of(diagnosis: Diagnosis, num_classes: int) -> np.ndarray:
    """Give value, low and high of every kind in every class: (K, kinds, 3) float32, infinite where nothing is known.

    They are rounded: a sum's last bit depends on where in memory it is made, and a resumed training must not.
    """
    table = np.broadcast_to((np.inf, -np.inf, np.inf), (num_classes, len(KINDS), 3)).copy()
    for finding in diagnosis.findings:
        amount = np.array(finding.amount)
        table[finding.number, list(KINDS).index(finding.kind)] = np.where(np.isnan(amount), np.inf, amount)
    return table.round(4).astype(np.float32)


def diagnosis_of(table: np.ndarray, calibrated: bool) -> Diagnosis:
    """Give the diagnosis back; classes of which nothing is known are left out."""
    known = np.isfinite(table[..., 0])  # (K, kinds)
    findings = [
        judged(kind, number, Interval(*table[number, place].tolist()) if known[number, place] else UNKNOWN, calibrated)
        for number in np.flatnonzero(known.any(1)).tolist()
        for place, kind in enumerate(KINDS)
    ]
    return Diagnosis(tuple(findings), calibrated)


def witnesses(survey: Survey, finding: Finding, count: int) -> list[int]:
    """Give the noisy samples that show a finding most, at most `count` of them."""
    noisy = np.flatnonzero((~survey.samples.clean & survey.samples.labelled).cpu().numpy())
    values = survey.table[noisy, finding.number, COLUMNS.index(_COLUMN[finding.kind])].astype(np.float64)
    if finding.kind == "tight":
        values = -values
    if finding.kind == "unsteady":
        values = np.abs(values - np.nanmedian(values)) if np.isfinite(values).any() else values
    order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[:count]
    return noisy[order[values[order] > 0]].tolist()
