"""The tables of a page: each label a group of columns, raw and post-processed side by side with the change."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from segtrain.picture import BACKGROUND, class_colours
from segtrain.reports.scores import Against, Scores, better_when_low, number, spoken

__all__ = ["Cell", "Group", "Row", "Table", "class_tables", "score_table"]


class Cell(NamedTuple):
    """One number; `kind` is "", "better", "worse" or "absent"; `share` in [0, 100] draws a bar, None draws none."""

    text: str
    kind: str = ""
    share: float | None = None


class Row(NamedTuple):
    """A name and its numbers; `colour` is a class's."""

    name: str
    cells: list[Cell]
    colour: str = ""


class Group(NamedTuple):
    """The columns of one label."""

    label: str
    columns: list[str]


class Table(NamedTuple):
    """A table with grouped columns."""

    title: str
    corner: str
    groups: list[Group]
    rows: list[Row]
    note: str = ""


def score_table(scores: Scores) -> Table:
    """Give the mean scores: one row for each metric."""
    groups = _groups(scores)
    rows = [Row(spoken(metric), _cells(scores, metric, values)) for metric, values in scores.means.items()]
    note = "post: after post-processing." if any(against.post for against in scores.against) else ""
    return Table("", "Score", groups, rows, note)


def class_tables(scores: Scores, classes: Sequence[str], matrix: Sequence[Sequence[float]] | None) -> list[Table]:
    """Give one table for each metric that is known by class.

    Args:
        scores: the test's.
        classes: their names in order; others that have scores follow.
        matrix: the exclusive classes' confusion matrix against the given label; adds each class's share of pixels.
    """
    tables = []
    for metric, by_class in scores.classes.items():
        names = [*(name for name in classes if name in by_class), *(name for name in by_class if name not in classes)]
        palette = dict(zip(names, class_colours(names), strict=True))
        palette.update(zip(classes, class_colours(list(classes)), strict=True))
        groups = _groups(scores)
        shares = _pixel_shares(matrix, classes)
        rows = []
        for name in names:
            cells = _cells(scores, metric, by_class[name], bars=True)
            rows.append(Row(name, ([Cell(shares.get(name, ""))] if shares else []) + cells, palette[name]))
        note = f"The mean leaves out {BACKGROUND}." if BACKGROUND in names and metric in scores.means else ""
        groups = [Group("pixels", [""]), *groups] if shares else groups
        tables.append(Table(f"{spoken(metric)} of each class", spoken(metric), groups, rows, note))
    return tables


def _references(scores: Scores) -> dict[str, bool]:
    """Give each label that something is compared with, and whether post-processed scores exist for it."""
    return {name: Against(name, post=True) in scores.against for name in scores.references}


def _groups(scores: Scores) -> list[Group]:
    raw_and_post = ["raw", "post", "change"]
    return [
        Group(f"vs {Against(name, post=False).label}", raw_and_post if post else [""])
        for name, post in _references(scores).items()
    ]


def _cells(scores: Scores, metric: str, values: Mapping[Against, float], bars: bool = False) -> list[Cell]:
    cells = []
    for name, post in _references(scores).items():
        raw, refined = values.get(Against(name, post=False)), values.get(Against(name, post=True))
        cells.append(_cell(metric, raw, bars))
        if post:
            cells += [_cell(metric, refined, bars), _change(metric, raw, refined)]
    return cells


def _cell(metric: str, value: float | None, bars: bool) -> Cell:
    text = "" if value is None else number(metric, value)
    known = value is not None and math.isfinite(value)
    share = 100 * value if bars and value is not None and known and 0 <= value <= 1 else None
    return Cell(text, "" if known else "absent", share)


def _change(metric: str, raw: float | None, refined: float | None) -> Cell:
    if raw is None or refined is None or not math.isfinite(refined - raw):
        return Cell("", "absent")
    change = refined - raw
    text = number(metric, change, sign=True)
    if float(text) == 0:
        return Cell(text)
    return Cell(text, "better" if (change < 0) == better_when_low(metric) else "worse")


def _pixel_shares(matrix: Sequence[Sequence[float]] | None, classes: Sequence[str]) -> dict[str, str]:
    if matrix is None or len(matrix) != len(classes):
        return {}
    total = sum(map(sum, matrix)) or 1
    shares = [100 * sum(row) / total for row in matrix]
    return {
        name: f"{share:.1f} %" if share >= 0.1 or share == 0 else "< 0.1 %"
        for name, share in zip(classes, shares, strict=True)
    }
