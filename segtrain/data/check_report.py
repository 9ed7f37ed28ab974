"""What a look at every file of a data set brought to light, as text and as JSON."""

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from segtrain.data.examine import Finding
from segtrain.data.tally import Tally
from segtrain.data.twins import Seen

__all__ = ["CheckReport", "Fault"]

_SHOWN = 5


class Fault(NamedTuple):
    """Something that must be mended before training."""

    split: str
    id: str
    fault: str


@dataclass(kw_only=True)
class CheckReport:
    """Faults, what is unusual, and statistics of each split."""

    classes: list[str]
    overlapping: bool
    faults: list[Fault] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)
    """What is unusual, in the plural -> "split/id" of each such sample."""
    tallies: dict[str, Tally] = field(default_factory=dict)
    near_twins: list[tuple[float, Seen, Seen]] = field(default_factory=list)

    def add(self, split: str, finding: Finding) -> None:
        """Take in a sample."""
        self.faults += [Fault(split, finding.id, fault) for fault in finding.faults]
        for note in finding.notes:
            self.notes.setdefault(note, []).append(f"{split}/{finding.id}")
        self.tallies[split].add(finding)

    def add_twin(self, first: Seen, split: str, finding: Finding) -> None:
        """Take in two images that are the same: a fault across splits, else unusual."""
        if first.split == split:
            self.notes.setdefault("images that another of their split equals", []).append(f"{split}/{finding.id}")
            return
        same = f"{finding.file} and {first.file} ({first.split}) have the same pixels: keep one, or one side"
        self.faults.append(Fault(split, finding.id, same))

    def finish(self) -> None:
        """Add what only whole splits show."""
        for correlation, first, second in self.near_twins:
            self.notes.setdefault("images nearly equal to one of another split", []).append(
                f"{second.split}/{second.id} ~ {first.split}/{first.id} ({correlation:.3f})"
            )
        for split, tally in self.tallies.items():
            for name, images in zip(self.classes, tally.images_with, strict=True):
                if not images and tally.pixels.any():
                    self.notes.setdefault("classes without a pixel in a split", []).append(f"{split}/{name}")

    @property
    def ok(self) -> bool:
        """No fault was found."""
        return not self.faults

    def to_json(self) -> str:
        """Give all of it as JSON."""
        return json.dumps(
            {
                "faults": [fault._asdict() for fault in self.faults],
                "unusual": self.notes,
                "classes": self.classes,
                "splits": self.summaries(),
            },
            indent=2,
            ensure_ascii=False,
        )

    def summaries(self) -> dict[str, Any]:
        """Give the statistics of each split."""
        return {split: tally.summary() for split, tally in self.tallies.items()}

    def to_text(self) -> str:
        """Give all faults, and the rest in a few tables."""
        summaries = self.summaries()
        parts = [_sizes(summaries), _classes(summaries, self.classes), _agreement(summaries), _annotators(summaries)]
        parts.append(_annotations(summaries))
        if self.notes:
            parts.append("\n".join(["Unusual:", *(_note(kind, samples) for kind, samples in self.notes.items())]))
        if self.faults:
            lines = [f"  {split}/{name}: {fault}" for split, name, fault in self.faults]
            parts.append("\n".join([f"Faults ({len(self.faults)}):", *lines]))
        else:
            parts.append("No faults.")
        return "\n\n".join(part for part in parts if part)


def _sizes(summaries: dict[str, Any]) -> str:
    rows = [["split", "samples", "labelled", "clean", "groups", "height", "width", "read as"]]
    for split, found in summaries.items():
        forms = ", ".join(f"{form} ({count})" for form, count in found["read_as"].items())
        counts = [str(found[key]) for key in ("samples", "labelled", "clean", "groups")]
        rows.append([split, *counts, _range(found["height"]), _range(found["width"]), forms])
    return "Images (height and width: smallest / median / largest)\n" + _table(rows)


def _classes(summaries: dict[str, Any], classes: list[str]) -> str:
    rows = [["class", *(f"{split} {what}" for split in summaries for what in ("pixels", "images"))]]
    ignored = any(found["pixel_share"]["ignored"] for found in summaries.values())
    for name in [*classes, *(["ignored"] if ignored else [])]:
        cells = []
        for found in summaries.values():
            cells += [f"{found['pixel_share'][name]:.2%}", str(found["images_with"].get(name, ""))]
        rows.append([name, *cells])
    return "Classes (share of all pixels, images that have them)\n" + _table(rows)


def _agreement(summaries: dict[str, Any]) -> str:
    rows = [["split", "reference", "samples", "mean", "median", "below 0.8", "lowest"]]
    for split, found in summaries.items():
        for name, dice in found["agreement"].items():
            lowest = ", ".join(f"{sample} {value:.2f}" for sample, value in list(dice["lowest"].items())[:3])
            share = f"{dice['below_0.8']:.1%}"
            rows.append(
                [split, name, str(dice["samples"]), f"{dice['mean']:.3f}", f"{dice['median']:.3f}", share, lowest]
            )
    return "Agreement of the given label with each reference (Dice)\n" + _table(rows) if len(rows) > 1 else ""


def _annotators(summaries: dict[str, Any]) -> str:
    references = sorted({name for found in summaries.values() for name in found["agreement"]})
    rows = [["annotator", "split", "samples", *(f"Dice with {name}" for name in references)]]
    for split, found in summaries.items():
        for who, counts in found["annotators"].items():
            dice = [counts["agreement"].get(name) for name in references]
            rows.append(
                [who, split, str(counts["samples"]), *("" if value is None else f"{value:.3f}" for value in dice)]
            )
    return "Annotators\n" + _table(rows) if len(rows) > 1 else ""


def _annotations(summaries: dict[str, Any]) -> str:
    rows = [["annotator", "split", "samples", "Dice with the others"]]
    for split, found in summaries.items():
        for who, counts in found["annotations"].items():
            rows.append([who, split, str(counts["samples"]), f"{counts['mutual']:.3f}"])
    return "Masks of the same images by several annotators\n" + _table(rows) if len(rows) > 1 else ""


def _note(kind: str, samples: list[str]) -> str:
    more = f", and {len(samples) - _SHOWN} more" if len(samples) > _SHOWN else ""
    return f"  {len(samples)} {kind}: {', '.join(samples[:_SHOWN])}{more}"


def _range(spread: dict[str, float]) -> str:
    return " / ".join(f"{spread[key]:g}" for key in ("min", "median", "max")) if spread else ""


def _table(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(f"  {line}" for line in lines)
