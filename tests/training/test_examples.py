"""The images that a report shows: worst, best, and what post-processing did most to."""

import json
from pathlib import Path

import numpy as np
import torch

from segtrain.training.examples import Examples
from segtrain.training.prediction import Prediction

MASK = np.zeros((8, 8), np.uint8)


def written(folder: Path, rows: dict[str, tuple[float, float]], refined: bool = True) -> dict[str, list[str]]:
    """Offer images with their Dice before and after, and give the names that were kept of each kind, in order."""
    examples = Examples(overlapping=False, keep=2)
    for name, (before, after) in rows.items():
        prediction = Prediction(name, np.zeros((8, 8, 1), np.uint8), MASK, {}, torch.zeros(2, 8, 8))
        row = {"image_dice": before, "image_dice@post": after}
        examples.offer(prediction, MASK, MASK if refined else None, row)
    folder.mkdir()
    examples.write(folder)
    kept: dict[str, list[str]] = {}
    for entry in json.loads((folder / "examples.json").read_text())["examples"]:
        kept.setdefault(entry["kind"], []).append(entry["id"])
        assert (folder / entry["folder"] / "post.png").exists() == refined
        assert entry["dice"] == rows[entry["id"]][0]
    return kept


def test_each_kind_keeps_the_most_telling(tmp_path: Path) -> None:
    rows = {
        "a": (0.5, 0.6), "b": (0.9, 0.9), "c": (0.3, 0.2), "d": (0.7, 0.9), "e": (0.6, 0.65), "f": (0.8, 0.4),
        "unknown": (np.nan, 0.5), "lost": (0.4, np.nan),
    }  # fmt: skip
    kept = written(tmp_path / "post", rows)
    assert kept == {"worst": ["c", "lost"], "best": ["b", "f"], "helped": ["d", "a"], "harmed": ["f", "c"]}
    assert written(tmp_path / "raw", rows, refined=False).keys() == {"worst", "best"}
