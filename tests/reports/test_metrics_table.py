"""The table at the end of a run, on terminals wide and narrow."""

import io
import math

import pytest
from rich.console import Console

from segtrain.reports import metrics_table

CLASSES = ["background", "[red]cell[/red]", "\u80dd\u810f", "left/lung@2"]
METRICS = {
    f"test/{metric}{suffix}": value
    for suffix in ("", "@post", "@clean", "@clean@post", "@expert", "@expert@post")
    for metric, value in {
        "dice": 0.8412, "iou": 0.7512, "hd95": 11.42, "ece": 0.0512, **{f"dice/{name}": 0.6123 for name in CLASSES},
    }.items()
}  # fmt: skip


def printed(metrics: dict[str, object], width: int, encoding: str = "utf-8") -> list[str]:
    sink = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    console = Console(width=width, record=True, file=sink)
    console.print(metrics_table(metrics, CLASSES, width=width))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_wide_has_one_row_a_metric_and_one_a_class() -> None:
    lines = printed(METRICS, 100)
    (dice,) = [line for line in lines if line.split()[:1] == ["Dice"] and "class" not in line]
    assert dice.split()[1:] == ["0.841"] * 6
    header = " ".join(lines[:4]).split()
    assert [word for word in header if word in ("given", "clean", "expert")].count("clean") == 2
    assert header.count("post") == 3
    start = next(at for at, line in enumerate(lines) if "Dice by class" in line)
    rows = [line.split() for line in lines[start + 1 :] if line]
    assert [row[0] for row in rows] == CLASSES
    assert all(row[1:] == ["0.612"] * 6 for row in rows)


@pytest.mark.parametrize("width", [16, 20, 30, 40, 60, 72, 73, 80, 100, 200])
def test_no_number_is_cut_and_no_line_is_too_long(width: int) -> None:
    lines = printed(METRICS, width)
    text = " ".join(lines)
    assert "\u2026" not in text
    for number, count in {"0.841": 6, "0.751": 6, "11.4": 6, "0.051": 6, "0.612": 24}.items():
        assert text.split().count(number) == count
    assert max(map(len, lines)) <= width


def test_names_are_no_markup_and_undefined_scores_are_said() -> None:
    text = "\n".join(printed({"test/dice": math.nan, "test/dice/[red]cell[/red]": None, "test/iou": 0.5}, 80))
    assert "[red]cell[/red]" in text
    assert text.count("n/a") == 2


def test_of_many_classes_the_lowest_are_shown() -> None:
    metrics = {"test/dice": 0.5} | {f"test/dice/thing {n}": n / 150 for n in range(150)}
    lines = printed(metrics, 80)
    assert "the lowest 20 of 150" in " ".join(" ".join(lines).split())
    assert [line.split()[1] for line in lines if line.split()[:1] == ["thing"]] == [str(n) for n in range(20)]


def test_another_split_and_nothing_at_all() -> None:
    console = Console(width=80, record=True)
    console.print(metrics_table({"val/dice": 0.123, "test/dice": 0.9}, split="val", width=80))
    assert "0.123" in console.export_text()
    assert not "".join(printed({}, 40)).strip(" \u2500")


def test_an_old_terminal_without_unicode() -> None:
    assert any("0.841" in line for line in printed({"test/dice": 0.8412}, 40, encoding="ascii"))


def test_the_terminal_is_asked_for_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert len(metrics_table(METRICS, CLASSES).columns) == 2
    monkeypatch.setenv("COLUMNS", "120")
    assert len(metrics_table(METRICS, CLASSES).columns) == 7
