"""A small data set in folders, a run's folder that names it, and an audit with issues: a correction starts from it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from segtrain.audit.issue import Issue
from segtrain.audit.store import ISSUE_COLUMNS, AuditStore, Entry, issue_row
from segtrain.config import compose_config
from segtrain.data.source import Source
from segtrain.run.build import build_sources, plan

EXCLUSIVE = ("data.classes=[background,round,spindle]", "data.ignore_value=255")
OVERLAPPING = ("data.classes=[lung,heart]", "data.labels=overlapping", 'data.masks="masks/{class}"')
NAMES = tuple(f"cell {number:02d}#é" for number in range(12))
CREATED = "2026-01-02T03:04:05+00:00"


class Audited(NamedTuple):
    """An audited run, and what is known of it."""

    root: Path
    """Of the data."""
    run: Path
    settings: tuple[str, ...]
    """Overrides that make the data."""
    source: Source
    entries: dict[str, Entry]
    summary: dict[str, Any]

    @property
    def overlapping(self) -> bool:
        return bool(self.summary["overlapping"])

    @property
    def labels(self) -> dict[str, np.ndarray]:
        """The labels as given."""
        found = {name: self.source.read(index).label for index, name in enumerate(self.source.ids)}
        return {name: label for name, label in found.items() if label is not None}

    @property
    def issues(self) -> dict[str, Issue]:
        """All issues by their names."""
        return {f"{name}#{n}": issue for name, entry in self.entries.items() for n, issue in enumerate(entry.issues)}

    def decide(self, file: Path, decisions: dict[str, str], **changes: Any) -> Path:
        """Write a file of decisions as the audit's page does."""
        content = {
            "format": 1,
            "data": self.summary["data"],
            "created": CREATED,
            "classes": self.summary["classes"],
            "reviewer": "Ada",
            "saved": "2026-02-03T04:05:06+00:00",
            "decisions": decisions,
        }
        file.write_text(json.dumps({**content, **changes}), encoding="utf-8")
        return file


def audited(folder: Path, settings: Sequence[str] = EXCLUSIVE, names: Sequence[str] = NAMES) -> Audited:
    """Write data, a run's folder and its audit below `folder`."""
    root, run = folder / "data", folder / "a run"
    overlapping = "data.labels=overlapping" in settings
    write_data(root, names, overlapping)
    every = ("data=folder", f'data.root="{root}"', "data.channels=1", "data.size=32", *settings)
    cfg = compose_config("train", every)
    run.mkdir()
    (run / "config.yaml").write_text(OmegaConf.to_yaml(cfg, resolve=True))
    wanted = plan(cfg)
    source = build_sources(cfg, wanted)["train"]
    entries = {name: entry(source, index, overlapping) for index, name in enumerate(source.ids) if index % 3 != 2}
    summary = write_audit(run, source, entries, list(wanted.data.classes), overlapping)
    return Audited(root, run, every, source, entries, summary)


def write_data(root: Path, names: Sequence[str], overlapping: bool) -> None:
    """Write images of 40 x 28 pixels and masks of boxes, an ignored corner in exclusive ones."""
    rng = np.random.default_rng(0)
    for name in names:
        save(root / "images" / f"{name}.png", rng.integers(0, 255, (28, 40), dtype=np.uint8))
        boxes = np.zeros((2, 28, 40), np.uint8)
        for plane in boxes:
            top, left = rng.integers(2, 14, 2)
            plane[top : top + 12, left : left + 12] = 1
            plane[top + 4 : top + 6, left + 4 : left + 6] = 0  # a hole
        if overlapping:
            for of, plane in zip(("lung", "heart"), boxes, strict=True):
                save(root / "masks" / of / f"{name}.png", 255 * plane)
        else:
            label = np.where(boxes[1] > 0, 2, boxes[0]).astype(np.uint8)
            label[-3:, -5:] = 255
            save(root / "masks" / f"{name}.png", label)


def entry(source: Source, index: int, overlapping: bool) -> Entry:
    """Make up three issues of a sample: of two of its classes in different places, and one that overlaps another."""
    label = source.read(index).label
    assert label is not None
    suggested = 1 - label if overlapping else np.where(label == 255, 255, (label + 1) % 3).astype(np.uint8)
    rng = np.random.default_rng(index)
    issues = []
    for number, (kind, top, left) in enumerate([("missing", 1, 2), ("wide", 12, 20), ("extra", 3, 4)]):
        region = rng.random((7, 9)) < 0.6
        of = number % 2 if overlapping else 1 + number % 2
        plane = label[of] if overlapping else label
        region &= plane[top : top + 7, left : left + 9] != 255
        score, evidence = 0.9 - 0.3 * number + 0.01 * index, {"self_confidence": 0.8, "surprise": 0.95 - number / 10}
        issues.append(Issue(kind, of, of, -1 if overlapping else 0, top, left, region, score, evidence))
    return Entry(source.ids[index], issues, suggested, suggested)


def write_audit(
    run: Path, source: Source, entries: dict[str, Entry], classes: list[str], overlapping: bool
) -> dict[str, Any]:
    """Write the audit's folder and give its summary."""
    store = AuditStore(run / "audit")
    rows = []
    for each in entries.values():
        store.write(each)
        for number, issue in enumerate(each.issues):
            precision = None if number == 2 else 0.75
            rows.append(issue_row(each.image, number, issue, classes, precision))
    table = pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(ISSUE_COLUMNS))
    table.sort_values("score", ascending=False).to_csv(store.folder / "issues.csv", index=False)
    summary = {
        "created": CREATED,
        "run": str(run),
        "checkpoint": "0123abcd",
        "split": "train",
        "data": source.fingerprint(),
        "classes": classes,
        "overlapping": overlapping,
        "images": len(source),
        "issues": len(rows),
        "by_kind": {},
        "thresholds": [],
    }
    (store.folder / "summary.json").write_text(json.dumps(summary))
    return summary


def save(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), pixels)
