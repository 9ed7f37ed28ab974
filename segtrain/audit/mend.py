"""One label mended: what changes, who had it changed and why, pixel by pixel and row by row."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from segtrain.audit.decisions import Verdict
from segtrain.audit.issue import Issue, apply_issues
from segtrain.audit.store import Entry

__all__ = ["CORRECTION_COLUMNS", "SOURCES", "Mended", "correction_row", "mend"]

SOURCES: Mapping[Verdict, int] = {"model": 1, "person": 2}
"""Who had a pixel changed -> its value in the map of sources; 0 = the label is as given."""
CORRECTION_COLUMNS = (
    "issue", "image", "kind", "class", "given", "suggested", "area", "top", "left", "height", "width", "pixels", "who",
    "why", "when",
)  # fmt: skip
"""Of corrections.csv."""


class Mended(NamedTuple):
    """A label after the accepted issues."""

    label: np.ndarray
    """(H, W) uint8 class numbers, or (K, H, W) planes."""
    sources: np.ndarray
    """Likewise, of each pixel by `SOURCES`; where both a person and the score accepted, the person counts."""
    pixels: Mapping[int, int]
    """Accepted issue's number -> pixels of its region that were otherwise in the given label."""


def mend(label: np.ndarray, entry: Entry, verdicts: Sequence[Verdict]) -> Mended:
    """Change what was accepted and nothing else.

    Args:
        label: as given, (H, W) class numbers or (K, H, W) planes.
        entry: the image's issues and what the whole label should be.
        verdicts: of each issue.
    """
    chosen = {number: SOURCES[verdict] for number, verdict in enumerate(verdicts) if verdict in SOURCES}
    mended = apply_issues(label, entry.suggested, [entry.issues[number] for number in chosen])
    sources, pixels = np.zeros_like(label), {}
    for number, source in chosen.items():
        issue = entry.issues[number]
        before, after, plane = (part if part.ndim == 2 else part[issue.number] for part in (label, mended, sources))
        changed = issue.mask & (before[issue.window] != after[issue.window])
        plane[issue.window][changed] = np.maximum(plane[issue.window][changed], source)
        pixels[number] = int(changed.sum())
    return Mended(mended, sources, pixels)


def correction_row(
    name: str,
    image: str,
    issue: Issue,
    classes: Sequence[str],
    pixels: int,
    precision: float | None,
    who: str,
    when: str,
) -> Mapping[str, object]:
    """Give an accepted issue as a row of corrections.csv.

    Args:
        name: of the issue.
        image: its id.
        issue: the issue.
        classes: names.
        pixels: of its region that were changed.
        precision: estimated share of issues with this score or a higher one that are right; None = unknown.
        who: accepted it.
        when: ISO time.
    """
    given, suggested = (classes[c] if c >= 0 else "" for c in (issue.given, issue.suggested))
    about = (issue.kind, classes[issue.number], given, suggested)
    place = (issue.area, issue.top, issue.left, *issue.mask.shape)
    row = (name, image, *about, *place, pixels, who, _why(issue, precision), when)
    return dict(zip(CORRECTION_COLUMNS, row, strict=True))


def _why(issue: Issue, precision: float | None) -> str:
    """Say in one sentence what spoke for the issue."""
    text = f"Score {issue.score:.2f}"
    if precision is not None:
        text += f", from which on about {precision:.0%} of issues are right"
    if issue.evidence:
        strongest = max(issue.evidence, key=lambda name: issue.evidence[name])
        text += f"; the strongest evidence is {strongest.replace('_', ' ')}, {issue.evidence[strongest]:.2f}"
    return text + "."
