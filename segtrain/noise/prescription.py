"""Which remedy helps against which noise: the rules of `noise=auto`."""

from typing import NamedTuple

from segtrain.audit import Diagnosis

__all__ = ["NEED_CLEAN", "REMEDIES", "Prescription", "prescribe"]

REMEDIES = ("keep", "correct", "teach")
"""Trust the labels; undo what annotators do systematically; let a teacher label what it is sure of."""
NEED_CLEAN = ("correct",)
OUTLINES = ("wide", "tight", "unsteady", "shaky", "displaced", "ragged", "swapped")
"""Kinds that can be undone, as clean samples tell by how much."""


class Prescription(NamedTuple):
    """A remedy and why."""

    remedy: str
    why: str


def prescribe(diagnosis: Diagnosis) -> Prescription:
    """Choose a remedy by the first rule that applies."""
    found = diagnosis.found()
    kinds = ", ".join(dict.fromkeys(finding.kind for finding in found))
    if diagnosis.calibrated and diagnosis.found(*OUTLINES):
        return Prescription("correct", f"Labels are corrected ({kinds}): the clean samples tell by how much.")
    if found:
        return Prescription("teach", f"A teacher labels the pixels that it is sure of ({kinds}).")
    return Prescription("keep", "Labels are kept as they are: nothing was found that a remedy is known for.")
