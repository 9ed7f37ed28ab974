"""Runs side by side: mean and spread of their scores over seeds, best and worst alike."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml  # type: ignore[import-untyped]

from segtrain.errors import DataError

__all__ = ["compare", "markdown", "read_runs"]


def read_runs(folder: Path, by: Sequence[str], scores: Sequence[str]) -> pd.DataFrame:
    """Read the finished runs below a folder: one row each, with the settings `by` and the scores asked for.

    Args:
        folder: searched with all its subfolders.
        by: keys of the config, such as "noise" (the names of a group that stacks) or "model.encoder".
        scores: keys of metrics.json.

    Raises:
        DataError: there is no such run, or none has one of the scores.
    """
    rows = []
    for file in sorted(folder.rglob("metrics.json")):
        if not (file.parent / "config.yaml").exists():
            continue
        config = yaml.safe_load((file.parent / "config.yaml").read_text())
        metrics = json.loads(file.read_text())
        rows.append({key: _setting(config, key) for key in by} | {score: metrics.get(score) for score in scores})
    if not rows:
        raise DataError(f"There is no finished run in {folder}.")
    runs = pd.DataFrame(rows)
    missing = [score for score in scores if runs[score].isna().all()]
    if missing:
        raise DataError(f"No run in {folder} has the scores {', '.join(missing)}: see a run's metrics.json.")
    return runs


def _setting(config: dict[str, Any], key: str) -> str:
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, dict):  # a group: the names of its options, or what it builds
        target = value.get("_target_")
        return str(target).rpartition(".")[2] if target else " + ".join(value) or "none"
    return str(value)


def compare(runs: pd.DataFrame, by: Sequence[str], scores: Sequence[str]) -> str:
    """Give a Markdown table: a row for each setting, with the number of runs, and mean and standard deviation."""
    lines = [[*by, "runs", *scores]]
    for setting, group in runs.groupby(list(by), sort=False):
        spreads = [f" ± {group[score].std(ddof=1):.4f}" if len(group) > 1 else "" for score in scores]
        cells = [f"{group[score].mean():.4f}{spread}" for score, spread in zip(scores, spreads, strict=True)]
        lines.append([*map(str, setting), str(len(group)), *cells])
    return markdown(lines)


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Give a table whose first line is its head."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    rows.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(rows)
