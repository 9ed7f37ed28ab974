"""A noise benchmark's table, plot and raw figures, made from the records of its trainings."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from segtrain.errors import DataError
from segtrain.reports.compare import markdown
from segtrain.reports.forest import draw_forest
from segtrain.reports.records import Record, write_records
from segtrain.reports.recovered_gap import Gap, recovered_gap

__all__ = ["CONTROLS", "Arm", "StudyFacts", "arms_of", "spread", "write_study"]

CONTROLS = ("oracle", "noisy", "clean_only", "mixed", "noisy_then_clean")


class StudyFacts(NamedTuple):
    """What a study is about."""

    name: str
    title: str
    truth: str
    """The reference that is scored against."""
    others: Sequence[str]
    """Further references that get a column."""
    classes: Sequence[str]
    """Classes that get a column of their own."""


class Arm(NamedTuple):
    """What was measured of one arm, over its seeds."""

    name: str
    records: list[Record]

    @property
    def dice(self) -> np.ndarray:
        """(seeds, images)"""
        return np.array([record.dice for record in self.records], float)

    @property
    def by_seed(self) -> dict[int, np.ndarray]:
        """Seed -> (images,)"""
        return {record.seed: np.array(record.dice, float) for record in self.records}

    @property
    def seconds(self) -> float:
        return float(np.mean([np.nan if r.cpu_seconds is None else r.cpu_seconds for r in self.records]))

    @property
    def labels(self) -> tuple[float, float] | None:
        """Dice of the noisy labels before and after."""
        known = [record.labels for record in self.records if record.labels is not None]
        return (float(np.mean([k[0] for k in known])), float(np.mean([k[1] for k in known]))) if known else None

    def means(self, name: str) -> np.ndarray:
        """(seeds,)"""
        return np.array([record.means[name] for record in self.records])


def arms_of(records: Iterable[Record]) -> dict[str, Arm]:
    """Sort records by their arm, controls first, then the best first."""
    arms: dict[str, Arm] = {}
    for record in sorted(records, key=lambda record: record.key):
        arms.setdefault(record.arm, Arm(record.arm, [])).records.append(record)
    others = sorted((name for name in arms if name not in CONTROLS), key=lambda name: -np.nanmean(arms[name].dice))
    return {name: arms[name] for name in (*CONTROLS, *others) if name in arms}


def write_study(records: Sequence[Record], output: Path, facts: StudyFacts) -> str:
    """Write `<study>.md`, `.svg` and `.json` into a folder; give the Markdown table.

    Args:
        records: of all finished trainings.
        output: where to.
        facts: what the study is about.

    Raises:
        DataError: the noisy baseline, which all are compared with, is missing, or one of its seeds; or no class has a
            name that was given.
    """
    arms = arms_of(records)
    if "noisy" not in arms:
        raise DataError(
            f"{facts.name} has no finished training of the noisy baseline, which every arm is compared with."
        )
    if alone := [record for record in records if record.seed not in arms["noisy"].by_seed]:
        raise DataError(
            f"{facts.name} has no finished training of the noisy baseline with seed {alone[0].seed}, which "
            f"{alone[0].arm} with that seed is compared with: train noisy with it, too."
        )
    for name in facts.classes:
        if any(_dice_of(name, facts) not in record.means for record in records):
            raise DataError(f"{facts.name} has no scores of a class '{name}', which its table is to tell.")
    gaps = recovered_gap({name: arm.by_seed for name, arm in arms.items()})
    table = _table(list(arms.values()), gaps, facts)
    output.mkdir(parents=True, exist_ok=True)
    about = {"study": facts.name, "title": facts.title, "truth": facts.truth}
    write_records(output / f"{facts.name}.json", about, records)
    label = f"Dice with {facts.truth}" + (", all classes" if facts.classes else ", mean over the test images")
    panels = {label: {name: np.nanmean(arm.dice, axis=1) for name, arm in arms.items()}}
    panels |= {of: {name: arm.means(_dice_of(of, facts)) for name, arm in arms.items()} for of in facts.classes}
    marked = [name for name in ("noisy", "oracle", "clean_only") if name in gaps]
    draw_forest(panels, marked, output / f"{facts.name}.svg")
    (output / f"{facts.name}.md").write_text(_page(facts, arms, table))
    return table


def _dice_of(name: str, facts: StudyFacts) -> str:
    """Name the score of one class."""
    return f"dice/{name}@{facts.truth}"


def _table(arms: Sequence[Arm], gaps: dict[str, Gap], facts: StudyFacts) -> str:
    noisy = next(arm.seconds for arm in arms if arm.name == "noisy")
    columns = {name: name for name in (f"iou@{facts.truth}", f"boundary_f1@{facts.truth}")}
    columns |= {f"dice@{name}": f"Dice@{name}" for name in facts.others}
    columns = {_dice_of(name, facts): f"Dice {name}" for name in facts.classes} | columns
    head = ["arm", "seeds", f"Dice@{facts.truth}", "gain over noisy [95 %]", "recovered gap [95 %]"]
    lines = [[*head, "beats clean only", *columns.values(), "labels' Dice", "CPU time"]]
    for arm in arms:
        gap = gaps[arm.name]
        gain = gap.gain
        row = [arm.name, str(len(arm.records)), spread(np.nanmean(arm.dice, axis=1))]
        row.append("0" if arm.name == "noisy" else f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]")
        row.append(str(gap.recovered) if gap.recovered and arm.name not in ("noisy", "oracle") else "")
        row.append(_beats(gap) if arm.name != "clean_only" else "")
        row += [spread(arm.means(name)) for name in columns]
        row.append("" if arm.labels is None else f"{arm.labels[0]:.3f} to {arm.labels[1]:.3f}")
        row.append("" if np.isnan(arm.seconds / noisy) else f"{arm.seconds / noisy:.2f}")
        lines.append(row)
    told = [place for place in range(len(lines[0])) if any(line[place] for line in lines[1:])]
    return markdown([[line[place] for place in told] for line in lines])


def spread(values: np.ndarray) -> str:
    """Write mean and standard deviation over seeds, or the one value."""
    spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{spread}"


def _beats(gap: Gap) -> str:
    """Say "yes" and "no" only where the interval leaves no doubt."""
    if gap.over_clean is None:
        return ""
    value, low, high = gap.over_clean
    word = "yes" if low > 0 else "no" if high < 0 else "open"
    return f"{word} ({value:+.3f})"


def _page(facts: StudyFacts, arms: dict[str, Arm], table: str) -> str:
    """Give the page: picture, table, and how to repeat each training."""
    settings = {name: arm.records[0].settings for name, arm in arms.items()}
    shared = [text for text in settings["noisy"] if all(text in own for own in settings.values())]
    parts = [f"# {facts.title}", f"![Dice of every arm]({facts.name}.svg)", table]
    parts.append(f"All arms share: `{_quoted(shared)}`")
    differ = {name: [text for text in own if text not in shared] for name, own in settings.items()}
    parts.append("\n".join(f"- {name}: `{_quoted(own)}`" for name, own in differ.items() if own))
    return "\n\n".join(part for part in parts if part) + "\n"


def _quoted(overrides: Sequence[str]) -> str:
    """Write overrides as a shell takes them."""
    return " ".join(f"'{text}'" if set(text) & set("[]{}") else text for text in overrides)
