"""tune-postprocess from beginning to end: predict once, try, cross-validate, write down what was chosen."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, ListConfig, OmegaConf
from rich.console import Console
from rich.progress import track

from segtrain.config import read_span, suggestion
from segtrain.data.held_out import HeldOut
from segtrain.data.source import Source
from segtrain.errors import ConfigError, DataError
from segtrain.metrics import ImageScores
from segtrain.reports.scores import better_when_low
from segtrain.run.build import build_members
from segtrain.run.new_folder import hash_of
from segtrain.run.restore import Restored, restore, restore_sources
from segtrain.run.tuning.auto import FOLDER
from segtrain.run.tuning.choice import choose
from segtrain.run.tuning.proposals import Proposals
from segtrain.run.tuning.results import finish
from segtrain.run.tuning.stored import Scene, StoredProbs
from segtrain.run.tuning.trials import Trials
from segtrain.run.weights import find_checkpoint
from segtrain.seeds import derive_seed
from segtrain.types import PostProcessor, Samples

__all__ = ["scene_of", "tune_postprocess"]


def tune_postprocess(cfg: DictConfig) -> Path:
    """Choose post-processing on the validation split; give the file that `postprocess=auto` reads.

    Memory holds one image at a time, and a number for each image and trial.

    Raises:
        ConfigError: settings that make no sense, all of them; or the run learned from its validation split.
        DataError: too few images have a mask.
    """
    _check(cfg)
    output = Path(cfg.output) if cfg.output else find_checkpoint(cfg.run, cfg.ckpt_path)[0] / FOLDER
    restored = restore(cfg)
    if restored.cfg.trusted.reference is not None and restored.cfg.trusted.split == "val":
        raise ConfigError("The run learned from its validation split (trusted.split=val): there is nothing to tune on.")
    scene = scene_of(cfg, restored, "val")
    sign = -1.0 if better_when_low(cfg.score) else 1.0

    def score(chain: PostProcessor, images: np.ndarray | None) -> np.ndarray:
        return sign * scene.score(chain, [cfg.score], images)[:, 0]

    nodes: dict[str, Any] = OmegaConf.to_container(cfg.postprocess, resolve=True)  # type: ignore[assignment]
    about = {"images": scene.about, "rows": scene.rows, "score": cfg.score, "steps": nodes}
    trials = Trials(output / "trials.jsonl", about, nodes, score)
    folds = _folds(scene.samples, cfg.folds)
    _search(cfg, trials, nodes, folds)
    choice = choose(trials, folds, scene.groups, sure=cfg.keep == "sure")
    return finish(output, choice, trials, scene, cfg)


def _check(cfg: DictConfig) -> None:
    """Tell what is wrong with the settings, all of it."""
    faults = [
        f"{key}={cfg[key]}: at least {least} is possible"
        for key, least in (("trials", 1), ("timeout", 0), ("images", 2), ("folds", 2))
        if cfg[key] is not None and cfg[key] < least
    ]
    if isinstance(cfg.run, ListConfig):
        faults.append("run: post-processing is chosen for one run; name one")
    if not cfg.postprocess:
        faults.append("postprocess: name the steps to choose from, such as 'postprocess=[threshold,morphology]'")
    try:
        build_members(cfg.postprocess)
    except ConfigError as error:
        faults += error.faults or [str(error)]
    if faults:
        raise ConfigError("the tuning cannot be set up:", faults)


def scene_of(cfg: DictConfig, restored: Restored, split: str) -> Scene:
    """Predict images of a split, once and for all: into `postprocess/probs/<split>` of the run's folder.

    Args:
        cfg: of the command; its `reference`, `images`, `seed` and `tta` count.
        restored: the run.
        split: of its data.

    Raises:
        ConfigError: the data have no such reference.
        DataError: no image has such a mask.
    """
    plain = replace(restored.plan.data, cache=False)  # which would keep every image in memory
    source = restore_sources(restored.cfg, restored.plan._replace(data=plain))[split]
    if cfg.reference is not None and cfg.reference not in source.reference_names:
        near = suggestion(cfg.reference, source.reference_names)
        raise ConfigError(f"reference={cfg.reference}: the data have no such reference mask{near} See data.references.")
    checkpoint = find_checkpoint(cfg.run, cfg.ckpt_path)[1]
    about = {"checkpoint": hash_of(checkpoint), "data": source.fingerprint(), "tta": cfg.tta}
    probs = StoredProbs(restored.folder / FOLDER / "probs" / split, about)
    data = restored.plan.data
    scores = ImageScores(list(data.classes), data.overlapping)
    scene = Scene(source, _rows(source, cfg.images, cfg.seed), cfg.reference, probs, scores)
    probs.predict(restored, source, scene.rows)
    return scene


def _rows(source: Source, most: int | None, seed: int) -> list[int]:
    """Choose images by chance, the same ones each time; all where there are no more."""
    rows = np.random.default_rng(derive_seed(seed)).permutation(len(source))
    return sorted(rows[:most].tolist())


def _folds(samples: Samples, folds: int) -> np.ndarray:
    """Deal the images out, (N,) int; patients stay together, and where there are few of them there are fewer parts."""
    groups = samples.group.numpy()
    known = int((groups < 0).sum()) + len(np.unique(groups[groups >= 0]))
    if known < 2:
        raise DataError("There is one image (or patient, slide, track) to tune on; at least 2 are needed to judge by.")
    return HeldOut(fold=0, folds=min(folds, known)).parts(samples)


def _search(cfg: DictConfig, trials: Trials, nodes: dict[str, Any], folds: np.ndarray) -> None:
    """Try until the trials or the seconds are used up; the raw prediction and the defaults are tried in any case."""
    spaces = {
        name: {key: read_span(text) for key, text in (cfg.search.get(name) or {}).items() if text is not None}
        for name in nodes
    }
    proposals = Proposals(spaces, nodes, folds, cfg.trials, cfg.seed)
    start = time.monotonic()
    console = Console(stderr=True)
    left = range(len(trials.known), max(cfg.trials, len(proposals.first)))
    for number in track(left, "try", console=console, disable=not console.is_terminal):
        late = cfg.timeout is not None and time.monotonic() - start > cfg.timeout
        if late and number >= len(proposals.first):
            break
        trials.run(*proposals.next(trials.known))
