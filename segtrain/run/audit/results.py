"""The results of an audit: tables, pictures, plots and the page, made when the last label is judged."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from rich.console import Console

from segtrain.audit.evidence import Precision, calibrate
from segtrain.audit.judge import BIAS
from segtrain.audit.ranking import FAMILIES, qualities
from segtrain.audit.store import ISSUE_COLUMNS, AuditStore, issue_row
from segtrain.data.source import Source
from segtrain.reports.audit_figures import audit_figures, standing_alone
from segtrain.reports.review import write_review
from segtrain.run.audit.truth import Marked, marks
from segtrain.run.status import write_atomically

__all__ = ["THRESHOLDS", "Judged", "finish", "tell"]

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Scores of which the number and the precision of issues are told."""
TIDY = (
    "entries", "pictures", "given", "issues.csv", "issues.parquet", "images.csv", "noise.csv", "near_duplicates.csv",
    "audit.html", "plots",
)  # fmt: skip
"""What an audit leaves in its folder, beside summary.json, which comes last."""


class Judged(NamedTuple):
    """What is kept of one label until the end."""

    row: int
    image: str
    clean: bool
    severities: np.ndarray
    """(4,), see `severities`; the last is 1 where clean masks prove an issue."""
    soft_minimum: float
    scores: tuple[float, ...]
    """Of its issues, but for those that clean masks prove."""
    marked: Marked | None
    """None where no truth is known."""


def finish(
    folder: Path,
    source: Source,
    judged: Sequence[Judged],
    about: Mapping[str, Any],
    review: int,
    tables: Mapping[str, pd.DataFrame] = MappingProxyType({}),
    regions: Sequence[pd.DataFrame] = (),
) -> tuple[Path, dict[str, Any]]:
    """Write the results of an audit in the place of an earlier one's; give the page and the summary.

    Args:
        folder: of the audit; what was found so far lies in its `unfinished`.
        source: the split.
        judged: each labelled sample.
        about: the first entries of the summary; its `advice` is gone on with.
        review: how many issues the page shows.
        tables: name -> what else was found, each a CSV file.
        regions: for the map of the clustering, see `audit_figures`.
    """
    store = AuditStore(folder / "unfinished")
    store.folder.mkdir(parents=True, exist_ok=True)
    precision = _precision(judged)
    marked = {one.image: one.marked for one in judged if one.marked is not None}
    issues = _write_issues(store, precision, about["classes"], marked)
    images = _write_images(store, judged, issues)
    _write_pictures(store, source, issues["image"][:review].unique().tolist(), {one.image: one.row for one in judged})
    summary = {
        **about,
        "images": len(judged),
        "clean_images": sum(one.clean for one in judged),
        "issues": len(issues),
        "by_kind": dict(Counter(issues["kind"]).most_common()),
        "thresholds": _thresholds(precision, issues),
        "advice": [*_advice(images, issues), *about.get("advice", ())],
    }
    if marked:
        summary["truth"] = marks(images, issues, marked, THRESHOLDS)
    for name, table in tables.items():
        table.to_csv(store.folder / f"{name}.csv", index=False, float_format="%.4g")
    mapped = pd.concat(regions, ignore_index=True) if regions else None
    for name, figure in audit_figures(issues, images, summary, mapped).items():
        write_atomically(store.folder / "plots" / f"{name}.svg", standing_alone(figure))
    write_atomically(store.folder / "summary.json", json.dumps(summary, indent=2) + "\n")
    write_review(store.folder, most=review)
    return _moved(store.folder, folder), summary


def _precision(judged: Sequence[Judged]) -> Precision:
    """Estimate how many issues are right from how many are found where nothing is wrong."""
    scores = {clean: [s for one in judged if one.clean == clean for s in one.scores] for clean in (False, True)}
    images = {clean: sum(one.clean == clean for one in judged) for clean in (False, True)}
    return calibrate(np.array(scores[False]), images[False], np.array(scores[True]), images[True])


def _write_issues(
    store: AuditStore, precision: Precision, classes: Sequence[str], marked: Mapping[str, Marked]
) -> pd.DataFrame:
    """Write issues.csv and issues.parquet, the best score first, of equal ones the largest."""
    rows = []
    for entry in store:
        for number, issue in enumerate(entry.issues):
            right = {"right": marked[entry.image].right[number]} if entry.image in marked else {}
            rows.append({**issue_row(entry.image, number, issue, classes, None), **right})
    table = pd.DataFrame(rows, columns=None if rows else list(ISSUE_COLUMNS))
    known = precision.of(table["score"].to_numpy(float))
    table["precision"] = np.where(known > 0, known, np.nan)  # as many false alarms as issues, or too few clean labels
    if BIAS in table:  # proven by clean masks
        table.loc[table[BIAS].notna(), "precision"] = table[BIAS]
    table = table.sort_values(["score", "area"], ascending=False, kind="stable", ignore_index=True)
    table.to_csv(store.folder / "issues.csv", index=False, float_format="%.4g")
    table.to_parquet(store.folder / "issues.parquet", index=False)
    return table


