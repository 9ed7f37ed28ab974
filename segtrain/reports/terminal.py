"""The table of scores that ends a run in the terminal."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from segtrain.reports.scores import Against, Scores, number, read_scores, spoken

__all__ = ["metrics_table"]

_CLASSES = 20  # more rows than that are the report's work
_NAME = 24  # letters of a name that stay on one line


class _Row(NamedTuple):
    """One line of the table; a class's is indented."""

    name: str
    metric: str
    values: Mapping[Against, float]
    ends_section: bool = False


def metrics_table(
    metrics: Mapping[str, Any], classes: Sequence[str] = (), split: str = "test", width: int | None = None
) -> Table:
    """Set out the flat scores of metrics.json, for rich's `Console.print`.

    One row a metric, then one a class with its Dice; one column for each label compared with, raw and
    post-processed ("post"). Where the terminal is too narrow for that, each number has its own row.

    Args:
        metrics: such as {"test/dice": 0.9, "test/dice/cell": 0.9, "test/dice@expert": 0.92}.
        classes: their names, needed only where one holds "@" or "/".
        split: whose scores.
        width: columns of the terminal; None asks it.
    """
    scores = read_scores(metrics, classes, split)
    table = _wide(scores)
    if Console(width=10_000).measure(table).maximum > (Console().width if width is None else width):
        table = _narrow(scores)
    return table


def _wide(scores: Scores) -> Table:
    rows = _rows(scores)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    longest = max((Text(row.name).cell_len for row in rows), default=0)
    table.add_column("", width=min(longest, _NAME), overflow="fold")
    for against in scores.against:
        table.add_column(Text(_heading(against, "\n")), justify="right", no_wrap=True)
    for row in rows:
        cells = [number(row.metric, row.values[against]) if against in row.values else "" for against in scores.against]
        table.add_row(Text(row.name), *cells, end_section=row.ends_section)
    return table


def _narrow(scores: Scores) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    for row in _rows(scores):
        shown = [against for against in scores.against if against in row.values]
        if len(shown) == 1 and shown[0] == Against("", post=False):
            table.add_row(Text(row.name), number(row.metric, row.values[shown[0]]))
            continue
        table.add_row(Text(row.name), "")
        for against in shown:
            table.add_row(Text("  " + _heading(against, ", "), style="dim"), number(row.metric, row.values[against]))
    return table


def _heading(against: Against, between: str) -> str:
    return (against.reference or "given") + (f"{between}post" if against.post else "")


def _rows(scores: Scores) -> list[_Row]:
    rows = [_Row(spoken(metric), metric, values) for metric, values in scores.means.items()]
    metric = "dice" if "dice" in scores.classes else next(iter(scores.classes), "")
    by_class = scores.classes.get(metric, {})
    if not by_class:
        return rows
    if rows:
        rows[-1] = rows[-1]._replace(ends_section=True)
    low = sorted(by_class, key=lambda name: min(map(_nan_last, by_class[name].values())))[:_CLASSES]
    few = f", the lowest {_CLASSES} of {len(by_class)}" if len(by_class) > len(low) else ""
    rows.append(_Row(f"{spoken(metric)} by class{few}", metric, {}))
    return rows + [_Row(f"  {name}", metric, values) for name, values in by_class.items() if name in low]


def _nan_last(value: float) -> float:
    return math.inf if math.isnan(value) else value
