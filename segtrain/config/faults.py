"""The config check: every fault of a config, or of a whole command line, in one go and without importing torch."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from segtrain.config.compose import compose_config, loader, options
from segtrain.config.kinds import suggestion
from segtrain.config.overrides import jobs, sifted
from segtrain.config.search import search_faults
from segtrain.config.targets import ALLOWED, launch_faults, target_faults
from segtrain.config.tree import resolved, tree_faults
from segtrain.errors import ConfigError

__all__ = ["check", "check_command", "check_overrides"]

_HEADING = "the config cannot be built:"
_FORMATS = ["png", "coco", "cvat", "label_studio", "fiftyone"]


def check(cfg: DictConfig, *, name: str = "train", overrides: Sequence[str] = (), folder: Path | None = None) -> None:
    """Refuse a config that cannot be built.

    Args:
        cfg: composed, without `hydra`.
        name: the command whose config it is.
        overrides: what the user typed; only there may `allow_targets` be given.
        folder: the user's own configs.

    Raises:
        ConfigError: with every fault.
    """
    _refuse(_faults(cfg, _base(name, folder), name, overrides, folder))


def check_overrides(name: str, overrides: Sequence[str], folder: Path | None = None) -> None:
    """Refuse overrides that cannot be applied, whatever the config that they give is worth.

    Raises:
        ConfigError: with every fault.
    """
    _base(name, folder)
    _refuse(iter(sifted(loader(folder), name, overrides)[1]))


def check_command(name: str, overrides: Sequence[str], *, folder: Path | None = None, multirun: bool = False) -> None:
    """Refuse what a user typed, with the faults of the overrides and of the config that the good ones give.

    Args:
        name: the command.
        overrides: what the user typed.
        folder: the user's own configs (`--config-dir`).
        multirun: a sweep; each of its jobs is checked.

    Raises:
        ConfigError: with every fault.
    """
    reader = loader(folder)
    base = _base(name, folder)
    every = jobs(reader, overrides) if multirun else [list(overrides)]
    _refuse(
        fault
        for job in every
        for cfg, faults in [sifted(reader, name, job)]
        for fault in [*faults, *_launch_faults(cfg, multirun), *_faults(cfg, base, name, job, folder)]
    )


def _refuse(faults: Iterator[str]) -> None:
    if found := list(dict.fromkeys(faults)):
        raise ConfigError(_HEADING, found)


def _base(name: str, folder: Path | None) -> dict[str, Any]:
    """The command's config without overrides; there is no use in going on without it."""
    try:
        return resolved(compose_config(name, folder=folder))[0]
    except HydraException as error:
        raise ConfigError(_HEADING, [" ".join(str(error).partition("\nConfig search path")[0].split())]) from error


def _faults(
    cfg: DictConfig, base: dict[str, Any], name: str, overrides: Sequence[str], folder: Path | None
) -> Iterator[str]:
    tree, faults = resolved(cfg)
    yield from faults
    yield from tree_faults(tree, base, folder)
    trusted = _trusted(overrides)
    listed = tree.get("allow_targets")
    if isinstance(listed, list) and set(listed) - set(trusted):
        yield "allow_targets: may be given on the command line only, never in a file"
    yield from target_faults(tree, [*ALLOWED, *trusted])
    if name in ("evaluate", "predict", "tune_postprocess") and not (tree.get("run") or tree.get("ckpt_path")):
        yield "run: give a run's folder, run=outputs/..., or a checkpoint, ckpt_path=..."
    yield from search_faults(tree, list(options("postprocess", folder)))
    if name == "correct":
        yield from _correction_faults(tree)


def _correction_faults(tree: dict[str, Any]) -> Iterator[str]:
    if not (tree.get("run") or tree.get("audit")):
        yield "run: give a run's folder, run=outputs/..., or an audit's, audit=outputs/.../audit"
    above = tree.get("above")
    if tree.get("decisions") is None and above is None:
        yield (
            "decisions: give what was decided, decisions=decisions.json (the audit's page saves it), or a score from "
            "which on issues are accepted without anybody's decision, above=0.9"
        )
    if above is not None and not (type(above) in (int, float) and 0 <= above <= 1):
        yield f"above: a number in [0, 1] expected, got {above!r}"
    formats = tree.get("formats")
    for given in formats if isinstance(formats, list) else []:
        if given not in _FORMATS:
            yield f"formats: there is no '{given}'{suggestion(str(given), _FORMATS)}, there are {', '.join(_FORMATS)}"


def _launch_faults(cfg: DictConfig, multirun: bool) -> Iterator[str]:
    yield from launch_faults(OmegaConf.to_container(cfg.hydra))
    yield from _sweep_faults(cfg) if multirun else _folder_faults(cfg)
    with open_dict(cfg):
        del cfg["hydra"]  # what is left is the job's


def _trusted(overrides: Sequence[str]) -> list[str]:
    """The prefixes of `_target_` that the user allowed."""
    values: list[Any] = []
    for text in overrides:
        if text.lstrip("+").startswith("allow_targets="):
            try:
                values.append(OverridesParser.create().parse_override(text).value())
            except HydraException:  # `sifted` says what is wrong with it
                continue
    return [str(prefix) for value in values if isinstance(value, list) for prefix in value]


def _sweep_faults(cfg: DictConfig) -> Iterator[str]:
    if "ddp" in str(OmegaConf.select(cfg, "trainer.strategy")):
        yield "trainer.strategy: with ddp each process would start the sweep anew; start the jobs one by one"


def _folder_faults(cfg: DictConfig) -> Iterator[str]:
    """A run never writes into another's folder; a resumed one may go on in its own, as may the ranks of one run."""
    own = OmegaConf.select(cfg, "ckpt_path", throw_on_missing=False) or "LOCAL_RANK" in os.environ
    if cfg.hydra.output_subdir is None or own:
        return
    try:
        folder = Path(cfg.hydra.run.dir)
    except OmegaConfBaseException:  # an interpolation in `paths`, whose fault is told there
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        yield f"paths.run_dir: {folder} holds another run; name a new folder, or go on with it by ckpt_path=..."
