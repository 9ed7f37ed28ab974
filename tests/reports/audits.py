"""Audits as the command leaves them: discs of two classes that a label lacks, invents or takes for each other."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from segtrain.audit.issue import Issue
from segtrain.audit.store import AuditStore, Entry, issue_row

CLASSES = ["background", "nucleus", "vessel"]
KINDS = ("missing", "extra", "wrong class")
SIDE = 48
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]


def write_audit(
    folder: Path,
    images: Sequence[str] = ("one", "two", "three", "four"),
    each: Sequence[int] = (3,),
    overlapping: bool = False,
    unseen: Sequence[str] = (),
) -> Path:
    """Write an audit with `each` issues (1 to 3) in the images by turns; those named in `unseen` have no picture."""
    store = AuditStore(folder)
    rng = np.random.default_rng(0)
    rows = []
    for place, image in enumerate(images):
        score = 0.98 - 0.9 * place / len(images)
        pixels, given, entry = scene(image, each[place % len(each)], score, rng, overlapping)
        store.write(entry)
        if image not in unseen:
            store.write_picture(image, pixels)
            store.write_given(image, given)
        rows += [issue_row(image, n, issue, CLASSES, issue.score) for n, issue in enumerate(entry.issues)]
    table = pd.DataFrame(rows).sort_values("score", ascending=False, kind="stable")
    table.to_csv(folder / "issues.csv", index=False)
    (folder / "summary.json").write_text(json.dumps(summary(len(images), table, overlapping)))
    return folder


def summary(images: int, table: pd.DataFrame, overlapping: bool) -> dict[str, object]:
    return {
        "created": "2026-11-28T12:00:00", "run": "cells <1> & more", "split": "train", "data": "f00d",
        "classes": CLASSES, "overlapping": overlapping, "images": images, "issues": len(table),
        "by_kind": table["kind"].value_counts().to_dict(),
        "thresholds": [{"score": 0.5, "issues": 7, "precision": 0.81}, {"score": 0.9, "issues": 2, "precision": None}],
        "sentences": ["class 1: 12 % of the objects are not drawn (9 to 15)"], "advice": ["Correct <these> first."],
    }  # fmt: skip


def scene(
    image: str, each: int, score: float, rng: np.random.Generator, overlapping: bool
) -> tuple[np.ndarray, np.ndarray, Entry]:
    """Draw three discs; give the image (H, W, 1), the given label and the entry."""
    truth = np.zeros((SIDE, SIDE), np.uint8)
    given = truth.copy()
    issues = []
    for n, (row, column) in enumerate([(12, 12), (12, 36), (36, 24)]):
        inside = np.hypot(ROWS - row, COLUMNS - column) <= 6 + n
        drawn, true = [(0, 1), (1, 0), (2, 1)][n]
        given[inside], truth[inside] = drawn, true
        top, left = row - 6 - n, column - 6 - n
        mask = inside[top : row + 7 + n, left : column + 7 + n]
        evidence = {"self_confidence": score, "neighbours": 0.5}
        number = 2 if n == 2 else 1  # the drawn class, or the one that is not drawn
        given_as, suggested_as = (-1 if value == 0 and overlapping else value for value in (drawn, true))
        issues.append(Issue(KINDS[n], number, given_as, suggested_as, top, left, mask, score - 0.01 * n, evidence))
    given[:2, :3] = 255
    pixels = (60 + 90 * (truth > 0) + rng.normal(0, 6, truth.shape)).clip(0, 255).astype(np.uint8)[..., None]
    if overlapping:
        truth, given = (
            np.stack([np.where(label == 255, 255, label == c) for c in range(3)]) for label in (truth, given)
        )
    return pixels, given.astype(np.uint8), Entry(image, issues[:each], truth.astype(np.uint8), truth.astype(np.uint8))
