"""The best and the worst predictions of a test, kept small, for the report."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from segtrain.picture import visible
from segtrain.training.prediction import Prediction
from segtrain.types import IGNORE

__all__ = ["Examples", "pictures_of", "write_pictures"]

MAX_SIDE = 256


class _Example(NamedTuple):
    rank: float
    """The lower, the sooner it is kept."""
    dice: float
    id: str
    pictures: dict[str, np.ndarray]


class Examples:
    """Keep the `keep` worst and best images by Dice against the given label, and those that post-processing has helped
    and harmed most; memory does not grow with the split."""

    def __init__(self, overlapping: bool, keep: int = 6) -> None:
        self.overlapping = overlapping
        self.keep = keep
        self.kept: dict[str, list[_Example]] = {"worst": [], "best": [], "helped": [], "harmed": []}

    def offer(
        self, prediction: Prediction, predicted: np.ndarray, refined: np.ndarray | None, row: dict[str, Any]
    ) -> None:
        """Take an image in if it is among the best or the worst; masks (H, W) or (K, H, W) uint8."""
        dice = row["image_dice"]
        if np.isnan(dice):
            return
        ranks = {"worst": dice, "best": -dice}
        gain = 0.0 if refined is None else row["image_dice@post"] - dice
        if gain:
            ranks["helped" if gain > 0 else "harmed"] = -abs(gain)
        due = [kind for kind, rank in ranks.items() if self._takes(kind, rank)]
        if not due:
            return
        masks = {"given": prediction.label, **prediction.references, "prediction": predicted}
        if refined is not None:
            masks["post"] = refined
        pictures = pictures_of(prediction.image, masks, self.overlapping)
        for kind in due:
            listed = [*self.kept[kind], _Example(ranks[kind], dice, prediction.id, pictures)]
            self.kept[kind] = sorted(listed, key=lambda example: example.rank)[: self.keep]

    def _takes(self, kind: str, rank: float) -> bool:
        return not np.isnan(rank) and (len(self.kept[kind]) < self.keep or rank < self.kept[kind][-1].rank)

    def write(self, folder: Path) -> None:
        """Write `examples/<kind>/<id>/<picture>.png` and `examples.json`."""
        listed = []
        for kind, examples in self.kept.items():
            for example in examples:
                place = folder / "examples" / kind / example.id
                write_pictures(place, example.pictures)
                relative = str(place.relative_to(folder))
                listed.append({"id": example.id, "kind": kind, "dice": float(example.dice), "folder": relative})
        (folder / "examples.json").write_text(json.dumps({"overlapping": self.overlapping, "examples": listed}))


def pictures_of(image: np.ndarray, masks: dict[str, np.ndarray], overlapping: bool) -> dict[str, np.ndarray]:
    """Give an image (H, W, D) and its masks, by name, as small pictures for a report."""
    shown = {"image": _small(visible(image)[..., ::-1], cv2.INTER_AREA)}
    return shown | {name: _small(_flat(mask, overlapping), cv2.INTER_NEAREST) for name, mask in masks.items()}


def write_pictures(folder: Path, pictures: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / f"{name}.png"), picture)


def _flat(mask: np.ndarray, overlapping: bool) -> np.ndarray:
    """Give one plane: class numbers, or for overlapping classes a bit for each."""
    if not overlapping:
        return mask
    bits = sum((plane == 1).astype(np.uint8) << k for k, plane in enumerate(mask[:7]))
    return np.where((mask == IGNORE).all(axis=0), IGNORE, bits).astype(np.uint8)


def _small(picture: np.ndarray, interpolation: int) -> np.ndarray:
    scale = MAX_SIDE / max(picture.shape[:2])
    if scale >= 1:
        return np.ascontiguousarray(picture)
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return cv2.resize(np.ascontiguousarray(picture), size, interpolation=interpolation)
