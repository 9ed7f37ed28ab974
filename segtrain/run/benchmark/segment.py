"""benchmark segment: classic segmenters against what people drew, and their speed beside other libraries'."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track

from segtrain.config import compose_config
from segtrain.config.compose import loader
from segtrain.config.overrides import jobs
from segtrain.data.read import read_image
from segtrain.errors import DataError
from segtrain.metrics import BoundaryMatches, boundary_matches, region_boundary, region_scores
from segtrain.reports.compare import markdown
from segtrain.run.benchmark.arms import chosen_arms
from segtrain.run.benchmark.segment_speed import segment_speed
from segtrain.run.build import make
from segtrain.run.segment import read_truths
from segtrain.run.status import write_atomically
from segtrain.types import Segmenter

__all__ = ["segment_quality"]

METRICS = ("covering", "rand", "variation", "boundary_f1")
TIMED = 3
"""Images on which mean shift is timed beside other libraries'."""
PUBLISHED = {
    "mean shift (EDISON)": ((0.54, 0.58), (0.79, 0.81), (1.85, 1.64)),
    "normalized cuts": ((0.45, 0.53), (0.78, 0.80), (2.23, 1.89)),
    "Felzenszwalb & Huttenlocher": ((0.52, 0.57), (0.80, 0.82), (2.21, 1.87)),
}
"""(ODS, OIS) of covering, Rand index and variation of information on all 200 test images (Arbelaez et al. 2011)."""


class Scene(NamedTuple):
    """An image and what people drew in it."""

    image: np.ndarray
    truths: list[np.ndarray]
    boundaries: list[np.ndarray]


class Arm(NamedTuple):
    """A segmenter with each setting that is tried out, S of them, on N images."""

    settings: list[list[str]]
    scores: np.ndarray
    """(S, N, 3) covering, Rand index, variation of information."""
    matches: np.ndarray
    """(S, N, 4) pixels of boundaries, see `BoundaryMatches`."""
    seconds: np.ndarray
    """(S, N)."""

    def of(self, images: slice) -> "Arm":
        return Arm(self.settings, self.scores[:, images], self.matches[:, images], self.seconds[:, images])

    def losses(self) -> np.ndarray:
        """Give how bad each setting is for all images, for each metric: (4, S)."""
        means = self.scores.mean(1).T
        return np.stack([-means[0], -means[1], means[2], -_f1(self.matches.sum(1))])

    def per_image(self) -> list[float]:
        """Give each metric with the best setting for each image by itself (OIS)."""
        best = _f1(self.matches).argmax(0)  # (N,)
        chosen = self.matches[best, np.arange(len(best))].sum(0)
        covering, rand, variation = np.moveaxis(self.scores, -1, 0)
        return [covering.max(0).mean(), rand.max(0).mean(), variation.min(0).mean(), float(_f1(chosen))]


def segment_quality(cfg: DictConfig) -> str:
    """Score every arm, and time mean shift; give Markdown tables, and write them down if asked to."""
    names = chosen_arms(cfg)
    folder = Path(cfg.images)
    lists = {split: _names(folder / f"{split}.txt") for split in ("train", "test")}
    scenes = [name for split in lists.values() for name in split]
    arms = {name: _measured(cfg.recipes[name], folder, scenes) for name in names}
    split = len(lists["train"])
    report = {name: _summed_up(arm.of(slice(split)), arm.of(slice(split, None))) for name, arm in arms.items()}
    timed = [_scene(folder, name) for name in lists["test"][:TIMED]]
    speed = segment_speed([scene.image for scene in timed], [scene.truths for scene in timed])
    text = f"{_table(report)}\n\n{_settings(report)}\n\n{speed}"
    Console().print(text, markup=False, highlight=False, soft_wrap=True)
    if cfg.report:
        write_atomically(Path(cfg.report) / "segment.json", json.dumps(report, indent=1) + "\n")
        write_atomically(Path(cfg.report) / "segment.md", text + "\n")
    return text


