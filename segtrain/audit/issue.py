"""An issue: a region of one label that is probably wrong, what kind of fault it is, and what should be there."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["ISSUE_KINDS", "Issue", "apply_issues", "decode_mask", "encode_mask"]

ISSUE_KINDS = {
    "missing": "an object is not drawn",
    "extra": "what is drawn is no object",
    "wrong class": "an object is taken for another class",
    "merged": "several objects are drawn as one",
    "split": "one object is drawn as several",
    "wide": "the outline lies outside the object's",
    "tight": "the outline lies inside the object's",
    "displaced": "the object is drawn beside where it is",
    "ragged": "the outline is jagged",
    "shaky": "the outline wanders about the object's",
    "hole": "the object is drawn with a hole that it has not",
    "speck": "specks are drawn that are no objects",
    "unusable": "the label has little to do with the image",
}
"""Kind -> what is wrong."""


class Issue(NamedTuple):
    """A region of one label that is probably wrong."""

    kind: str
    """Of `ISSUE_KINDS`."""
    number: int
    """The class concerned: the drawn one, or the one that is not drawn."""
    given: int
    """The class that most of the region has in the label; -1 of overlapping classes where it has not the class."""
    suggested: int
    """Likewise, that it should have."""
    top: int
    """First row of the region's box, in pixels of the image."""
    left: int
    mask: np.ndarray
    """(h, w) bool, the region within its box: the pixels that would change."""
    score: float
    """How probably the label is wrong there, in [0, 1]."""
    evidence: Mapping[str, float] = {}
    """What each piece of evidence says of the region, in [0, 1]."""

    @property
    def area(self) -> int:
        """Pixels that would change."""
        return int(self.mask.sum())

    @property
    def window(self) -> tuple[slice, slice]:
        """The box, to cut it out of a map (..., H, W)."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def apply_issues(label: np.ndarray, suggested: np.ndarray, issues: Sequence[Issue]) -> np.ndarray:
    """Give the label with the regions of these issues as suggested.

    Args:
        label: (H, W) class numbers, or (K, H, W) planes of overlapping classes.
        suggested: likewise, the whole image's suggestion.
        issues: of this label; of overlapping classes, each changes the plane of its class alone.
    """
    label = label.copy()
    for issue in issues:
        plane, source = (label, suggested) if label.ndim == 2 else (label[issue.number], suggested[issue.number])
        plane[issue.window][issue.mask] = source[issue.window][issue.mask]
    return label


def encode_mask(mask: np.ndarray) -> list[int]:
    """Give COCO's uncompressed run lengths: down the columns, first the pixels outside.

    >>> encode_mask(np.array([[True, False], [True, False]]))
    [0, 2, 2]
    """
    flat = np.concatenate([[False], mask.T.ravel()])
    ends = np.flatnonzero(np.diff(flat.astype(np.int8)))
    return np.diff([0, *ends.tolist(), mask.size]).tolist()


def decode_mask(counts: Sequence[int], height: int, width: int) -> np.ndarray:
    """Give the mask (height, width) bool of run lengths.

    >>> decode_mask([0, 2, 2], 2, 2).tolist()
    [[True, False], [True, False]]
    """
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T


def as_record(issue: Issue) -> dict[str, Any]:
    """Give plain values for a file."""
    height, width = issue.mask.shape
    return {
        **issue._asdict(),
        "mask": {"height": height, "width": width, "counts": encode_mask(issue.mask)},
        "score": round(issue.score, 6),
        "evidence": {name: round(float(value), 6) for name, value in issue.evidence.items()},
    }


def from_record(record: Mapping[str, Any]) -> Issue:
    """Read what `as_record` gave."""
    mask = record["mask"]
    return Issue(**{**record, "mask": decode_mask(mask["counts"], mask["height"], mask["width"])})
