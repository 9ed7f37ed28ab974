"""What stands behind the scores: confusions, calibration, the spread over the images, and who was drawn."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from segtrain.reports import figures
from segtrain.reports.colours import series_colours
from segtrain.reports.history import Chart, Key
from segtrain.reports.scores import Against, number, spoken

__all__ = ["ImageTable", "calibrations", "confusions", "drawn", "image_table", "spreads"]

_ROWS = 200  # of the table of images


class ImageTable(NamedTuple):
    """The images from the worst to the best."""

    header: list[str]
    rows: list[list[str]]
    left_out: int


def confusions(content: Mapping[str, Any]) -> list[Chart]:
    """Draw a confusion matrix, or one for each overlapping class, for every comparison in confusion.json."""
    classes = [str(name) for name in content.get("classes", [])]
    draw = figures.binary_confusions if content.get("overlapping") else figures.confusion
    matrices = {Against.parse(suffix): matrix for suffix, matrix in content.get("matrices", {}).items()}
    labels = list(dict.fromkeys(against.reference for against in matrices))
    order = sorted(matrices, key=lambda against: (labels.index(against.reference), against.post))
    return [Chart(f"vs {against.title}", draw(matrices[against], classes), []) for against in order]


def calibrations(content: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[Chart]:
    """Draw a reliability diagram for every comparison in calibration.json, with its expected calibration error."""
    found = []
    for suffix, bins in content.items():
        error = metrics.get(f"test/ece{suffix}")
        if not isinstance(error, int | float):
            error = _ece(bins)
        svg = figures.reliability(bins["confidence"], bins["accuracy"], bins["count"])
        found.append(Chart(f"vs {Against.parse(suffix).title}", svg, [], f"ECE {number('ece', error)}"))
    return found


def spreads(images: pd.DataFrame) -> list[Chart]:
    """Draw how each score is spread over the test images."""
    found = []
    for metric in ("dice", "boundary_f1", "hd95"):
        columns = [name for name in images.columns if name.partition("@")[0] == metric and not name.endswith("@post")]
        columns = [name for name in columns if np.isfinite(images[name]).any()]
        if not columns:
            continue
        values = {Against.parse(name[len(metric) :]).label: images[name].to_numpy(dtype=float) for name in columns}
        legend = [Key(*pair) for pair in zip(values, series_colours(len(values)), strict=True)]
        svg = figures.histogram(values, spoken(metric), unit=metric != "hd95")
        found.append(
            Chart(f"{spoken(metric)} of each image", svg, legend, _quartiles(metric, next(iter(values.items()))))
        )
    return found


def image_table(images: pd.DataFrame) -> ImageTable:
    """Give every image's scores over all classes, worst Dice first."""
    order = next((name for name in images.columns if name.partition("@")[0] == "dice"), None)
    table = images.sort_values(order, kind="stable", na_position="last") if order else images
    columns = [name for name in table.columns if name != "id" and "/" not in name]  # a class's have "/"
    rows = [
        [str(row["id"]), *(number(name.partition("@")[0], float(row[name])) for name in columns)]
        for _, row in table.head(_ROWS).iterrows()
    ]
    header = ["image", *(_heading(name) for name in columns)]
    return ImageTable(header, rows, max(0, len(table) - _ROWS))


def drawn(draws: pd.DataFrame) -> Chart:
    """Draw how often the training samples were drawn, and say it in a sentence."""
    counts = draws["draws"].fillna(0).to_numpy(dtype=int)
    never = int((counts == 0).sum())
    left_out = f"{never} {'was' if never == 1 else 'were'} never drawn" if never else "each was drawn"
    note = f"{len(counts)} training samples, {counts.sum()} draws; {left_out}, one {counts.max(initial=0)} times."
    return Chart("Draws of each training sample", figures.draws(counts), [], note)


def _ece(bins: Mapping[str, Any]) -> float:
    """Mean distance between confidence and accuracy, weighted by pixels (Naeini et al. 2015, eq. 3)."""
    confidence, accuracy, count = (np.array(bins[key], dtype=float) for key in ("confidence", "accuracy", "count"))
    filled = count > 0
    if not filled.any():
        return float("nan")
    return float(np.average(np.abs(confidence - accuracy)[filled], weights=count[filled]))


def _quartiles(metric: str, first: tuple[str, np.ndarray]) -> str:
    name, values = first
    known = values[np.isfinite(values)]
    low, middle, high = (number(metric, float(value)) for value in np.percentile(known, (25, 50, 75)))
    return f"vs {name}: median {middle}, middle half {low} to {high}, {len(known)} images"


def _heading(column: str) -> str:
    metric, _, suffix = column.partition("@")
    against = Against.parse(f"@{suffix}" if suffix else "")
    return spoken(metric) + ("" if against == Against("", post=False) else f" vs {against.title}")
