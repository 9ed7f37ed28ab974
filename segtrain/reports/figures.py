"""The figures of a report: pure functions from numbers to inline SVG, drawn without a display.

Text stays text, in the page's own font; ink and lines take the page's colours.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from segtrain.reports.canvas import blank, style, svg
from segtrain.reports.colours import INK, MUTED, series_colours

__all__ = ["Line", "amounts", "binary_confusions", "confusion", "curves", "draws", "histogram", "reliability"]

_LETTERS = 16  # a longer class name is cut in a figure; tables have it in full


class Line(NamedTuple):
    """One curve; legends are the page's work."""

    label: str
    colour: str
    steps: np.ndarray
    """(P,) optimiser steps."""
    values: np.ndarray
    """(P,)"""
    dashed: bool = False


def curves(lines: Sequence[Line], ends: Mapping[int, int], best: int | None = None) -> str:
    """Draw what went on during training.

    Args:
        lines: at least one.
        ends: epoch -> the step it ended with; labels the axis.
        best: the epoch to mark.
    """
    with style():
        figure, axes = blank()
        for line in lines:
            few = np.isfinite(line.values).sum() < 3
            dash, marker = "--" if line.dashed else "-", "o" if few else None
            axes.plot(line.steps, line.values, ls=dash, marker=marker, ms=5, lw=1.8, color=line.colour)
        if best is not None and best in ends:
            axes.axvline(ends[best], color=MUTED, lw=1, ls=(0, (2, 3)))
        shown = [int(epoch) for epoch in MaxNLocator(6, integer=True).tick_values(0, max(ends))]
        shown = [epoch for epoch in shown if epoch in ends]
        axes.set_xticks([ends[epoch] for epoch in shown], [str(epoch) for epoch in shown])
        axes.set_xlabel("epoch")
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.grid(axis="x", visible=False)
        return svg(figure)


def confusion(matrix: Sequence[Sequence[float]], classes: Sequence[str], across: str = "predicted") -> str:
    """Draw a confusion matrix (C, C), rows the label, columns what `across` says, as shares of each row."""
    counts = np.asarray(matrix, dtype=float)  # (C, C)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(2.0 + 0.42 * len(counts), 3.2, 8.0))
    with style():
        figure = Figure(figsize=(side * 1.12, side), layout="constrained")
        axes = figure.add_subplot()
        _heatmap(axes, shares, size=10.5 if len(counts) <= 6 else 8.5)
        every = 1 if len(counts) <= 40 else 10
        places = range(0, len(counts), every)
        named = [_cut(classes[place]) if every == 1 else str(place) for place in places]
        tilt = 40 if len(counts) <= 12 else 90
        axes.set_xticks(places, named, rotation=tilt, ha="right", va="center", rotation_mode="anchor", fontsize=9)
        axes.set_yticks(places, named, fontsize=9)
        axes.set_xlabel(across)
        axes.set_ylabel("label")
        return svg(figure)


def binary_confusions(
    matrices: Sequence[Sequence[Sequence[float]]], classes: Sequence[str], across: str = "predicted"
) -> str:
    """Draw one small confusion matrix [[tn, fp], [fn, tp]] for each overlapping class (K, 2, 2)."""
    columns = min(3, len(matrices))
    rows = -(-len(matrices) // columns)
    with style():
        width, height = 1.75 * columns + 0.55, 2.05 * rows + 0.35
        figure = Figure(figsize=(width, height))
        for place, (matrix, name) in enumerate(zip(matrices, classes, strict=True)):
            left, top = 0.65 + 1.75 * (place % columns), 0.35 + 2.05 * (place // columns)
            axes = figure.add_axes((left / width, 1 - (top + 1.5) / height, 1.5 / width, 1.5 / height))
            counts = np.asarray(matrix, dtype=float)  # (2, 2)
            _heatmap(axes, counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), size=10.5)
            axes.set_title(_cut(name), fontsize=10.5)
            axes.set_xticks((0, 1), ("no", "yes"), fontsize=9)
            axes.set_yticks((0, 1), ("no", "yes") if place % columns == 0 else ("", ""), fontsize=9)
        figure.supxlabel(across, x=(0.65 + width) / 2 / width, y=0.04 / height, fontsize=10.5, color=MUTED)
        figure.supylabel("label", x=0.02 / width, y=0.5, fontsize=10.5, color=MUTED)
        return svg(figure)


def reliability(
    confidence: Sequence[float | None], accuracy: Sequence[float | None], count: Sequence[float | None]
) -> str:
    """Draw how often the model is right (accuracy) when it is sure by so much (confidence), bin by bin.

    Args:
        confidence: (M,) mean confidence in each of M equal bins of [0, 1]; NaN or None where empty.
        accuracy: (M,) share of right pixels in each.
        count: (M,) pixels in each.
    """
    sure, right = np.array(confidence, dtype=float), np.array(accuracy, dtype=float)
    shares = np.nan_to_num(np.array(count, dtype=float))
    shares = shares / max(1.0, shares.sum())
    filled = (shares > 0) & np.isfinite(sure) & np.isfinite(right)
    colour = series_colours(1)[0]
    with style():
        figure = Figure(figsize=(3.9, 4.1))
        places = {"left": 0.135, "right": 0.965, "bottom": 0.115, "top": 0.985, "hspace": 0.09}
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4.5, 1), gridspec_kw=places)
        above.plot((0, 1), (0, 1), color=MUTED, lw=1, ls=(0, (4, 3)))
        above.vlines(sure[filled], right[filled], sure[filled], color=colour, lw=5, alpha=0.25)
        above.plot(sure[filled], right[filled], color=colour, lw=1.8, marker="o", ms=4.5)
        above.set(ylim=(0, 1), xlim=(0, 1), ylabel="right (share of pixels)")
        edges = np.linspace(0, 1, len(shares) + 1)
        below.bar(edges[:-1], shares, width=1 / len(shares), align="edge", color=colour, alpha=0.55, edgecolor="none")
        below.set(ylim=(0, 1), yticks=(0, 1), ylabel="pixels", xlabel="confidence")
        return svg(figure)


