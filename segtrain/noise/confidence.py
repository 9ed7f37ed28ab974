"""Confidence: pixels whose label the model does not believe are ignored, or count less."""

from typing import Literal

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.models import EmaTeacher
from segtrain.models.arguments import argument_faults
from segtrain.noise.base import NoiseStrategy
from segtrain.noise.thresholds import ClassThresholds, Threshold, agreement, least, likeliest
from segtrain.types import Batch, Progress, Samples, to_probs

__all__ = ["Confidence"]


class Confidence(NoiseStrategy):
    """Ignore, or weight down, the pixels in which the model does not believe the given label.

    A pixel's confidence is the probability of its given class, p_y (on a soft label 1 - 1/2 sum_c |p_c - y_c|), not
    of the likeliest class: a model that is sure of another class is the very sign of a wrong label. Each class is
    judged by a threshold of its own (see `ClassThresholds`; `thresholds.kept()` tells what share of each class is
    kept). A pixel with overlapping classes is trusted as far as the least believed of its labels. Clean samples are
    left alone. A model that has learned wrong labels by heart believes them: filter early, or by a teacher.

    Costs: no pass of its own; with predict_from=teacher one forward pass of the teacher per step after the warm-up.

    Args:
        num_classes: of the data.
        threshold: "fixed", "adaptive" or "percentile", each class by itself, see `ClassThresholds`.
        level: confidence that counts as enough, in (0, 1]; with "adaptive" the surest class's.
        drop: share of each class's pixels under its threshold, in [0, 1), with "percentile".
        mode: below its threshold a pixel is ignored ("ignore"), or counts by confidence / threshold ("weight").
        predict_from: whose confidence: the "student", in the very pass that trains it, or an averaged "teacher".
        warmup_fraction: share of the steps in which every label is trusted, in [0, 1).
        memory: weight of the past steps in the classes' statistics, in [0, 1).
        decay: of the teacher, see `EmaTeacher`.
    """

    sides = frozenset({"pixels"})

    def __init__(
        self,
        num_classes: int,
        threshold: Threshold = "adaptive",
        level: float = 0.5,
        drop: float = 0.2,
        mode: Literal["ignore", "weight"] = "ignore",
        predict_from: Literal["student", "teacher"] = "student",
        warmup_fraction: float = 0.2,
        memory: float = 0.99,
        decay: float = 0.99,
    ) -> None:
        super().__init__()
        faults = argument_faults(
            "Confidence",
            ("mode", mode, mode in ("ignore", "weight"), "ignore or weight"),
            ("predict_from", predict_from, predict_from in ("student", "teacher"), "student or teacher"),
            ("warmup_fraction", warmup_fraction, 0 <= warmup_fraction < 1, "in [0, 1)"),
        )
        if faults:
            raise ConfigError("noise.confidence cannot be built:", faults)
        self.num_classes = num_classes
        self.mode = mode
        self.warmup_fraction = warmup_fraction
        self.thresholds = ClassThresholds(threshold, level, drop, memory)
        self.follower = EmaTeacher(decay) if predict_from == "teacher" else None

    @property
    def teacher(self) -> nn.Module | None:  # type: ignore[override]
        return None if self.follower is None else self.follower.model

    def attach(self, model: nn.Module, samples: Samples) -> None:
        self.thresholds.attach(self.num_classes)
        if self.follower is not None:
            self.follower.attach(model)

    def prepare(self, batch: Batch, model: nn.Module, progress: Progress) -> Batch:
        if self.follower is None or progress.fraction < self.warmup_fraction:
            return batch
        believed = agreement(self.follower(batch.image), batch.target)  # (B, H, W) or (B, K, H, W)
        return batch._replace(weight=batch.weight * self._belief(believed, batch))

    @torch.no_grad()
    def trust(self, logits: Tensor, batch: Batch, progress: Progress) -> Tensor:
        if self.follower is not None or progress.fraction < self.warmup_fraction:
            return super().trust(logits, batch, progress)
        # Image by image: the probabilities of a whole batch of many classes take gigabytes.
        images = zip(logits.split(1), batch.target.split(1), strict=True)
        believed = torch.cat([agreement(to_probs(one), target) for one, target in images])
        return self._belief(believed, batch)

    def _belief(self, confidence: Tensor, batch: Batch) -> Tensor:
        """Give the trust in each pixel (B, H, W), from how much its labels are believed, (B, H, W) or (B, K, H, W)."""
        enough = self.thresholds(confidence, likeliest(batch.target)[1], batch.weight > 0)  # like `confidence`
        if self.mode == "ignore":
            belief = (confidence >= enough).float()
        else:
            belief = (confidence / enough.clamp_min(1e-12)).clamp_max(1)
        return torch.where(batch.clean[:, None, None], 1.0, least(belief))

    def after_step(self, model: nn.Module) -> None:
        if self.follower is not None:
            self.follower.follow(model)
