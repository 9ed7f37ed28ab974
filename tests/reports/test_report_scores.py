"""The flat scores, sorted; and what a run's folder says of itself."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torchmetrics.functional.classification import binary_calibration_error

from segtrain.reports.evidence import calibrations, drawn, image_table, spreads
from segtrain.reports.history import charts
from segtrain.reports.scores import Against, better_when_low, number, read_scores
from segtrain.reports.summary import duration
from segtrain.reports.tables import class_tables, score_table

GIVEN, POST = Against("", post=False), Against("", post=True)
EXPERT, EXPERT_POST = Against("expert", post=False), Against("expert", post=True)


def test_names_are_cut_into_metric_class_and_label() -> None:
    metrics = {
        "test/dice": 0.8, "test/dice@post": 0.81, "test/dice@expert": 0.85, "test/dice@expert@post": 0.86,
        "test/dice/cell": 0.7, "test/dice/cell@expert": 0.75, "test/dice/a/b@c": 0.6,
        "test/dice/a/b@c@expert@post": 0.65,
        "test/iou": None, "val/dice": 0.1, "best/monitor": "val/dice", "test/note": "none", "test/flag": True,
    }  # fmt: skip
    scores = read_scores(metrics, ["cell", "a/b@c"])
    assert scores.against == [GIVEN, POST, EXPERT, EXPERT_POST]
    assert scores.references == ["", "expert"]
    assert scores.means["dice"] == {GIVEN: 0.8, POST: 0.81, EXPERT: 0.85, EXPERT_POST: 0.86}
    assert math.isnan(scores.means["iou"][GIVEN])
    assert scores.classes == {"dice": {"cell": {GIVEN: 0.7, EXPERT: 0.75}, "a/b@c": {GIVEN: 0.6, EXPERT_POST: 0.65}}}
    assert set(scores.means) == {"dice", "iou"}
    assert [against.suffix for against in scores.against] == ["", "@post", "@expert", "@expert@post"]


def test_without_the_classes_names_are_cut_at_the_first_mark() -> None:
    scores = read_scores({"test/dice/left/lung@expert": 0.9})
    assert scores.classes == {"dice": {"left/lung": {EXPERT: 0.9}}}


def test_one_class_may_begin_with_anothers_name() -> None:
    scores = read_scores({"test/dice/cell": 0.1, "test/dice/cell@2": 0.2}, ["cell", "cell@2"])
    assert scores.classes["dice"] == {"cell": {GIVEN: 0.1}, "cell@2": {GIVEN: 0.2}}


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [("dice", 1.0, "1.000"), ("dice", None, "n/a"), ("hd95", math.inf, "inf"), ("hd95", 2.349, "2.3")],
)
def test_numbers(metric: str, value: float | None, text: str) -> None:
    assert number(metric, value) == text


def test_less_is_better_for_distances_and_errors_only() -> None:
    assert all(map(better_when_low, ("hd95", "ece", "loss", "hd100")))
    assert not any(map(better_when_low, ("dice", "iou", "accuracy", "boundary_f1", "recall", "image_dice")))


def test_change_is_judged_by_the_metric() -> None:
    table = score_table(read_scores({"test/hd95": 9.0, "test/hd95@post": 8.0, "test/dice": 0.5, "test/dice@post": 0.4}))
    assert [group.columns for group in table.groups] == [["raw", "post", "change"]]
    cells = {row.name: row.cells for row in table.rows}
    assert [cell.text for cell in cells["HD95 (pixels)"]] == ["9.0", "8.0", "-1.0"]
    assert cells["HD95 (pixels)"][2].kind == "better"
    assert cells["Dice"][2] == ("-0.100", "worse", None)


def test_rows_are_as_long_as_their_header_and_shares_are_of_all_pixels() -> None:
    metrics = {"test/dice": 0.5, "test/dice/background": 0.9, "test/dice/cell": math.nan, "test/dice/cell@expert": 0.4}
    scores = read_scores(metrics, ["background", "cell"])
    (table,) = class_tables(scores, ["background", "cell"], [[70, 5], [5, 20]])
    width = sum(len(group.columns) for group in table.groups)
    assert [len(row.cells) for row in table.rows] == [width, width]
    assert [row.cells[0].text for row in table.rows] == ["75.0 %", "25.0 %"]
    assert table.rows[1].cells[1] == ("n/a", "absent", None)
    assert table.rows[0].cells[2].text == ""  # never compared with the expert
    assert table.note == "The mean leaves out background."


def test_calibration_error_equals_torchmetrics() -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0, 1, 4_000)
    right = rng.uniform(0, 1, 4_000) < sure**2
    place = np.minimum((sure * 15).astype(int), 14)
    bins = {
        "confidence": [float(sure[place == bin_].mean()) for bin_ in range(15)],
        "accuracy": [float(right[place == bin_].mean()) for bin_ in range(15)],
        "count": [int((place == bin_).sum()) for bin_ in range(15)],
    }
    # torchmetrics turns p < 0.5 into 1 - p of the other class; scores above one half keep both the same.
    high = sure > 7.5 / 15
    witness = binary_calibration_error(torch.tensor(sure[high]), torch.tensor(right[high]).int(), n_bins=15)
    bins_high = {
        "confidence": [float(sure[high & (place == bin_)].mean()) for bin_ in range(7, 15)],
        "accuracy": [float(right[high & (place == bin_)].mean()) for bin_ in range(7, 15)],
        "count": [int((high & (place == bin_)).sum()) for bin_ in range(7, 15)],
    }
    (chart,) = calibrations({"": bins_high}, {})
    assert chart.note == f"ECE {float(witness):.3f}"
    (stated,) = calibrations({"@expert": bins}, {"test/ece@expert": 0.25})
    assert (stated.title, stated.note) == ("vs expert", "ECE 0.250")


def test_images_are_listed_from_worst_to_best() -> None:
    images = pd.DataFrame({"id": ["a", "b", "c"], "dice": [0.9, math.nan, 0.2], "dice@clean@post": [0.3, 0.2, 0.1]})
    images["hd95/lung"] = 1.0  # a class's, which would make the table endless
    table = image_table(images)
    assert table.header == ["image", "Dice", "Dice vs clean, post-processed"]
    assert [row[0] for row in table.rows] == ["c", "a", "b"]
    assert table.rows[2][1] == "n/a"
    many = image_table(pd.DataFrame({"id": [str(n) for n in range(230)], "dice": np.linspace(0, 1, 230)}))
    assert (len(many.rows), many.left_out) == (200, 30)


def test_spreads_say_the_quartiles() -> None:
    images = pd.DataFrame({"id": list("abcde"), "dice": [0.1, 0.2, 0.3, 0.4, math.nan], "hd95": [math.nan] * 5})
    (chart,) = spreads(images)
    assert chart.note == "vs given label: median 0.250, middle half 0.175 to 0.325, 4 images"


def test_draws_in_words() -> None:
    chart = drawn(pd.DataFrame({"id": ["a", "b", "c"], "draws": [0, 4, 7]}))
    assert chart.note == "3 training samples, 11 draws; 1 was never drawn, one 7 times."


def test_curves_are_sorted_into_charts() -> None:
    history = pd.DataFrame(
        {
            "epoch": [0, 0, 1, 1], "step": [4, 9, 14, 19],
            "train/loss": [1.0, math.inf, 0.6, 0.5], "val/loss": [math.nan, 0.9, math.nan, 0.8],
            "val/dice": [math.nan, 0.3, math.nan, 0.4], "val/dice@clean": [math.nan, 0.5, math.nan, 0.6],
            "val/hd95": [math.nan, 30.0, math.nan, 20.0], "val/dice/background": 0.9, "val/dice/a": 0.5,
            "val/dice/b": 0.4, "lr-AdamW/encoder": 1e-4, "train/never": math.nan,
        }
    )  # fmt: skip
    found = {chart.title: chart for chart in charts(history, ["background", "a", "b"], best=1)}
    assert list(found) == ["Loss", "Validation scores", "Validation Dice by class", "Learning rate"]
    assert [key.label for key in found["Loss"].legend] == ["training", "validation"]
    assert [key.label for key in found["Validation scores"].legend] == ["Dice", "Dice vs clean"]
    assert [key.label for key in found["Validation Dice by class"].legend] == ["a", "b"]
    assert charts(pd.DataFrame(), [], None) == []
    terms = history.assign(**{"train/loss_supervised": 0.3})
    assert [key.label for key in charts(terms, [])[0].legend] == ["training", "validation"]
    terms["train/loss_consistency"] = 0.1
    labels = ["training", "validation", "training, supervised", "training, consistency"]
    assert [key.label for key in charts(terms, [])[0].legend] == labels
    assert charts(history[["epoch", "step"]], [], None) == []


def test_of_many_classes_the_lowest_curves_are_drawn() -> None:
    names = [f"class {n}" for n in range(30)]
    history = pd.DataFrame({"epoch": [0], "step": [1]} | {f"val/dice/{n}": [1 - k / 30] for k, n in enumerate(names)})
    (chart,) = charts(history, names)
    assert [key.label for key in chart.legend] == names[18:]
    assert chart.note == "the 12 lowest of 30 classes"


@pytest.mark.parametrize(
    ("started", "finished", "words"),
    [
        ("2026-01-01T00:00:00", "2026-01-01T00:00:41", "41 s"),
        ("2026-01-01T00:00:00+00:00", "2026-01-01T04:00:00+01:00", "3 h 0 min"),
        ("2026-01-01T00:00:00", None, ""),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00", ""),
        ("soon", "later", ""),
    ],
)
def test_durations(started: str, finished: str | None, words: str) -> None:
    assert duration(started, finished) == words
