"""The plot of a comparison: one line an arm, its seeds as dots, its mean as a tick."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from segtrain.reports.canvas import style
from segtrain.reports.colours import INK, MUTED, series_colours

__all__ = ["draw_forest"]


def draw_forest(rows: Sequence[tuple[str, np.ndarray]], marked: Sequence[str], label: str, path: Path) -> None:
    """Draw scores of arms, the first on top, into a file that stands by itself.

    Args:
        rows: name and the scores of its seeds (S,).
        marked: controls, whose mean is drawn through all arms.
        label: what the scores are.
        path: ends in .svg or .png.
    """
    colours = dict(zip(marked, series_colours(len(marked)), strict=True))
    with style():
        figure = Figure(figsize=(7.0, 0.9 + 0.28 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        for place, (name, scores) in enumerate(rows):
            colour = colours.get(name, INK)
            if name in colours:
                axes.axvline(float(scores.mean()), color=colour, lw=1.0, ls=(0, (4, 3)))
            axes.plot(scores, np.full(len(scores), place), "o", ms=4, color=colour, alpha=0.45)
            axes.plot([scores.mean()], [place], "|", ms=13, mew=2.2, color=colour)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(label)
        axes.tick_params(axis="y", labelcolor=MUTED, length=0)
        figure.savefig(path, facecolor="white", dpi=130, metadata={"Date": None} if path.suffix == ".svg" else None)
