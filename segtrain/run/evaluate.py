"""evaluate: score a trained run on a split, with any post-processor and test-time augmentation."""

import json
from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig
from rich.console import Console

from segtrain.data.labels import RevisedLabels
from segtrain.errors import ConfigError
from segtrain.noise import NoiseStrategy
from segtrain.reports import metrics_table
from segtrain.run.build import build_postprocess, label_form, quieten
from segtrain.run.restore import restore, restore_sources
from segtrain.run.status import write_atomically
from segtrain.training import SegmentationData, resolve_precision

__all__ = ["evaluate"]


def evaluate(cfg: DictConfig) -> dict[str, float]:
    """Score the run's delivered weights; give the metrics named `<split>/<score><suffix>`, and write them down."""
    postprocess = build_postprocess(cfg.postprocess)
    restored = restore(cfg)
    splits = restore_sources(restored.cfg, restored.plan, together=cfg.split == "all")
    if cfg.split not in splits:
        raise ConfigError(f"split={cfg.split} is not in the data, which has {', '.join(splits)}.")
    restored.task.evaluate_against(splits[cfg.split].reference_names, postprocess)
    revised = RevisedLabels(restored.folder / "revised")
    data = SegmentationData(
        data=restored.plan.data,
        splits=splits,
        strategy=NoiseStrategy(),
        augment=restored.plan.augment,
        form=label_form(restored.plan.data, revised),
        revised=revised,
    )
    quieten()
    trainer = pl.Trainer(
        accelerator=restored.cfg.trainer.accelerator,
        devices=1,
        precision=resolve_precision(restored.cfg.trainer.precision, restored.cfg.trainer.accelerator),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.test(restored.task, dataloaders=data.evaluation_loader(cfg.split), verbose=False)
    output = Path(cfg.output) if cfg.output else restored.folder / "evaluate" / cfg.split
    metrics = restored.task.evaluation.write(output, cfg.split)
    write_atomically(output / "metrics.json", json.dumps(metrics, indent=2, sort_keys=True) + "\n")
    console = Console()
    console.print(metrics_table(metrics, list(restored.plan.data.classes), cfg.split))
    console.print(f"results {output}", highlight=False, soft_wrap=True)
    return metrics
