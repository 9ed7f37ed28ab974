"""The colours of every figure, picture and table: told apart by the colour-blind, on white and on black.

Ink, muted ink and lines are stand-ins: in a figure they become the variables of the page's stylesheet, so that
one figure serves the light and the dark theme.
"""

from segtrain.picture import hue

__all__ = [
    "CONFUSED",
    "EXTRA",
    "INK",
    "LAYERS",
    "LINE",
    "MISSED",
    "MUTED",
    "THEME",
    "series_colours",
]

INK, MUTED, LINE = "#23272e", "#6b7280", "#e4e2dc"
THEME = {INK: "var(--ink)", MUTED: "var(--muted)", LINE: "var(--line)"}

# Paul Tol's "bright" scheme (SRON technical note SRON/EPS/TN/09-002, 2021), in the order that suits lines.
_SERIES = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#aa3377", "#66ccee")

# Three of Paul Tol's "vibrant" scheme, so that an error is not taken for a class.
MISSED, EXTRA, CONFUSED = "#ee7733", "#0088dd", "#ee3377"
"""Labelled but not predicted; predicted but not labelled; the wrong class."""

LAYERS = {"given": "#ee7733", "suggested": "#33bbee", "prediction": "#ffffff", "region": "#ee3377"}
"""What is drawn over an image under review: outlines of three labels, and the region in question."""


def series_colours(count: int) -> list[str]:
    """Give `count` colours for lines."""
    return [_SERIES[index] if index < len(_SERIES) else hue(index) for index in range(count)]
