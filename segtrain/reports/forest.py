"""The plot of a comparison: one line an arm, its seeds as dots, its mean as a tick."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segtrain.reports.canvas import style
from segtrain.reports.colours import INK, MUTED, series_colours

__all__ = ["draw_forest"]


def draw_forest(panels: Mapping[str, Mapping[str, np.ndarray]], marked: Sequence[str], path: Path) -> None:
    """Draw scores of arms, the first on top, into a file that stands by itself; what is scored, side by side.

    Args:
        panels: what the scores are -> arm -> the scores of its seeds (S,); each has the same arms.
        marked: controls, whose mean is drawn through all arms.
        path: ends in .svg or .png.
    """
    arms = list(next(iter(panels.values())))
    colours = dict(zip(marked, series_colours(len(marked)), strict=True))
    width = 7.0 if len(panels) == 1 else 2.0 + 2.6 * len(panels)
    with style():
        figure = Figure(figsize=(width, 0.9 + 0.28 * len(arms)))
        # Room between them: a scale's last number stays clear of the next one's first.
        figure.set_layout_engine("constrained", wspace=0.08)
        # One scale: beside a class that is lost, a hundredth in the others is to look like a hundredth.
        every = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (label, rows) in zip(every, panels.items(), strict=True):
            _draw(axes, rows, colours)
            axes.set_xlabel(label)
            axes.tick_params(axis="y", labelcolor=MUTED, length=0)
        every[0].set_yticks(range(len(arms)), arms)
        every[0].set_ylim(len(arms) - 0.4, -0.6)
        figure.savefig(path, facecolor="white", dpi=130, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw(axes: Axes, rows: Mapping[str, np.ndarray], colours: Mapping[str, str]) -> None:
    for place, (name, scores) in enumerate(rows.items()):
        colour = colours.get(name, INK)
        if name in colours:
            axes.axvline(float(scores.mean()), color=colour, lw=1.0, ls=(0, (4, 3)))
        axes.plot(scores, np.full(len(scores), place), "o", ms=4, color=colour, alpha=0.45)
        axes.plot([scores.mean()], [place], "|", ms=13, mew=2.2, color=colour)
