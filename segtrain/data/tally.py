"""The statistics of a split, gathered sample by sample; a few numbers are kept of each, no pixels."""

from collections import Counter
from typing import Any

import numpy as np

from segtrain.data.examine import Finding
from segtrain.data.source import Source

__all__ = ["Tally"]


class Tally:
    """What a split holds.

    Args:
        source: the split.
        classes: names.
    """

    def __init__(self, source: Source, classes: list[str]) -> None:
        self.source = source
        self.classes = classes
        self.sizes: dict[int, tuple[int, int]] = {}
        """Index -> (H, W)."""
        self.forms: Counter[str] = Counter()
        self.pixels = np.zeros(len(classes) + 1, np.int64)
        self.images_with = np.zeros(len(classes), np.int64)
        self.area = 0
        self.agreement: dict[str, dict[int, float]] = {}
        """Reference -> index -> Dice of the label with it."""
        self.mutual: dict[str, list[float]] = {}
        """Annotator -> mean Dice of each mask with those of the others."""
        self.annotators: dict[str, list[int]] = {}
        """Annotator -> the indices of the samples."""

    def add(self, finding: Finding) -> None:
        """Take in a sample."""
        if finding.annotator:
            self.annotators.setdefault(finding.annotator, []).append(finding.index)
        if finding.shape:
            height, width, channels = finding.shape
            self.sizes[finding.index] = (height, width)
            self.forms[f"{finding.dtype} x {channels}"] += 1
        if finding.pixels is not None:
            self.pixels += finding.pixels
            self.images_with += finding.pixels[:-1] > 0
            self.area += height * width
        for name, dice in finding.agreement.items():
            if not np.isnan(dice):
                self.agreement.setdefault(name, {})[finding.index] = dice
        for name, dice in finding.mutual.items():
            self.mutual.setdefault(name, []).append(dice)

    def summary(self) -> dict[str, Any]:
        """Give the statistics as plain values, fit for JSON."""
        samples = self.source.samples
        heights, widths = zip(*self.sizes.values(), strict=True) if self.sizes else ((), ())
        shares = self.pixels / max(1, self.area)
        return {
            "samples": len(self.source),
            "labelled": int(samples.labelled.sum()),
            "clean": int(samples.clean.sum()),
            "groups": len(set(samples.group[samples.group >= 0].tolist())),
            "height": _spread(heights),
            "width": _spread(widths),
            "read_as": dict(self.forms.most_common()),
            "pixel_share": dict(zip([*self.classes, "ignored"], shares.tolist(), strict=True)),
            "images_with": dict(zip(self.classes, self.images_with.tolist(), strict=True)),
            "annotators": {name: self._annotator(rows) for name, rows in sorted(self.annotators.items())},
            "agreement": {name: self._agreement(dice) for name, dice in self.agreement.items()},
            "annotations": {
                name: {"samples": len(dice), "mutual": float(np.mean(dice))}
                for name, dice in sorted(self.mutual.items())
            },
        }

    def worst(self, count: int) -> list[int]:
        """Give the samples whose label agrees least with a reference, the worst first."""
        least: dict[int, float] = {}
        for dice in self.agreement.values():
            for index, value in dice.items():
                least[index] = min(value, least.get(index, 1.0))
        return sorted(least, key=lambda index: least[index])[:count]

    def smallest(self, count: int) -> list[int]:
        """Give the samples with the smallest images, the smallest first."""
        return sorted(self.sizes, key=lambda index: self.sizes[index][0] * self.sizes[index][1])[:count]

    def _annotator(self, rows: list[int]) -> dict[str, Any]:
        found = {name: [dice[index] for index in rows if index in dice] for name, dice in self.agreement.items()}
        return {
            "samples": len(rows),
            "agreement": {name: float(np.mean(values)) for name, values in found.items() if values},
        }

    def _agreement(self, dice: dict[int, float]) -> dict[str, Any]:
        values = np.array(list(dice.values()))
        lowest = sorted(dice, key=lambda index: dice[index])[:5]
        return {
            "samples": len(values),
            "mean": float(values.mean()),
            "median": float(np.median(values)),
            "below_0.8": float((values < 0.8).mean()),
            "lowest": {self.source.ids[index]: dice[index] for index in lowest},
        }


def _spread(values: tuple[int, ...]) -> dict[str, float]:
    return {"min": min(values), "median": float(np.median(values)), "max": max(values)} if values else {}
