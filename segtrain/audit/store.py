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
from segtrain.picture import visible

__all__ = ["ISSUE_COLUMNS", "AuditStore", "Entry", "issue_row"]

ISSUE_COLUMNS = (
    "issue", "image", "kind", "class", "given", "suggested", "score", "precision", "area", "top", "left", "height",
    "width",
)  # fmt: skip
"""Of issues.csv, followed by a column for each piece of evidence."""
PICTURE_SIDE = 1024
"""Pixels, the longer side of a picture at most."""
_TEXTS = dict.fromkeys(("issue", "image", "kind", "class", "given", "suggested"), str)


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
    end, so that nothing grows in memory but one row an issue. `pictures/<id>.jpg` and `given/<id>.png` are what people
    see of an image whose issues they review.
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
        """Give issues.csv, best first; empty texts stay empty, and an id such as 007 stays a text."""
        file = self.folder / "issues.csv"
        return pd.read_csv(file, dtype=_TEXTS, keep_default_na=False, na_values={"precision": [""]})

    def images(self) -> pd.DataFrame:
        """Give images.csv, worst first."""
        return pd.read_csv(self.folder / "images.csv", dtype={"image": str}, keep_default_na=False)

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

    def write_picture(self, image: str, pixels: np.ndarray) -> None:
        """Keep a picture of an image for the eye, smaller where its longer side exceeds `PICTURE_SIDE`.

        Args:
            image: its id.
            pixels: (H, W, D) as stored, of any number type and channels.
        """
        shown = visible(pixels)
        shown = shown[..., ::-1] if pixels.shape[-1] >= 3 else shown[..., 0]  # OpenCV's order; or grey
        height, width = shown.shape[:2]
        scale = PICTURE_SIDE / max(height, width)
        if scale < 1:
            size = max(1, round(scale * width)), max(1, round(scale * height))
            shown = cv2.resize(shown, size, interpolation=cv2.INTER_AREA)
        file = self.picture(image)
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_image(file, shown, cv2.IMWRITE_JPEG_QUALITY, 90)

    def picture(self, image: str) -> Path:
        """Give where the picture of an image is, if there is one."""
        return self.folder / "pictures" / f"{image}.jpg"

    def write_given(self, image: str, label: np.ndarray) -> None:
        """Keep a label as it was given: (H, W) class numbers or (K, H, W) planes, 255 where ignored."""
        file = self._given(image)
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_planes(file, label.astype(np.uint8))

    def given(self, image: str) -> np.ndarray | None:
        """Give a label in the form of the image's suggestion, (H, W) or (K, H, W) uint8; None if it was not kept.

        Raises:
            DataError: it cannot be read, or is not of the suggestion's size.
        """
        file, about = self._given(image), self._base(image)
        about = about.with_name(about.name + ".json")
        if not (file.exists() and about.exists()):
            return None
        label = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        shape = json.loads(about.read_text())["shape"]
        if label is None or label.size != np.prod(shape):
            raise DataError(f"{file} cannot be read, or is not of its image's size: make the audit anew.")
        return label.reshape(shape)

    def __iter__(self) -> Iterator[Entry]:
        """Give all images with issues, in the order of their names."""
        for file in sorted((self.folder / "entries").rglob("*.json")):
            entry = self.read(file.relative_to(self.folder / "entries").as_posix().removesuffix(".json"))
            assert entry is not None
            yield entry

    def _base(self, image: str) -> Path:
        return self.folder / "entries" / image

    def _given(self, image: str) -> Path:
        return self.folder / "given" / f"{image}.png"


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
    _write_image(file, planes.reshape(-1, planes.shape[-1]))


def _write_image(file: Path, pixels: np.ndarray, *options: int) -> None:
    """Write a picture in the format that the file's name ends in."""
    if not cv2.imwrite(str(file), pixels, options):
        raise DataError(f"{file} cannot be written: is the disk full?")