def histogram(values: Mapping[str, np.ndarray], label: str, unit: bool = True) -> str:
    """Draw how a score is spread over the images: the first filled, further ones as outlines.

    Args:
        values: name -> (N,), in the order of `series_colours`.
        label: what is counted along the horizontal axis.
        unit: the score lies in [0, 1].
    """
    known = {name: column[np.isfinite(column)] for name, column in values.items()}
    top = 1.0 if unit else max((column.max(initial=0.0) for column in known.values()), default=1.0)
    edges = np.linspace(0, top or 1.0, 21)
    with style():
        figure, axes = blank()
        for place, (column, colour) in enumerate(zip(known.values(), series_colours(len(known)), strict=True)):
            heights, _ = np.histogram(column, edges)
            axes.stairs(heights, edges, color=colour, fill=place == 0, alpha=0.45 if place == 0 else 1, lw=1.8)
            if len(column):
                axes.axvline(float(np.median(column)), color=colour, lw=1.5, ls=(0, (4, 3)))
        axes.set(xlabel=label, ylabel="images", xlim=(0, edges[-1]))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.grid(axis="x", visible=False)
        return svg(figure)


def amounts(rows: Sequence[tuple[str, float, float, float, bool]], label: str) -> str:
    """Draw estimates with their intervals, one below the other; those that were found are filled.

    Args:
        rows: name, value, low, high (infinite where not known), found.
        label: the unit, along the horizontal axis.
    """
    values = np.array([row[1:4] for row in rows], dtype=float)  # (R, 3)
    reach = max(float(np.abs(values[np.isfinite(values)]).max(initial=0.0)), 1e-6) * 1.08
    with style():
        height = 0.55 + 0.27 * len(rows)
        figure = Figure(figsize=(4.5, height))
        axes = figure.add_axes((0.36, 0.42 / height, 0.61, 1 - 0.5 / height))
        for place, (_, value, low, high, found) in enumerate(rows):
            colour = series_colours(2)[1] if found else MUTED
            axes.plot(np.clip((low, high), -reach, reach), (place, place), color=colour, lw=1.8)
            axes.plot(value, place, marker="o", ms=5.5, color=colour, mfc=colour if found else "none")
        axes.axvline(0, color=MUTED, lw=1)
        axes.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=9)
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlim=(-reach, reach), xlabel=label)
        axes.grid(axis="y", visible=False)
        axes.tick_params(length=0)
        return svg(figure)


def draws(counts: np.ndarray) -> str:
    """Draw how many training samples were drawn how often: `counts` (N,) draws of each."""
    last = int(counts.max(initial=0))
    width = max(1, -(-(last + 1) // 24))  # whole numbers of draws in a bar
    edges = np.arange(0, last + 1 + width, width) - 0.5
    with style():
        figure, axes = blank()
        heights, _ = np.histogram(counts, edges)
        axes.bar(edges[:-1], heights, width=0.9 * width, align="edge", color=series_colours(1)[0], alpha=0.6)
        axes.set(xlabel="times drawn", ylabel="training samples")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.grid(axis="x", visible=False)
        return svg(figure)


def _heatmap(axes: Axes, shares: np.ndarray, size: float) -> None:
    red, green, blue = (int(series_colours(1)[0][at : at + 2], 16) / 255 for at in (1, 3, 5))
    pixels = np.empty((*shares.shape, 4))  # (C, C, 4)
    pixels[...] = (red, green, blue, 0)
    pixels[..., 3] = 0.04 + 0.96 * shares
    axes.imshow(pixels, interpolation="nearest", aspect="equal")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    if len(shares) > 12:
        return
    for (row, column), share in np.ndenumerate(shares):
        text = f"{100 * share:.0f}" if share == 0 or 0.01 <= share <= 0.99 or share == 1 else f"{100 * share:.1f}"
        colour = "#ffffff" if share > 0.6 else INK
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)


def _cut(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}\u2026"
