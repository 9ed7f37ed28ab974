"""What every figure is drawn on: one style, and SVG that takes the page's font and colours."""

import io
import re
import warnings
import zlib
from functools import partial
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segtrain.reports.colours import INK, LINE, MUTED, THEME

__all__ = ["blank", "style", "svg"]

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "segtrain",  # the same run gives the same page
    "text.parse_math": False,  # a class may be called "a$b$"
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 1.0,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "lines.solid_capstyle": "round",
}
_SIZE = (4.5, 2.9)  # inches


style = partial(matplotlib.style.context, ["default", _STYLE])
"""Draw inside `with style():`, whatever the user's own settings of matplotlib are."""


def blank() -> tuple[Figure, Axes]:
    """Give an empty figure of the usual size."""
    figure = Figure(figsize=_SIZE)
    # Fixed margins: finding them by `layout="constrained"` takes as long again as drawing.
    return figure, figure.add_axes((0.145, 0.17, 0.82, 0.81))


def svg(figure: Figure) -> str:
    """Write a figure as an SVG element that fills its place, holds no link, and shares no id with another."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # The browser has its own fonts; that matplotlib's lacks a letter only makes its guess of a width rough.
        warnings.filterwarnings("ignore", message=r"Glyph \d+")
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>| font-family: [^;\"]+;", "", text, flags=re.DOTALL)
    text = re.sub(r' height="[\d.]+pt"', "", text, count=1)
    width = f'style="max-width: {1.2 * 72 * figure.get_figwidth():.0f}px"'  # a letter is as large in every figure
    text = re.sub(r'width="[\d.]+pt"', width, text, count=1)
    text = re.sub(r' id="(?:[\w.]+_\d+|image\w+)"', "", text)
    mine = f"{zlib.crc32(text.encode()):08x}"
    text = re.sub(r'(?<=["#])[pm][0-9a-f]{10}\b', lambda found: f"{found[0]}-{mine}", text)
    return re.sub("|".join(THEME), lambda found: THEME[found[0]], text)
