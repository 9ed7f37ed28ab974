"""The curves of a run: what metrics.csv says of every epoch, sorted into charts."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from segtrain.picture import BACKGROUND, class_colours
from segtrain.reports.colours import series_colours
from segtrain.reports.figures import Line, curves
from segtrain.reports.scores import spoken

__all__ = ["Chart", "Key", "charts"]

_MANY = 12  # class curves in one chart; more cannot be told apart


class Key(NamedTuple):
    """One entry of a legend."""

    label: str
    colour: str
    dashed: bool = False


class Chart(NamedTuple):
    """A figure with its heading and its legend."""

    title: str
    svg: str
    legend: list[Key]
    note: str = ""


def charts(history: pd.DataFrame, classes: list[str], best: int | None = None) -> list[Chart]:
    """Draw losses, validation scores, validation Dice by class, and learning rates; what was not logged is left out.

    Args:
        history: Lightning's sparse table with "epoch", "step" and a column for each logged name.
        classes: their names.
        best: the epoch of best.ckpt, marked by a dotted line.
    """
    if not {"epoch", "step"} <= set(history.columns):
        return []
    history = history.dropna(subset=["epoch", "step"])
    history = history.replace([np.inf, -np.inf], np.nan).sort_values("step", kind="stable")
    if history.empty:
        return []
    last = history.groupby("epoch")["step"].max()
    ends = dict(zip(last.index.astype(int).tolist(), last.astype(int).tolist(), strict=True))
    names = [str(name) for name in history.columns]
    by_class = [name for name in classes if f"val/dice/{name}" in history and name != BACKGROUND]
    palette = dict(zip(classes, class_colours(classes), strict=True))
    rates = [name for name in names if name.startswith("lr")]
    losses = [name for name in names if name.startswith(("train/loss", "val/loss"))]
    terms = [name for name in losses if name.startswith("train/loss_")]
    losses = [name for name in losses if len(terms) > 1 or name not in terms]  # one term alone is the loss itself
    found = [
        _chart("Loss", ends, best, _lines(history, losses)),
        _chart("Validation scores", ends, best, _score_lines(history, names)),
        _class_chart(history, ends, best, by_class, palette),
        _chart("Learning rate", ends, None, _lines(history, rates)),
    ]
    return [chart for chart in found if chart is not None]


def _class_chart(
    history: pd.DataFrame, ends: dict[int, int], best: int | None, names: list[str], palette: dict[str, str]
) -> Chart | None:
    if len(names) < 2:
        return None
    last = history[[f"val/dice/{name}" for name in names]].ffill().iloc[-1]
    shown = [names[place] for place in sorted(np.argsort(last.to_numpy(), kind="stable")[:_MANY])]
    lines = [_line(history, f"val/dice/{name}", name, palette[name]) for name in shown]
    note = f"the {_MANY} lowest of {len(names)} classes" if len(shown) < len(names) else ""
    chart = _chart("Validation Dice by class", ends, best, lines)
    return chart and chart._replace(note=note)


def _score_lines(history: pd.DataFrame, names: list[str]) -> list[Line]:
    """Dice as a line and IoU as a dashed one, each label in its own colour."""
    known = [name for name in names if re.fullmatch(r"val/(dice|iou)(@[^/@]+)?", name) and not name.endswith("@post")]
    labels = list(dict.fromkeys(name.partition("@")[2] for name in known))
    colours = dict(zip(labels, series_colours(len(labels)), strict=True))
    return [
        _line(history, name, _spoken(name), colours[name.partition("@")[2]], dashed=name.startswith("val/iou"))
        for name in known
    ]


def _lines(history: pd.DataFrame, names: list[str]) -> list[Line]:
    return [
        _line(history, name, _spoken(name), colour, dashed=name.startswith("train/") and "_" in name)
        for name, colour in zip(names, series_colours(len(names)), strict=True)
    ]


def _line(history: pd.DataFrame, name: str, label: str, colour: str, dashed: bool = False) -> Line:
    rows = history[["step", name]].dropna()
    return Line(label, colour, rows["step"].to_numpy(), rows[name].to_numpy(), dashed)


def _chart(title: str, ends: dict[int, int], best: int | None, lines: list[Line]) -> Chart | None:
    lines = [line for line in lines if len(line.values)]
    if not lines:
        return None
    legend = [Key(line.label, line.colour, line.dashed) for line in lines]
    return Chart(title, curves(lines, ends, best), legend)


def _spoken(name: str) -> str:
    """Name a curve for people.

    >>> _spoken("train/loss"), _spoken("train/loss_consistency"), _spoken("val/dice@clean"), _spoken("lr-AdamW")
    ('training', 'training, consistency', 'Dice vs clean', 'AdamW')
    """
    if name.startswith("lr"):
        return name.removeprefix("lr-").removeprefix("lr") or "learning rate"
    split, _, metric = name.partition("/")
    if metric.startswith("loss"):
        side = {"train": "training", "val": "validation"}[split]
        return side + (f", {metric[5:].replace('_', ' ')}" if metric[4:] else "")
    metric, _, reference = metric.partition("@")
    return spoken(metric) + (f" vs {reference}" if reference else "")
