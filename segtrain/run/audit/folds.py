"""Models that judge labels which they never learned: each is trained without them."""

import copy
import json
import shutil
from collections.abc import Collection, Mapping
from hashlib import blake2b
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console

from segtrain.run.train import train

__all__ = ["train_folds", "train_without"]

_WITHOUT = ("test", "report", "tags", "print_config", "logger", "paths", "ckpt_path", "hydra", "task_name")
"""Keys of a run that its weights do not hang on."""
KEPT_BY = {
    "snapshots": {"snapshots": {"_target_": "segtrain.training.Snapshots", "count": 4}},
    "teacher": {"ema": {"_target_": "segtrain.training.EMA", "decay": 0.999}},
}
"""What evidence may need -> the callback that keeps it."""


def train_folds(run: DictConfig, folder: Path, folds: int, needs: Collection[str]) -> list[Path]:
    """Train a model for each part as the run was trained, and give the folders of these runs.

    A fold that was trained before, with the same settings, is not trained again, and one that was interrupted goes
    on. Each is trained on one device.

    Args:
        run: the run's config.
        folder: where to.
        folds: how many parts.
        needs: what evidence needs of a training.
    """
    return [
        train_without(run, folder, {"fold": fold, "folds": folds}, f"fold {fold + 1} of {folds}", needs)
        for fold in range(folds)
    ]


def train_without(
    run: DictConfig, folder: Path, held_out: Mapping[str, int], name: str, needs: Collection[str] = ()
) -> Path:
    """Train as the run was trained, without some samples, unless that was done before; give the training's folder.

    Args:
        run: the run's config.
        folder: where to.
        held_out: what is left out, see `HeldOut`.
        name: said when it begins.
        needs: what evidence needs of it.
    """
    cfg = _config(run, held_out, needs)
    place = folder / _key(cfg)
    status = place / "status.json"
    if status.exists() and json.loads(status.read_text())["status"] == "finished":
        return place
    last = place / "checkpoints" / "last.ckpt"
    if last.exists():
        cfg.ckpt_path = str(last)
    elif place.exists():
        shutil.rmtree(place)  # it was stopped before there was anything to go on from
    Console().print(f"{name}: {place}", highlight=False, soft_wrap=True)
    train(cfg, place)
    return place


def _config(run: DictConfig, held_out: Mapping[str, int], needs: Collection[str]) -> DictConfig:
    cfg = copy.deepcopy(run)
    with open_dict(cfg):
        cfg.held_out = {**held_out, "seed": 0}
        kept = [KEPT_BY[need] for need in sorted(needs) if need in KEPT_BY]
        cfg.callbacks = OmegaConf.merge(*kept, cfg.callbacks or {})
        if "last" not in cfg.callbacks and "best" not in cfg.callbacks:
            cfg.callbacks.last = {"_target_": "segtrain.training.LastCheckpoint"}
        cfg.update({"train": True, "test": False, "report": False, "ckpt_path": None})
        cfg.trainer.devices = 1
        if "num_nodes" in cfg.trainer:
            cfg.trainer.num_nodes = 1
    return cfg


def _key(cfg: DictConfig) -> str:
    """Name what a training's weights hang on."""
    content = {key: value for key, value in OmegaConf.to_container(cfg, resolve=True).items() if key not in _WITHOUT}  # type: ignore[union-attr]
    digest = blake2b(json.dumps(content, sort_keys=True, default=str).encode(), digest_size=5).hexdigest()
    part = f"{cfg.held_out.fold}of{cfg.held_out.folds}" if "fold" in cfg.held_out else f"{cfg.held_out.clean}clean"
    return f"{part}_{digest}"
