"""The figures of an audit: how sure its issues are, how many are right, where labels and suggestions differ."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from segtrain.reports.canvas import blank, style, svg
from segtrain.reports.colours import INK, LINE, MUTED, series_colours
from segtrain.reports.figures import binary_confusions, confusion

__all__ = ["audit_figures", "standing_alone"]


def audit_figures(
    issues: pd.DataFrame, images: pd.DataFrame, summary: Mapping[str, Any], regions: pd.DataFrame | None = None
) -> dict[str, str]:
    """Draw what there is to draw: name -> SVG.

    Args:
        issues: issues.csv, with a column `right` where the truth is known.
        images: images.csv.
        summary: of the audit, with the pixels of each class by suggested class in `confusion`, (1, C, C) or (K, 2, 2).
        regions: of the clustering: columns x, y, class, flagged; None = it was not asked.
    """
    matrices, classes = summary["confusion"], summary["classes"]
    overlap = summary["overlapping"]
    drawn = (
        binary_confusions(matrices, classes, "suggested") if overlap else confusion(matrices[0], classes, "suggested")
    )
    figures = {
        "scores": _scores(issues, summary["thresholds"]),
        "budget": _budget(issues, images),
        "confusion": drawn,
    }
    if "right" in issues and len(issues):
        figures["precision"] = _precision(issues)
    if regions is not None and len(regions):
        figures["regions"] = _regions(regions)
    return figures


def standing_alone(figure: str) -> str:
    """Make a figure of a page one that is a file of its own: dark on white."""
    colours = f"svg {{ --ink: {INK}; --muted: {MUTED}; --line: {LINE}; background: white; font-family: sans-serif }}"
    head, _, rest = figure.partition(">")
    return (
        f'{head} xmlns="http://www.w3.org/2000/svg"><style>{colours}</style>{rest}'
        if "xmlns=" not in head
        else (f"{head}><style>{colours}</style>{rest}")
    )


def _scores(issues: pd.DataFrame, thresholds: list[dict[str, Any]]) -> str:
    """Draw how many issues have which score, and beside it how many are estimated to be right from there on."""
    blue, red, *_ = series_colours(2)
    known = [row for row in thresholds if row["precision"] is not None and row["issues"]]
    with style():
        figure, axes = blank()
        heights, edges = np.histogram(issues["score"].to_numpy(float), np.linspace(0, 1, 41))
        axes.stairs(heights, edges, fill=True, color=blue, alpha=0.5)
        low = float(issues["score"].min()) if len(issues) else 0.0
        axes.set(xlabel="score", ylabel="issues", xlim=(min(low, 0.5), 1))
        axes.grid(axis="x", visible=False)
        if known:
            other = axes.twinx()
            other.plot([row["score"] for row in known], [row["precision"] for row in known], "o-", ms=4, color=red)
            other.set(ylim=(0, 1.02), ylabel="estimated precision from there on")
            other.grid(visible=False)
            figure.axes[0].set_position((0.145, 0.17, 0.7, 0.81))
            other.set_position((0.145, 0.17, 0.7, 0.81))
        return svg(figure)


def _budget(issues: pd.DataFrame, images: pd.DataFrame) -> str:
    """Draw what looking at the worst labels first is worth, in doubtful pixels."""
    doubtful = (issues["score"] * issues["area"]).groupby(issues["image"]).sum()
    worth = images.loc[~images["clean"], "image"].map(doubtful).fillna(0.0).to_numpy()
    total = max(float(worth.sum()), 1e-9)
    with style():
        figure, axes = blank()
        count = np.arange(len(worth) + 1)
        axes.plot(count, np.concatenate([[0], np.cumsum(worth)]) / total, color=series_colours(1)[0], lw=1.8)
        axes.plot((0, len(worth)), (0, 1), color=MUTED, lw=1, ls=(0, (4, 3)))
        axes.set(xlabel="labels looked at, the worst first", ylabel="share of the doubtful pixels", ylim=(0, 1.02))
        axes.set_xlim(0, max(1, len(worth)))
        return svg(figure)


def _precision(issues: pd.DataFrame) -> str:
    """Draw the share of right issues among the first ones, against the share of all right ones that they are."""
    right = issues["right"].to_numpy(float)
    hits = np.cumsum(right)
    with style():
        figure, axes = blank()
        recall, precision = hits / max(hits[-1], 1), hits / np.arange(1, len(hits) + 1)
        axes.plot(recall, precision, color=series_colours(1)[0], lw=1.8)
        axes.axhline(float(right.mean()), color=MUTED, lw=1, ls=(0, (4, 3)))
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="share of the right issues", ylabel="right among those so far")
        return svg(figure)


def _regions(regions: pd.DataFrame) -> str:
    """Draw regions by their features' two main directions; the flagged ones are ringed."""
    names = sorted(regions["class"].unique())
    with style():
        figure, axes = blank()
        for name, colour in zip(names, series_colours(len(names)), strict=True):
            own = regions[regions["class"] == name]
            axes.scatter(own["x"], own["y"], s=9, color=colour, alpha=0.55, lw=0, label=name)
        flagged = regions[regions["flagged"]]
        axes.scatter(flagged["x"], flagged["y"], s=34, facecolors="none", edgecolors=INK, lw=1.1, label="flagged")
        axes.set(xticks=(), yticks=(), xlabel="first main direction", ylabel="second")
        axes.grid(visible=False)
        axes.legend(frameon=False, fontsize=9, loc="best", labelcolor="linecolor")
        return svg(figure)
