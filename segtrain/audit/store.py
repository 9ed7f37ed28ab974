"""The folder of an audit: what was found, image by image, written as it is found and read by pages and commands."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd

from segtrain.audit.issue import Issue, as_record, from_record
from segtrain.errors import DataError

__all__ = ["ISSUE_COLUMNS", "AuditStore", "Entry", "issue_row"]

ISSUE_COLUMNS = (
    "issue", "image", "kind", "class", "given", "suggested", "score", "precision", "area", "top", "left", "height",
    "width",
)  # fmt: skip
"""Of issues.csv, followed by a column for each piece of evidence."""


class Entry(NamedTuple):
    """One image with issues."""

    image: str
    """Its id."""
    issues: list[Issue]
    """Issue n of an image is named "<id>#<n>"."""
    suggested: np.ndarray
    """(H, W) uint8 class numbers, or (K, H, W) planes of 0 and 1: what the whole label should be."""
    prediction: np.ndarray
    """Likewise, what the model predicts."""


class AuditStore:
    """The folder `audit/`; see `docs/audit.md` for its files.

    `entries/<id>.json` and `.png` hold one image's issues, suggestion and prediction; tables are made of them at the
    end, so that nothing grows in memory but one row an issue.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def summary(self) -> dict[str, Any]:
        """What the audit says of itself.

        Raises:
            DataError: there is no finished audit in this folder, or its summary cannot be read.
        """
        file = self.folder / "summary.json"
        if not file.exists():
            raise DataError(f"{self.folder} holds no finished audit: make one by segtrain audit run=<run>.")
        try:
            content = json.loads(file.read_text())
            assert isinstance(content, dict)
        except (ValueError, AssertionError):
            raise DataError(f"{file} cannot be read: make the audit anew.") from None
        return content

    def issues(self) -> pd.DataFrame:
        """Give issues.csv, best first; empty texts stay empty."""
        return pd.read_csv(self.folder / "issues.csv", keep_default_na=False, na_values={"precision": [""]})

    def images(self) -> pd.DataFrame:
        """Give images.csv, worst first."""
        return pd.read_csv(self.folder / "images.csv", keep_default_na=False)

    def write(self, entry: Entry) -> None:
        """Keep one image's issues; written beside its place and renamed."""
        base = self._base(entry.image)
        base.parent.mkdir(parents=True, exist_ok=True)
        _write_planes(base.with_name(base.name + ".png"), np.stack([entry.suggested, entry.prediction]))
        content = {"image": entry.image, "shape": entry.suggested.shape, "issues": [*map(as_record, entry.issues)]}
        part = base.with_name(base.name + ".part")
        part.write_text(json.dumps(content))
        part.replace(base.with_name(base.name + ".json"))

    def read(self, image: str) -> Entry | None:
        """Give an image's issues; None if it has none."""
        base = self._base(image)
        file = base.with_name(base.name + ".json")
        if not file.exists():
            return None
        content = json.loads(file.read_text())
        planes = cv2.imread(str(base.with_name(base.name + ".png")), cv2.IMREAD_UNCHANGED)
        if planes is None:
            raise DataError(f"{base}.png is missing or cannot be read: make the audit anew.")
        suggested, prediction = planes.reshape(2, *content["shape"])
        return Entry(image, [from_record(record) for record in content["issues"]], suggested, prediction)

    def __iter__(self) -> Iterator[Entry]:
        """Give all images with issues, in the order of their names."""
        for file in sorted((self.folder / "entries").rglob("*.json")):
            entry = self.read(file.relative_to(self.folder / "entries").as_posix().removesuffix(".json"))
            assert entry is not None
            yield entry

    def _base(self, image: str) -> Path:
        return self.folder / "entries" / image


def issue_row(
    image: str, number: int, issue: Issue, classes: Sequence[str], precision: float | None
) -> Mapping[str, object]:
    """Give an issue as a row of issues.csv.

    Args:
        image: its id.
        number: of the issue in the image.
        issue: the issue.
        classes: names.
        precision: estimated share of issues with this score or a higher one that are right; None = unknown.
    """
    height, width = issue.mask.shape
    given, suggested = (classes[c] if c >= 0 else "" for c in (issue.given, issue.suggested))
    place = (issue.area, issue.top, issue.left, height, width)
    about = (issue.kind, classes[issue.number], given, suggested, round(issue.score, 4), precision)
    return {**dict(zip(ISSUE_COLUMNS, (f"{image}#{number}", image, *about, *place), strict=True)), **issue.evidence}


def _write_planes(file: Path, planes: np.ndarray) -> None:
    """Write planes (..., H, W) uint8 one below the other."""
    if not cv2.imwrite(str(file), planes.reshape(-1, planes.shape[-1])):
        raise DataError(f"{file} cannot be written: is the disk full?")
