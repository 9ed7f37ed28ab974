"""The arms of a noise benchmark: honest controls and strategies, each a training anybody can repeat by hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from segtrain.config import suggestion
from segtrain.errors import ConfigError

__all__ = ["Job", "jobs"]

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
    overrides: list[str]


def jobs(cfg: DictConfig) -> list[Job]:
    """Give the trainings of a benchmark, all arms of one seed before the next, controls first.

    Raises:
        ConfigError: an arm that does not exist was asked for.
    """
    arms = _arms(cfg)
    chosen = list(arms) if cfg.arms is None else list(cfg.arms)
    if unknown := [name for name in chosen if name not in arms]:
        near = suggestion(unknown[0], list(arms))
        raise ConfigError(f"arms: there is no '{unknown[0]}' in study={cfg.study.name}{near}")
    return [
        Job(arm, seed, folder, [*arms[arm], f"seed={seed}", f"paths.run_dir={folder}"])
        for seed in cfg.seeds
        for arm in sorted(chosen, key=lambda name: name not in CONTROLS)
        for folder in [Path(cfg.folder) / cfg.study.name / arm / f"seed{seed}"]
    ]


def _arms(cfg: DictConfig) -> dict[str, list[str]]:
    """Give the overrides of each arm; without clean samples there are fewer of them."""
    study = cfg.study
    root = [] if cfg.root is None else [f"data.root={cfg.root}"]
    common = [*cfg.common, *study.overrides, *root, f"callbacks.label_quality.reference={study.truth}"]
    trusted = [f"trusted.{key}={value}" for key, value in study.trusted.items()]
    arms: dict[str, list[str]] = {}
    for name, own in {**CONTROLS, **cfg.recipes}.items():
        given = {"oracle": [f"trusted.reference={study.truth}"], "noisy": []}.get(name, trusted)
        needless = name in study.skip or (not trusted and name in CONTROLS and name not in WITHOUT_CLEAN)
        if not needless:
            arms[name] = _merged([*common, *given, *own, *study.recipes.get(name, [])])
    return arms


def _merged(overrides: Sequence[str]) -> list[str]:
    """Keep the last word on each key, so that an arm's loss takes the place of the study's."""
    return list({override.partition("=")[0]: override for override in overrides}.values())
