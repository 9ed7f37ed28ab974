"""train: fit, test with the best checkpoint, write the run's folder."""

import json
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from segtrain.errors import ConfigError
from segtrain.reports import metrics_table, write_report
from segtrain.run.build import Parts, build, device_of
from segtrain.run.status import first_process, write_atomically, written_status
from segtrain.run.weights import load_weights
from segtrain.training import BestCheckpoint, ends_truly

__all__ = ["train"]


def train(cfg: DictConfig, run_dir: Path) -> dict[str, float]:
    """Do the main job and give the run's final metrics.

    Raises:
        ConfigError, DataError, CheckpointError, TrainingError: each with a sentence for the user; `status.json` of
            the run's folder says the same.
        SystemExit: a signal ended the training; its code is the exit status.
    """
    _claim(run_dir, resumed=cfg.ckpt_path is not None)
    try:
        metrics = _run(cfg, run_dir)
    finally:
        # A run that failed or was interrupted has a report too, of what there is.
        report = write_report(run_dir) if cfg.report and first_process() else None
    if report is not None:
        console = Console()
        if any(name.startswith("test/") for name in metrics):
            console.print(metrics_table(metrics, list(cfg.data.classes)))
        console.print(f"run     {run_dir}\nreport  {report}", highlight=False, soft_wrap=True)
    return metrics


def _run(cfg: DictConfig, run_dir: Path) -> dict[str, Any]:
    """Fit and test; whatever becomes of it, status.json says so."""
    with written_status(run_dir) as note:
        parts = build(cfg, run_dir)
        if first_process():
            write_atomically(run_dir / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
        note(device=device_of(parts.trainer))
        if cfg.test:
            parts.data.require_share("test", parts.trainer.world_size)  # before the training, not after it
        metrics: dict[str, Any] = {}
        with ends_truly(parts.trainer):
            if cfg.train:
                parts.trainer.fit(parts.task, datamodule=parts.data, ckpt_path=cfg.ckpt_path, weights_only=True)
                metrics |= _best(parts.trainer)
            if cfg.test:
                metrics |= _test(parts, run_dir, cfg)
        if parts.trainer.is_global_zero:
            write_atomically(run_dir / "metrics.json", json.dumps(metrics, indent=2, sort_keys=True) + "\n")
    return metrics


def _claim(run_dir: Path, resumed: bool) -> None:
    """Refuse a folder that holds another run; one process claims for all."""
    if first_process() and (run_dir / "status.json").exists() and not resumed:
        raise ConfigError(
            f"{run_dir} holds another run: choose another paths.run_dir, or go on with that run by "
            f"ckpt_path={run_dir / 'checkpoints' / 'last.ckpt'}."
        )
    run_dir.mkdir(parents=True, exist_ok=True)


def _best(trainer: pl.Trainer) -> dict[str, Any]:
    """Say which weights were kept as best, and by which labels."""
    best = next((c for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint)), None)
    if best is None or best.best_model_score is None:
        return {}
    labels = best.monitor.partition("@")[2] or "given"
    return {
        "best/monitor": best.monitor,
        "best/score": best.best_model_score,
        "best/labels": labels,
        best.monitor: best.best_model_score,
    }


def _test(parts: Parts, run_dir: Path, cfg: DictConfig) -> dict[str, float]:
    """Test with the best checkpoint, or with the weights at hand when none was kept."""
    best = run_dir / "checkpoints" / "best.ckpt"
    chosen = best if best.exists() else Path(cfg.ckpt_path) if cfg.ckpt_path and not cfg.train else None
    epoch = None if chosen is None else load_weights(parts.task.predictor, chosen)
    parts.trainer.test(parts.task, datamodule=parts.data, verbose=False)
    metrics = parts.task.evaluation.write(run_dir / "test", "test")
    return metrics if epoch is None else metrics | {"best/epoch": epoch}
