"""benchmark: what is measured rather than believed - speed, cost, audits, strategies, post-processing, segmenters."""

from typing import Any

from omegaconf import DictConfig

from segtrain.run.benchmark.audit import audits
from segtrain.run.benchmark.cost import cost
from segtrain.run.benchmark.crf import crf
from segtrain.run.benchmark.cuts import cuts
from segtrain.run.benchmark.diagnosis import diagnosis
from segtrain.run.benchmark.noise import noise
from segtrain.run.benchmark.pace import pace
from segtrain.run.benchmark.postprocess import postprocess
from segtrain.run.benchmark.segment import segment_quality
from segtrain.run.benchmark.speed import speed

__all__ = ["benchmark"]


def benchmark(cfg: DictConfig) -> Any:
    """Measure what `kind` names."""
    kinds = {
        "audit": audits,
        "cost": cost,
        "crf": crf,
        "cuts": cuts,
        "diagnosis": diagnosis,
        "noise": noise,
        "pace": pace,
        "postprocess": postprocess,
        "segment": segment_quality,
        "speed": speed,
    }
    return kinds[cfg.kind](cfg)
