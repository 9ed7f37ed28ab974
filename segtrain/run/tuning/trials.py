"""Trials: post-processings that were scored, kept on disk as they come, so that nothing is lost."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from omegaconf import DictConfig, OmegaConf

from segtrain.postprocess import Pipeline
from segtrain.run.build import build_members
from segtrain.run.status import write_atomically
from segtrain.types import PostProcessor

__all__ = ["Steps", "Trial", "Trials", "best"]

Steps = Mapping[str, Mapping[str, Any]]
"""Step -> the parameters that differ from its config, in the order of work."""


class Trial(NamedTuple):
    """One post-processing and its scores."""

    steps: Steps
    fold: int | None
    """The part of the images that whoever proposed it has not looked at; None: nobody has looked at any."""
    scores: np.ndarray
    """(N,) float64, higher is better; empty if it failed."""
    seconds: float
    fault: str = ""

    @property
    def key(self) -> str:
        return json.dumps(self.steps)


class Trials:
    """Scores post-processings, each once, and remembers them.

    Args:
        file: a JSON line for each trial; what lies there counts if it was written with the same `about`.
        about: what the scores depend on.
        nodes: the config of each step, in the order of work.
        score: of a post-processing on some images, a mask (N,), or on all (None): (images,), higher is better.
    """

    def __init__(
        self,
        file: Path,
        about: Mapping[str, Any],
        nodes: Mapping[str, Any],
        score: Callable[[PostProcessor, np.ndarray | None], np.ndarray],
    ) -> None:
        self.file = file
        self.nodes = nodes
        self.score = score
        lines = file.read_text().splitlines() if file.exists() else []
        if not lines or json.loads(lines[0]) != about:
            write_atomically(file, json.dumps(about) + "\n")
            lines = [""]
        self.known = list(_read(lines[1:]))
        self._parts: dict[tuple[str, bytes], tuple[np.ndarray, str]] = {}

    def run(self, steps: Steps, fold: int | None) -> Trial:
        """Score a post-processing; a step that fails is written down, and the search goes on without it."""
        start = time.perf_counter()
        if (alike := self._alike(steps)) is not None:
            trial = alike._replace(fold=fold, seconds=0.0)
        else:
            scores, fault = self._scored(steps)
            trial = Trial(steps, fold, scores, time.perf_counter() - start, fault)
        self.known.append(trial)
        with self.file.open("a") as file:
            file.write(json.dumps(trial._replace(scores=trial.scores.tolist())._asdict()) + "\n")
        return trial

    def on(self, steps: Steps, images: np.ndarray) -> np.ndarray | None:
        """Give the scores on some images (a mask, (N,)), at the cost of these; None where it fails."""
        if (alike := self._alike(steps)) is not None:
            return None if alike.fault else alike.scores[images]
        key = json.dumps(steps), images.tobytes()
        if key not in self._parts:
            self._parts[key] = self._scored(steps, images)
        scores, fault = self._parts[key]
        return None if fault else scores

    def _alike(self, steps: Steps) -> Trial | None:
        key = json.dumps(steps)
        return next((trial for trial in self.known if trial.key == key), None)

    def _scored(self, steps: Steps, images: np.ndarray | None = None) -> tuple[np.ndarray, str]:
        try:
            return self.score(Pipeline(build_members(self.config(steps))), images), ""
        except Exception as error:  # a step may be anybody's, and may fail in any way
            if not steps:
                raise
            return np.zeros(0), f"{type(error).__name__}: {error}"

    def config(self, steps: Steps) -> DictConfig:
        """Give the config of a post-processing, as the group `postprocess` has it."""
        return OmegaConf.create({name: {**self.nodes[name], **given} for name, given in steps.items()})


def _read(lines: list[str]) -> Iterator[Trial]:
    for line in lines:
        try:
            content = json.loads(line)
        except ValueError:  # a kill cut it short
            continue
        yield Trial(**{**content, "scores": np.array(content["scores"], float)})


def best(trials: list[Trial], images: np.ndarray) -> Trial:
    """Give the trial with the highest mean over some images (a mask, (N,)); of equals that with the fewest steps."""
    fine = [trial for trial in trials if not trial.fault]
    return max(fine, key=lambda trial: (round(float(trial.scores[images].mean()), 9), -len(trial.steps)))
