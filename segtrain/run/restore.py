"""A trained run brought back: its config, and a task with the weights its checkpoint delivers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from omegaconf import DictConfig, ListConfig, OmegaConf

from segtrain.config import check
from segtrain.data.source import Source
from segtrain.errors import CheckpointError, ConfigError, DataError
from segtrain.models import FlipTTA
from segtrain.noise import NoiseStrategy
from segtrain.run.build import Plan, build_model, build_sources, make, plan
from segtrain.run.weights import find_checkpoint, load_weights
from segtrain.training import SemanticTask

__all__ = ["Restored", "restore", "restore_plan", "restore_sources"]

OLDER: dict[str, dict[str, Any]] = {"held_out": {}, "proposals": {}}
"""What the configs of older runs do not say."""
ALIKE = ("classes", "labels", "channels", "size", "fit")
"""What the data of runs must agree in to be averaged: what is predicted, and at what scale."""


class Restored(NamedTuple):
    """A run, ready to predict."""

    folder: Path
    cfg: DictConfig
    plan: Plan
    task: SemanticTask


def restore(cfg: DictConfig) -> Restored:
    """Bring back the run that a command's config names by `run` or `ckpt_path`.

    Of a list of runs it is the first one, whose task gives the mean of all runs' probabilities.

    Raises:
        CheckpointError: no such run, or a checkpoint that cannot be loaded.
        ConfigError: the run's own config no longer builds, or several runs do not predict the same thing.
    """
    if isinstance(cfg.run, ListConfig) and cfg.run:
        return _ensemble(cfg)
    folder, checkpoint = find_checkpoint(cfg.run, cfg.ckpt_path)
    run_cfg, wanted = restore_plan(cfg, folder)
    run_cfg.model = _without_download(run_cfg.model)
    model = build_model(run_cfg, wanted.data)
    load_weights(model, checkpoint, classes=wanted.data.classes)
    task = make(
        run_cfg.task,
        model=model,
        criterion=wanted.criterion,
        strategy=NoiseStrategy(),
        classes=list(wanted.data.classes),
        overlapping=wanted.data.overlapping,
        window=wanted.data.size,
        tta=_augmentation(cfg.tta),
        predict_with="student",
        _partial_=False,
        **({"overlap": cfg.overlap} if "overlap" in cfg else {}),
    )
    return Restored(folder, run_cfg, wanted, task.eval())


def _ensemble(cfg: DictConfig) -> Restored:
    faults = [
        f"{key}: {law}"
        for key, wrong, law in (
            (
                "output",
                not cfg.output,
                "several runs have no folder of their own; give one for the results, output=...",
            ),
            ("ckpt_path", cfg.ckpt_path, "names one checkpoint, but there are several runs; leave it out"),
        )
        if wrong
    ]
    if faults:
        raise ConfigError("the runs cannot be averaged:", faults)
    first, *others = [restore(cast(DictConfig, OmegaConf.merge(cfg, {"run": run}))) for run in cfg.run]
    faults = [
        f"{other.folder} has {key}={theirs}, but {first.folder} has {key}={ours}"
        for other in others
        for key in ALIKE
        if (ours := getattr(first.plan.data, key)) != (theirs := getattr(other.plan.data, key))
    ]
    if faults:
        raise ConfigError("the probabilities of these runs cannot be averaged:", faults)
    first.task.average_with([other.task for other in others])
    return first


def restore_plan(cfg: DictConfig, folder: Path) -> tuple[DictConfig, Plan]:
    """Give a run's config, with what the command's config sets of its data, and what it asks for; no weights are read.

    Args:
        cfg: of the command, with `allow_targets` and maybe `data`, where null is as in the run.
        folder: of the run.

    Raises:
        CheckpointError: it is no run's folder.
        ConfigError: the run's own config no longer builds.
    """
    run_cfg = _config(folder)
    for key, value in (cfg.get("data") or {}).items():
        if value is not None and key in run_cfg.data:
            run_cfg.data[key] = value
    # A saved config names what is built: it is checked like one from the command line.
    check(run_cfg, overrides=[f"allow_targets={list(cfg.allow_targets)}"])
    return run_cfg, plan(run_cfg)


def restore_sources(run_cfg: DictConfig, wanted: Plan, together: bool = False) -> Mapping[str, Source]:
    """Read a run's splits, see `build_sources`.

    Raises:
        ConfigError: the data are not where the run had them, or not as it had them.
    """
    try:
        return build_sources(run_cfg, wanted, together)
    except DataError as error:
        raise ConfigError(
            f"The run's data cannot be read (say where they are now by data.root=<folder>): {error.heading}",
            error.faults,
        ) from None


def _config(folder: Path) -> DictConfig:
    file = folder / "config.yaml"
    if not file.exists():
        raise CheckpointError(f"{folder} is no run's folder: it has no config.yaml. Name it by run=<folder>.")
    cfg = OmegaConf.merge(OLDER, OmegaConf.load(file))
    assert isinstance(cfg, DictConfig)
    return cfg


def _without_download(model: DictConfig) -> DictConfig:
    """The checkpoint holds the weights: nothing is fetched for an encoder."""
    if "encoder_weights" in model:
        model.encoder_weights = None
    return model


def _augmentation(tta: str):  # type: ignore[no-untyped-def]
    if tta == "none":
        return None
    return lambda predict: FlipTTA(predict, rotations=tta == "dihedral")