def _write_images(store: AuditStore, judged: Sequence[Judged], issues: pd.DataFrame) -> pd.DataFrame:
    """Write images.csv, the worst label first, of equal ones that with the lowest soft minimum."""
    severe = np.array([one.severities for one in judged]).reshape(-1, len(FAMILIES) + 1)
    table = pd.DataFrame({"image": [one.image for one in judged], "quality": qualities(severe).round(6)})
    counts = issues.groupby("image").size()
    table["issues"] = table["image"].map(counts).fillna(0).astype(int)
    table["clean"] = [one.clean for one in judged]
    table["soft_minimum"] = [round(one.soft_minimum, 6) for one in judged]
    for family, values in zip((*FAMILIES, BIAS), severe.T, strict=True):
        table[family] = values.round(4)
    table = table.sort_values(["quality", "soft_minimum"], kind="stable", ignore_index=True)
    table.to_csv(store.folder / "images.csv", index=False)
    return table


def _write_pictures(store: AuditStore, source: Source, images: Sequence[str], rows: Mapping[str, int]) -> None:
    """Write what people look at: the image and its label as given."""
    for image in images:
        pixels, label = source.read(rows[image])
        assert label is not None
        store.write_picture(image, pixels)
        store.write_given(image, label)


def _thresholds(precision: Precision, issues: pd.DataFrame) -> list[dict[str, Any]]:
    """Give how many issues reach each threshold, and how many of them are right, as far as that is known."""
    proven = issues[BIAS].notna() if BIAS in issues else pd.Series(False, index=issues.index)
    rows = []
    for score in THRESHOLDS:
        above = issues["score"] >= score
        count, certain = int(above.sum()), issues.loc[above & proven, "precision"]
        estimate = float(precision.of(np.array([score]))[0])
        if count > len(certain):
            estimate = (certain.sum() + (count - len(certain)) * estimate) / count
        elif count:
            estimate = float(certain.mean())
        floor = float(precision.at_least(np.array([score]))[0])
        known = {"precision": estimate, "at_least": floor if count > len(certain) else estimate}
        told = {name: None if np.isnan(value) else value for name, value in known.items()}
        rows.append({"score": score, "issues": count, **told})
    return rows


def _advice(images: pd.DataFrame, issues: pd.DataFrame) -> list[str]:
    """Say which labels to look at first, and what that is worth."""
    doubtful = (issues["score"] * issues["area"]).groupby(issues["image"]).sum()
    order = images.loc[~images["clean"], "image"]
    worth = order.map(doubtful).fillna(0.0).cumsum().to_numpy()
    if not len(worth) or worth[-1] == 0:
        return ["No label is doubtful enough to be looked at first."]
    lines = []
    for count in (10, 25, 50, 100):
        if count < len(worth):
            share = worth[count - 1] / worth[-1]
            lines.append(f"The {count} worst labels (images.csv) hold {share:.0%} of all doubtful pixels.")
    return lines


def _moved(new: Path, folder: Path) -> Path:
    """Put results in the place of earlier ones; the summary goes first and comes last, so that it never lies."""
    (folder / "summary.json").unlink(missing_ok=True)
    for name in TIDY:
        place = folder / name
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        if (new / name).exists():
            (new / name).rename(place)
    (new / "summary.json").rename(folder / "summary.json")
    shutil.rmtree(new)
    return folder / "audit.html"


def tell(page: Path, summary: Mapping[str, Any]) -> None:
    """Say on the screen what was found."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in summary["by_kind"].items())
    lines = [f"{summary['images']} labels, {summary['issues']} issues{': ' if kinds else ''}{kinds}"]
    for row in summary["thresholds"]:
        right = ""
        if row["precision"] is not None:
            right = f", about {row['precision']:.0%} of them right" + f" (at least {row['at_least']:.0%})"
        if row["issues"]:
            lines.append(f"  score {row['score']:.2f} and above: {row['issues']} issues{right}")
    lines += [*summary.get("sentences", []), *summary["advice"], f"page    {page}"]
    Console().print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)
