"""The review page of an audit: `audit.html`, one file in which a person accepts or rejects what was found."""

import base64
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from segtrain.audit.issue import ISSUE_KINDS, Issue, encode_mask
from segtrain.audit.store import ISSUE_COLUMNS, PICTURE_SIDE, AuditStore
from segtrain.picture import BACKGROUND, class_colours
from segtrain.reports.colours import LAYERS
from segtrain.reports.template import source, template

__all__ = ["write_review"]

_SCRIPTS = ("review_data.js", "review_decisions.js", "review_viewer.js", "review_list.js", "review.js")
_LARGE, _SMALL_SIDE = 48_000_000, 512
"""Bytes of pictures from which on each is made smaller, and its longer side then, in pixels."""
_GRID_SIDE = 1024  # pixels, the longer side of a label on the page at most


def write_review(folder: Path, most: int = 5000) -> Path:
    """Make `audit.html` of an audit's folder; written piece by piece, as all pictures together may be large.

    Args:
        folder: of a finished audit.
        most: issues on the page, the best ones.

    Raises:
        DataError: the folder holds no finished audit, or one of its files cannot be read.
    """
    store = AuditStore(Path(folder))
    summary = store.summary
    issues = store.issues()
    shown = issues.head(most)
    images = shown["image"].unique().tolist()
    script = f"\n{source(*_SCRIPTS)}"
    page = template("review.html.j2").stream(
        about={key: str(summary.get(key, "")) for key in ("run", "split")},
        created=str(summary["created"]).replace("T", " ")[:16],
        counts={"images": summary["images"], "issues": len(issues), "shown": len(shown), "of": len(images)},
        overview=_overview(summary, issues),
        layers=LAYERS,
        data=_data(summary, shown, images),
        blocks=_blocks(store, images),
        script=script,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    part = store.folder / ".audit.html.part"
    with part.open("wb") as file:
        page.dump(file, encoding="utf-8")
    return part.replace(store.folder / "audit.html")


def _overview(summary: dict[str, Any], issues: pd.DataFrame) -> dict[str, Any]:
    """Gather what is said of all issues together."""
    counted = summary.get("by_kind") or issues["kind"].value_counts().to_dict()
    most = max(counted.values(), default=1)
    kinds = [
        (kind, ISSUE_KINDS.get(kind, ""), count, 100 * count / max(most, 1))
        for kind, count in sorted(counted.items(), key=lambda pair: -pair[1])
    ]
    heights, _ = np.histogram(issues["score"].to_numpy(float), bins=20, range=(0, 1))
    return {
        "kinds": kinds,
        "histogram": [
            (place / 20, int(count), 100 * count / max(1, heights.max())) for place, count in enumerate(heights)
        ],
        "thresholds": summary.get("thresholds") or [],
        "sentences": summary.get("sentences") or [],
        "advice": summary.get("advice") or [],
    }


def _data(summary: dict[str, Any], issues: pd.DataFrame, images: Sequence[str]) -> dict[str, Any]:
    """Give what the page knows of every finding; the pictures are in blocks of their own."""
    classes = [str(name) for name in summary["classes"]]
    evidence = [name for name in issues.columns if name not in (*ISSUE_COLUMNS, "right")]  # right: by the truth
    return {
        "data": str(summary["data"]),
        "created": str(summary["created"]),
        "classes": classes,
        "colours": class_colours(classes),
        "background": classes.index(BACKGROUND) if BACKGROUND in classes else -1,
        "overlapping": bool(summary.get("overlapping")),
        "layers": LAYERS,
        "kinds": list(ISSUE_KINDS.items()),
        "evidence": evidence,
        "images": images,
        "findings": _findings(issues, classes, images, evidence),
    }


def _findings(
    issues: pd.DataFrame, classes: Sequence[str], images: Sequence[str], evidence: Sequence[str]
) -> list[list[Any]]:
    """Give each finding as a row of plain values; `asFinding` in review_data.js names them."""
    numbers = {name: number for number, name in enumerate(classes)} | {"": -1}
    places = {name: place for place, name in enumerate(images)}
    kinds = {kind: place for place, kind in enumerate(ISSUE_KINDS)}
    measured = issues[["score", "precision", *evidence]].apply(pd.to_numeric, errors="coerce").astype(float).round(4)
    plain = [[None if np.isnan(value) else value for value in row] for row in measured.to_numpy().tolist()]
    names = zip(
        *(issues[name] for name in ("image", "issue", "kind", "class", "given", "suggested", "area")), strict=True
    )
    return [
        [
            places[image],
            int(issue.rpartition("#")[2]),
            kinds[kind],
            *(numbers[name] for name in about),
            int(area),
            *values,
        ]
        for (image, issue, kind, *about, area), values in zip(names, plain, strict=True)
    ]


def _blocks(store: AuditStore, images: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give the picture, labels and regions of each image that can be shown, with the image's number."""
    kept = [path.stat().st_size for path in map(store.picture, images) if path.exists()]
    side = PICTURE_SIDE if sum(kept) < _LARGE else _SMALL_SIDE
    for number, image in enumerate(images):
        picture, entry, given = _picture(store.picture(image), side), store.read(image), store.given(image)
        if picture is None or entry is None:
            continue
        step = -(-max(entry.suggested.shape[-2:]) // _GRID_SIDE)
        labels = {"given": given, "suggested": entry.suggested, "prediction": entry.prediction}
        grids = {name: _thinned(label, step) for name, label in labels.items() if label is not None}
        yield (
            number,
            {
                "size": entry.suggested.shape[-2:],
                "picture": picture,
                "step": step,
                "grid": grids["suggested"].shape[-2:],
                "labels": {name: _text(zlib.compress(grid.tobytes())) for name, grid in grids.items()},
                "regions": [*map(_region, entry.issues)],
            },
        )


def _picture(file: Path, side: int) -> str | None:
    """Give a JPEG of at most so many pixels on its longer side, as it was kept if it can be; None without one."""
    if not file.exists():
        return None
    try:
        with Image.open(file) as image:
            if max(image.size) <= side:
                return _text(file.read_bytes())
            image.thumbnail((side, side))
            smaller = io.BytesIO()
            image.save(smaller, "JPEG", quality=82)
    except OSError:  # a damaged picture is shown as none
        return None
    return _text(smaller.getvalue())


def _thinned(label: np.ndarray, step: int) -> np.ndarray:
    """Keep the middle one of every `step` rows and columns of a label (..., H, W)."""
    rows, columns = (np.minimum(np.arange(0, length, step) + step // 2, length - 1) for length in label.shape[-2:])
    return np.ascontiguousarray(label[..., rows[:, None], columns], np.uint8)


def _region(issue: Issue) -> dict[str, Any]:
    height, width = issue.mask.shape
    place = {"top": issue.top, "left": issue.left, "height": height, "width": width}
    return place | {"counts": encode_mask(issue.mask)}


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
