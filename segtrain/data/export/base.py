"""What every export tells of an image: the objects of its corrected label, and what became of the findings."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from scipy.ndimage import find_objects

from segtrain.audit.decisions import Verdict
from segtrain.audit.issue import Issue
from segtrain.audit.outline import objects_of
from segtrain.picture import BACKGROUND

__all__ = ["DECISIONS", "DrawnObject", "Export", "Finding", "Picture", "objects", "runs"]

DECISIONS: dict[Verdict, str] = {
    "person": "accepted",
    "model": "accepted by score",
    "rejected": "rejected",
    "open": "open",
}
"""What became of a finding, as the tools show it."""


class Finding(NamedTuple):
    """An issue, and what became of it."""

    name: str
    """Of the issue, "<id>#<n>"."""
    issue: Issue
    verdict: Verdict

    @property
    def about(self) -> dict[str, str | float]:
        """What a tool shows of it."""
        decision, score = DECISIONS[self.verdict], round(self.issue.score, 4)
        return {"issue": self.name, "kind": self.issue.kind, "score": score, "decision": decision}

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The region's left, top, width and height in pixels."""
        height, width = self.issue.mask.shape
        return self.issue.left, self.issue.top, width, height


class Picture(NamedTuple):
    """One labelled image."""

    file: str
    """The image's file, from the data's root."""
    label: np.ndarray
    """(H, W) uint8 class numbers, or (K, H, W) planes of 0 and 1; `IGNORE` where ignored."""
    findings: Sequence[Finding]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.label.shape[-2], self.label.shape[-1]


class DrawnObject(NamedTuple):
    """A connected object of one class."""

    number: int
    """Of its class."""
    top: int
    left: int
    mask: np.ndarray
    """(h, w) bool, within its box."""
    finding: Finding | None
    """The one with the highest score that touches it, rejected ones left out."""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, width and height in pixels."""
        height, width = self.mask.shape
        return self.left, self.top, width, height

    @property
    def about(self) -> dict[str, str | float]:
        """What a tool shows of its finding; nothing where it has none."""
        return self.finding.about if self.finding else {}


class Export(ABC):
    """Gathers labelled images and ends as files of one tool's format.

    Args:
        classes: names, in the order of the class numbers.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)

    @property
    def drawn(self) -> dict[int, str]:
        """The classes that have objects, by number; "background" is left out."""
        return {number: name for number, name in enumerate(self.classes) if name != BACKGROUND}

    @abstractmethod
    def add(self, picture: Picture) -> None:
        """Take in an image."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write what was gathered."""


def objects(picture: Picture, classes: Sequence[int]) -> Iterator[DrawnObject]:
    """Give the connected objects of these classes, class by class."""
    for number in classes:
        inside = picture.label == number if picture.label.ndim == 2 else picture.label[number] == 1
        numbers, _ = objects_of(inside)
        near = [finding for finding in picture.findings if finding.verdict != "rejected"]
        if picture.label.ndim == 3:
            near = [finding for finding in near if finding.issue.number == number]
        near.sort(key=lambda finding: -finding.issue.score)
        for place, window in enumerate(find_objects(numbers), start=1):
            mask = numbers[window] == place
            top, left = window[0].start, window[1].start
            touching = (finding for finding in near if _touch(mask, top, left, finding.issue))
            yield DrawnObject(number, top, left, mask, next(touching, None))


def _touch(mask: np.ndarray, top: int, left: int, issue: Issue) -> bool:
    """Say whether an object and a region share a pixel or lie side by side."""
    height, width = mask.shape
    rows, columns = issue.window
    first, last = max(top - 1, rows.start), min(top + height + 1, rows.stop)
    start, stop = max(left - 1, columns.start), min(left + width + 1, columns.stop)
    if first >= last or start >= stop:
        return False
    grown = cv2.dilate(np.pad(mask, 1).astype(np.uint8), np.ones((3, 3), np.uint8))
    around = grown[first - top + 1 : last - top + 1, start - left + 1 : stop - left + 1]
    return bool(
        (
            around & issue.mask[first - rows.start : last - rows.start, start - columns.start : stop - columns.start]
        ).any()
    )


def runs(mask: np.ndarray, top: int, left: int, width: int) -> np.ndarray:
    """Give where along the rows of a whole image the pixels of a mask start and end: (R, 2), the ends excluded.

    Args:
        mask: (h, w) bool, within its box.
        top, left: of the box.
        width: of the image.

    >>> runs(np.array([[True, False], [True, True]]), 0, 1, 3).tolist()
    [[1, 2], [4, 6]]
    """
    steps = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)  # (h, w + 1)
    starts, ends = (
        (row + top) * width + left + column for row, column in (np.nonzero(steps == 1), np.nonzero(steps == -1))
    )
    joined = starts[1:] == ends[:-1]  # a run that fills a row goes on in the next
    return np.stack(
        [starts[np.append(True, ~joined)[: len(starts)]], ends[np.append(~joined, True)[: len(ends)]]], axis=1
    )
