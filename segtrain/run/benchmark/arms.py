"""The arms of a noise benchmark: honest controls and strategies, each a training anybody can repeat by hand."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from segtrain.config import suggestion
from segtrain.errors import ConfigError

__all__ = ["Job", "chosen_arms", "jobs", "settings_of"]

CONTROLS = {
    "oracle": ["noise=none"],
    "noisy": ["noise=none"],
    "clean_only": ["noise=clean_only"],
    "mixed": ["noise=none"],
    "noisy_then_clean": ["noise=noisy_then_clean"],
}
"""The true labels of all samples; the given labels alone; the few clean samples alone; both; one after the other."""
WITHOUT_CLEAN = ("oracle", "noisy")


class Job(NamedTuple):
    """One training."""

    arm: str
    seed: int
    folder: Path
    settings: list[str]
    """The overrides that make the arm."""
    place: list[str]
    """Those that say which seed it has, and where its data and its run lie."""


def jobs(cfg: DictConfig) -> list[Job]:
    """Give the trainings of a benchmark, all arms of one seed before the next, controls first.

    Raises:
        ConfigError: an arm that does not exist was asked for, or a study consists of one.
    """
    arms = settings_of(cfg)
    root = [] if cfg.root is None else [f"data.root={cfg.root}"]
    chosen = list(arms) if cfg.arms is None else _known("arms", cfg.arms, arms, cfg.study.name)
    return [
        Job(arm, seed, folder, arms[arm], [f"seed={seed}", f"paths.run_dir={folder}", *root])
        for seed in cfg.seeds
        for arm in sorted(chosen, key=lambda name: name not in CONTROLS)
        for folder in [Path(cfg.folder) / cfg.study.name / arm / f"seed{seed}"]
    ]


def chosen_arms(cfg: DictConfig) -> list[str]:
    """Give the names of the arms of a benchmark that has no controls.

    Raises:
        ConfigError: there is no such arm.
    """
    names = list(cfg.recipes if cfg.arms is None else cfg.arms)
    if unknown := [name for name in names if name not in cfg.recipes]:
        raise ConfigError(f"arms: there is no '{unknown[0]}'{suggestion(unknown[0], list(cfg.recipes))}")
    return names


def settings_of(cfg: DictConfig) -> dict[str, list[str]]:
    """Give the overrides of each arm; without clean samples there are fewer of them."""
    study = cfg.study
    common = [*cfg.common, *study.overrides, f"callbacks.label_quality.reference={study.truth}"]
    trusted = [f"trusted.{key}={value}" for key, value in study.trusted.items()]
    arms: dict[str, list[str]] = {}
    every = {**CONTROLS, **cfg.recipes}
    for name in [*every, *(name for name in study.recipes if name not in every)]:
        given = {"oracle": [f"trusted.reference={study.truth}"], "noisy": []}.get(name, trusted)
        wanted = name not in study.skip and (not study.only or name in study.only)
        if wanted and (trusted or name not in CONTROLS or name in WITHOUT_CLEAN):
            arms[name] = _merged([*common, *given, *every.get(name, []), *study.recipes.get(name, [])])
    _known("only", study.only or [], arms, study.name)
    return arms


def _known(key: str, names: Sequence[str], arms: Collection[str], study: str) -> list[str]:
    """Give names of arms, once it is sure that there are such."""
    if unknown := [name for name in names if name not in arms]:
        raise ConfigError(f"{key}: there is no '{unknown[0]}' in study={study}{suggestion(unknown[0], list(arms))}")
    return list(names)


def _merged(overrides: Sequence[str]) -> list[str]:
    """Keep the last word on each key, so that an arm's loss takes the place of the study's."""
    return list({override.partition("=")[0]: override for override in overrides}.values())
