"""benchmark: what is measured rather than believed - speed, cost, diagnoses, audits, segmenters, strategies."""

from typing import Any

from omegaconf import DictConfig

from segtrain.run.benchmark.audit import audits
from segtrain.run.benchmark.cost import cost
from segtrain.run.benchmark.diagnosis import diagnosis
from segtrain.run.benchmark.noise import noise
from segtrain.run.benchmark.pace import pace
from segtrain.run.benchmark.segment import segment_quality
from segtrain.run.benchmark.speed import speed

__all__ = ["benchmark"]


def benchmark(cfg: DictConfig) -> Any:
    """Measure what `kind` names."""
    kinds = {"audit": audits, "speed": speed, "cost": cost, "diagnosis": diagnosis, "noise": noise, "pace": pace}
    kinds |= {"segment": segment_quality}
    return kinds[cfg.kind](cfg)
