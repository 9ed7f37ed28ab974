"""What post-processing does to a test's images: raw and post-processed scores, and their paired difference."""

from collections.abc import Sequence

import pandas as pd

from segtrain.reports.paired import paired_gain
from segtrain.reports.scores import Against, better_when_low, number, spoken
from segtrain.reports.tables import Cell, Group, Row, Table

__all__ = ["refined_table"]

_METRICS = {"dice": "image_dice", "iou": "image_iou", "boundary_f1": "boundary_f1", "hd95": "hd95"}
"""Columns of images.csv, and the metrics that their means are called."""


def refined_table(images: pd.DataFrame, references: Sequence[str]) -> Table:
    """Give means over the images, raw and post-processed, and the change with its 95 % interval.

    Args:
        images: scores of each image, such as "dice", "dice@post" and "dice@<reference>@post".
        references: names of the labels, "" = the given one.
    """
    compared = [name for name in references if _columns("dice", name)[1] in images]
    groups = [
        Group(f"vs {Against(name, post=False).label}", ["raw", "post", "change", "95 % interval"]) for name in compared
    ]
    rows = [
        Row(spoken(metric), [cell for name in compared for cell in _cells(images, column, name)])
        for column, metric in _METRICS.items()
    ]
    changed = sum((images[_columns("dice", name)[0]] != images[_columns("dice", name)[1]]).any() for name in compared)
    note = "Bootstrap over the images." if changed else "Post-processing has changed no image's Dice."
    return Table("Raw and post-processed", "Mean over images", groups, rows, note)


def _columns(column: str, reference: str) -> tuple[str, str]:
    return tuple(column + Against(reference, post).suffix for post in (False, True))  # type: ignore[return-value]


def _cells(images: pd.DataFrame, column: str, reference: str) -> list[Cell]:
    raw, post = (images[name].astype(float) for name in _columns(column, reference))
    both = raw.notna() & post.notna()  # an image may have lost the only object that was predicted
    gain = paired_gain((post - raw)[both].to_numpy())
    change, low, high = (number(column, value, sign=True) for value in gain)
    sure = gain.low > 0 or gain.high < 0
    kind = ("better" if (gain.value < 0) == better_when_low(column) else "worse") if sure else ""
    means = [Cell(number(column, values[both].mean())) for values in (raw, post)]
    return [*means, Cell(change, kind), Cell(f"{low} to {high}")]