def _names(file: Path) -> list[str]:
    if not file.is_file():
        raise DataError(f"{file} is missing: a list of images, one name a line")
    return file.read_text(encoding="utf-8").split()


def _scene(folder: Path, name: str) -> Scene:
    image, _ = read_image(str(folder / "images" / f"{name}.jpg"), None)
    truths = read_truths(folder / "gt", name, image.shape[:2])
    if not truths:
        raise DataError(f"{folder / 'gt'} has no segmentation of {name}")
    return Scene(image, truths, [region_boundary(truth) for truth in truths])


def _measured(recipe: list[str], folder: Path, names: list[str]) -> Arm:
    settings = list(jobs(loader(), list(recipe)))
    composed = [compose_config("segment", [*setting, "input=x", "output=y"]) for setting in settings]
    segmenters: list[Segmenter] = [make(cfg.segmenter) for cfg in composed]
    shape = len(settings), len(names)
    arm = Arm(settings, np.zeros((*shape, 3)), np.zeros((*shape, 4), int), np.zeros(shape))
    console = Console(stderr=True)
    for n, name in enumerate(track(names, recipe[0], console=console, disable=not console.is_terminal)):
        scene = _scene(folder, name)
        for s, segmenter in enumerate(segmenters):
            start = time.perf_counter()
            label = segmenter(scene.image)
            arm.seconds[s, n] = time.perf_counter() - start
            arm.scores[s, n] = region_scores(label, scene.truths)
            arm.matches[s, n] = boundary_matches(region_boundary(label), scene.boundaries)
    return arm


def _f1(matches: np.ndarray) -> np.ndarray:
    """Give boundary F1 of counts (..., 4)."""
    flat = [BoundaryMatches(*counts).f1 for counts in matches.reshape(-1, 4).tolist()]
    return np.reshape(flat, matches.shape[:-1])


def _summed_up(train: Arm, test: Arm) -> dict[str, Any]:
    """Choose for each metric the setting that is best on the one list; give what it reaches on the other."""
    best = train.losses().argmin(1)  # (4,)
    reached = np.abs(test.losses()[np.arange(4), best])
    chosen = dict(zip(METRICS, best.tolist(), strict=True))
    return {
        "one setting for all": dict(zip(METRICS, reached.tolist(), strict=True)),
        "best setting of each image": dict(zip(METRICS, map(float, test.per_image()), strict=True)),
        "settings": {metric: test.settings[number] for metric, number in chosen.items()},
        "with the setting for covering": np.abs(test.losses()[:, best[0]]).tolist(),
        "seconds": float(np.median(test.seconds[best[0]])),
        "tried": len(test.settings),
        "images": test.scores.shape[1],
    }


def _table(report: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [["segmenter", "covering", "Rand index", "variation of information", "boundary F1", "s an image"]]
    for name, told in report.items():
        pairs = zip(told["one setting for all"].values(), told["best setting of each image"].values(), strict=True)
        cells = [f"{one:.2f} / {best:.2f}" for one, best in pairs]
        rows.append([name, *cells, f"{told['seconds']:.2f}"])
    for name, figures in PUBLISHED.items():
        rows.append([f"{name}, published", *(f"{one:.2f} / {best:.2f}" for one, best in figures), "", ""])
    return markdown(rows)


def _settings(report: Mapping[str, Mapping[str, Any]]) -> str:
    """Say what was chosen for covering, and what it reaches in all metrics."""
    rows = [["segmenter", "settings tried", "chosen for covering", "covering, Rand index, variation, F1 with it"]]
    for name, told in report.items():
        chosen = [text.removeprefix("segmenter.") for text in told["settings"]["covering"][1:]]
        figures = ", ".join(f"{value:.2f}" for value in told["with the setting for covering"])
        rows.append([name, str(told["tried"]), " ".join(chosen), figures])
    return markdown(rows)
