"""A noise benchmark's table, plot and raw figures, made from the folders of its trainings."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from segtrain.errors import DataError
from segtrain.reports.compare import markdown
from segtrain.reports.forest import draw_forest
from segtrain.reports.recovered_gap import Gap, recovered_gap

__all__ = ["StudyFacts", "write_study"]

CONTROLS = ("oracle", "noisy", "clean_only", "mixed", "noisy_then_clean")


class StudyFacts(NamedTuple):
    """What a study is about."""

    name: str
    title: str
    truth: str
    """The reference that is scored against."""
    others: Sequence[str]
    """Further references that get a column."""
    overrides: Sequence[str]
    """What all arms have in common."""


class Arm(NamedTuple):
    """What was measured of one arm; tables are (seeds, images), the mean of the last epochs."""

    name: str
    seeds: list[int]
    dice: np.ndarray
    columns: dict[str, np.ndarray]
    """Further scores, (seeds,)."""
    labels: tuple[float, float] | None
    """Dice of the noisy training labels with the truth, as given and as rewritten."""
    seconds: float
    """Of the processor, in the training's last process."""
    overrides: list[str]


def write_study(runs: Path, output: Path, facts: StudyFacts) -> str:
    """Write `<study>.md`, `.svg` and `.json` into a folder; give the Markdown table.

    Args:
        runs: folder of the trainings, `<arm>/seed<number>`.
        output: where to.
        facts: what the study is about.

    Raises:
        DataError: the noisy baseline, which all are compared with, is missing.
    """
    arms = [arm for folder in sorted(runs.glob("*")) if folder.is_dir() and (arm := _read(folder, facts)) is not None]
    if "noisy" not in [arm.name for arm in arms]:
        raise DataError(f"{runs} has no finished training of the noisy baseline, which every arm is compared with.")
    gaps = recovered_gap({arm.name: arm.dice for arm in arms})
    controls = [arm for name in CONTROLS for arm in arms if arm.name == name]
    others = sorted((arm for arm in arms if arm.name not in CONTROLS), key=lambda arm: -arm.dice.mean())
    table = _table([*controls, *others], gaps, facts)
    output.mkdir(parents=True, exist_ok=True)
    (output / f"{facts.name}.json").write_text(json.dumps(_raw(facts, arms), indent=1) + "\n")
    rows = [(arm.name, arm.dice.mean(axis=1)) for arm in (*controls, *others)]
    marked = [name for name in ("noisy", "oracle", "clean_only") if name in gaps]
    draw_forest(rows, marked, f"Dice with {facts.truth}, mean over the test images", output / f"{facts.name}.svg")
    (output / f"{facts.name}.md").write_text(_page(facts, table))
    return table


def _read(folder: Path, facts: StudyFacts) -> Arm | None:
    """Read an arm's finished trainings."""
    jobs = [json.loads(file.read_text()) for file in sorted(folder.glob("seed*.json"))]
    if not jobs:
        return None
    scores = [_final(folder / f"seed{job['seed']}") for job in jobs]
    quality = [folder / f"seed{job['seed']}" / "label_quality.json" for job in jobs]
    names = [f"iou@{facts.truth}", f"boundary_f1@{facts.truth}", "dice", *(f"dice@{name}" for name in facts.others)]
    return Arm(
        folder.name,
        [job["seed"] for job in jobs],
        np.stack([score[f"dice@{facts.truth}"] for score in scores]),
        {name: np.array([score[name].mean() for score in scores]) for name in names if name in scores[0]},
        _labels([json.loads(file.read_text()) for file in quality if file.exists()]),
        float(np.mean([job.get("cpu_seconds", np.nan) for job in jobs])),
        jobs[0]["overrides"],
    )


def _final(run: Path) -> pd.DataFrame:
    """Give each test image's scores, the mean of the last epochs."""
    epochs = [pd.read_csv(file).set_index("id") for file in sorted(run.glob("final/*/images.csv"))]
    return sum(epochs[1:], epochs[0]) / len(epochs)


def _labels(qualities: list[dict[str, Any]]) -> tuple[float, float] | None:
    rewritten = [quality for quality in qualities if "after" in quality]
    if not rewritten:
        return None
    before, after = (float(np.mean([quality[when]["dice"] for quality in rewritten])) for when in ("before", "after"))
    return before, after


def _table(arms: Sequence[Arm], gaps: dict[str, Gap], facts: StudyFacts) -> str:
    noisy = next(arm.seconds for arm in arms if arm.name == "noisy")
    with_gap = any(gap.recovered is not None for gap in gaps.values())
    extra = [name for name in arms[0].columns if name != "dice"]
    head = ["arm", "seeds", f"Dice@{facts.truth}", "gain over noisy [95 %]"]
    head += [*(["recovered gap [95 %]"] if with_gap else []), "beats clean only", *extra, "labels' Dice", "CPU time"]
    lines = [head]
    for arm in arms:
        gap = gaps[arm.name]
        gain = gap.gain
        row = [arm.name, str(len(arm.seeds)), _spread(arm.dice.mean(axis=1))]
        row.append("0" if arm.name == "noisy" else f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]")
        row += [str(gap.recovered) if gap.recovered and arm.name not in ("noisy", "oracle") else ""] if with_gap else []
        row.append(_beats(gap) if arm.name != "clean_only" else "")
        row += [_spread(arm.columns[name]) for name in extra]
        row.append("" if arm.labels is None else f"{arm.labels[0]:.3f} to {arm.labels[1]:.3f}")
        row.append("" if np.isnan(arm.seconds / noisy) else f"{arm.seconds / noisy:.2f}")
        lines.append(row)
    return markdown(lines)


def _spread(values: np.ndarray) -> str:
    spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{spread}"


def _beats(gap: Gap) -> str:
    """Say "yes" and "no" only where the interval leaves no doubt."""
    if gap.over_clean is None:
        return ""
    value, low, high = gap.over_clean
    word = "yes" if low > 0 else "no" if high < 0 else "open"
    return f"{word} ({value:+.3f})"


def _page(facts: StudyFacts, table: str) -> str:
    common = " ".join(f"'{text}'" if set(text) & set("[]{}") else text for text in facts.overrides)
    return f"# {facts.title}\n\n![Dice of every arm]({facts.name}.svg)\n\n{table}\n\nAll arms share: `{common}`\n"


def _raw(facts: StudyFacts, arms: Sequence[Arm]) -> dict[str, Any]:
    return {
        "study": facts.name,
        "title": facts.title,
        "truth": facts.truth,
        "arms": {
            arm.name: {
                "overrides": arm.overrides,
                "cpu_seconds": round(arm.seconds, 1) if np.isfinite(arm.seconds) else None,
                "labels": arm.labels,
                "seeds": arm.seeds,
                "dice_of_each_image": np.round(arm.dice, 4).tolist(),
                "means": {name: np.round(values, 4).tolist() for name, values in arm.columns.items()},
            }
            for arm in arms
        },
    }
