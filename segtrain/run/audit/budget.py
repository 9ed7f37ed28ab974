"""What more clean labels are worth: a learning curve over those there are, each point a training of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from omegaconf import DictConfig, OmegaConf

from segtrain.data.examine import agreement
from segtrain.data.held_out import HeldOut
from segtrain.data.source import Source
from segtrain.errors import ConfigError
from segtrain.picture import BACKGROUND
from segtrain.run.audit.folds import train_without
from segtrain.run.audit.looks import Eyes
from segtrain.run.restore import restore
from segtrain.run.weights import find_checkpoint
from segtrain.types import CLASS_AXIS

__all__ = ["FEWEST", "Curve", "check_budget", "learning_curve"]

FEWEST = 4
"""Clean labels that a curve is scored with."""
MORE = (10, 25, 50)
"""Further clean labels of which the worth is told."""


class Curve(NamedTuple):
    """Scores of the run's recipe, trained with fewer clean samples."""

    counts: np.ndarray
    """(P,) clean samples that stayed, increasing."""
    dice: np.ndarray
    """(P, M) Dice of each clean sample that no training had."""
    available: int
    """Clean samples that there are."""

    def expected(self, count: int) -> float:
        """Give the mean Dice to expect with so many clean samples.

        The error 1 - Dice falls as a power of their number (Hestness et al. 2017), fitted to the curve by least squares
        in the logarithms; it never rises.
        """
        logs = np.log(np.maximum(1 - self.dice.mean(axis=1), 1e-6))
        slope, level = np.polyfit(np.log(self.counts), logs, 1)
        if slope > 0:
            slope, level = 0.0, logs.mean()
        return float(1 - np.exp(level + slope * np.log(count)))

    def as_dict(self) -> dict[str, Any]:
        """Give plain numbers, for a file: the points, and what more are expected to be worth."""
        points = [
            {"clean": int(count), "dice": float(row.mean()), "error": float(row.std(ddof=1) / np.sqrt(len(row)))}
            for count, row in zip(self.counts, self.dice, strict=True)
        ]
        further = [self.available, *(self.available + more for more in MORE)]
        expected = [{"clean": count, "dice": self.expected(count)} for count in further]
        return {"points": points, "scored_with": self.dice.shape[1], "expected": expected}

    def sentences(self) -> list[str]:
        """Say it."""
        now = self.expected(self.available)
        told = ", ".join(f"{more} more about {self.expected(self.available + more) - now:+.3f}" for more in MORE)
        return [
            f"{self.available} clean labels give a Dice of about {now:.3f}; of those to relabel next (images.csv, from "
            f"the top) {told}. A rough guide: {len(self.counts)} trainings, scored with {self.dice.shape[1]} images."
        ]


def check_budget(budget: Sequence[int], source: Source) -> None:
    """Raise a ConfigError unless the curve can be had."""
    if not budget:
        return
    clean = int(source.samples.clean.sum())
    if len(set(budget)) < 2 or min(budget) < 1:
        raise ConfigError(f"budget={list(budget)}: at least two different numbers of clean samples, each 1 or more.")
    if clean < max(budget) + FEWEST:
        raise ConfigError(
            f"budget={list(budget)}: the training split has {clean} clean samples, of which {FEWEST} have to be left "
            "to score with. Clean samples come by data.clean or trusted."
        )


def learning_curve(cfg: DictConfig, run_cfg: DictConfig, source: Source, folder: Path) -> Curve:
    """Train with each number of clean samples of `cfg.budget`, and score what none of these trainings had.

    Args:
        cfg: of the audit.
        run_cfg: of the run.
        source: the training split.
        folder: where the trainings go.
    """
    counts = sorted(set(cfg.budget))
    rows = HeldOut(clean=max(counts)).order(source.samples)[max(counts) :].tolist()
    return Curve(
        np.array(counts),
        np.array(
            [
                _dice(cfg, train_without(run_cfg, folder, {"clean": count}, f"{count} clean labels"), source, rows)
                for count in counts
            ]
        ),
        int(source.samples.clean.sum()),
    )


def _dice(cfg: DictConfig, place: Path, source: Source, rows: Sequence[int]) -> list[float]:
    """Give the Dice of each of some samples with its label, (M,)."""
    checkpoint = find_checkpoint(str(place), None)[1]
    restored = restore(OmegaConf.merge(cfg, {"run": str(place), "ckpt_path": str(checkpoint)}))  # type: ignore[arg-type]
    eyes = Eyes(restored, [checkpoint], frozenset(), cfg.passes, cfg.layer)
    classes = restored.plan.data.classes
    shown = [number for number, name in enumerate(classes) if name != BACKGROUND]
    return [
        agreement(look.label, look.probs.argmax(axis=CLASS_AXIS).astype(np.uint8), len(classes), shown)
        for _, look in eyes.looks(source, sorted(rows), np.zeros(len(source), int))
    ]
