"""An evaluation: predictions against given labels and every reference, raw and post-processed, in constant memory."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric

from segtrain.metrics import CalibrationError, ImageScores, SegmentationMetrics
from segtrain.training.examples import Examples
from segtrain.training.prediction import Prediction
from segtrain.types import CLASS_AXIS, IGNORE, Criterion, PostProcessor, one_hot

__all__ = ["Evaluation"]

M = TypeVar("M", bound=Metric)


class Evaluation(nn.Module):
    """Scores of a split. Names carry a suffix: "" against the given label, "@<reference>" against another mask, and
    "@post" last for post-processed probabilities.

    Args:
        classes: names in the order of the class numbers.
        overlapping: whether classes overlap.
        references: names of the other masks.
        postprocess: scored beside the raw probabilities by `add_thoroughly`; None = not at all.
        tolerance: of the boundary F1, in pixels.
    """

    def __init__(
        self,
        classes: list[str],
        overlapping: bool,
        references: Sequence[str] = (),
        postprocess: PostProcessor | None = None,
        tolerance: float = 2.0,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.overlapping = overlapping
        self.postprocess = postprocess
        self.image_scores = ImageScores(classes, overlapping, tolerance)
        self.raw = ["", *(f"@{name}" for name in references)]
        self.suffixes = [*self.raw, *(f"{suffix}@post" for suffix in self.raw if postprocess is not None)]
        self.regions = {suffix: SegmentationMetrics(classes, overlapping) for suffix in self.suffixes}
        self.calibrations = {suffix: CalibrationError() for suffix in self.raw}
        self.loss = MeanMetric()
        self.image_dice = {suffix: MeanMetric(nan_strategy="ignore") for suffix in self.raw}
        counters = (self.regions, self.calibrations, self.image_dice)
        self._metrics = nn.ModuleList([metric for kind in counters for metric in kind.values()])  # move with the task
        self.reset()

    def reset(self) -> None:
        for metric in (*self._metrics, self.loss):
            metric.reset()
        self.rows: list[dict[str, str | float]] = []
        self.examples = Examples(self.overlapping)

    def add(self, prediction: Prediction) -> None:
        """Count the regions and the image's own Dice: cheap enough for every validation."""
        predicted = prediction.probs.argmax(dim=CLASS_AXIS)  # (H, W) or (K, H, W)
        for suffix, label in self._labels(prediction):
            self.regions[suffix].update(predicted, label)
            self.image_dice[suffix].update(self.image_scores.mean(self.image_scores.dice(predicted, label)))

    def add_loss(self, criterion: Criterion, prediction: Prediction) -> None:
        """Count the loss at full scale, against the given label."""
        label = torch.from_numpy(prediction.label).to(prediction.probs.device)
        target = one_hot(label, prediction.probs.shape[CLASS_AXIS])  # (C, H, W) or (K, 2, H, W)
        trusted = (label != IGNORE) if label.dim() == 2 else (label != IGNORE).all(dim=0)
        if trusted.any():
            logits = prediction.probs.clamp_min(1e-7).log()
            self.loss.update(criterion(logits[None], target[None], trusted.float()[None]))

    def add_thoroughly(self, prediction: Prediction) -> None:
        """Count regions, calibration and boundaries, keep the image's own scores, and the post-processed ones."""
        self.add(prediction)
        predicted = prediction.probs.argmax(dim=CLASS_AXIS).byte().cpu()
        row: dict[str, str | float] = {"id": prediction.id}
        for suffix, label in self._labels(prediction):
            self.calibrations[suffix].update(prediction.probs, label)
            row |= self._image_scores(predicted, label.cpu(), suffix)
        refined = None
        if self.postprocess is not None:
            probs = self.postprocess(prediction.probs.float().cpu().numpy(), prediction.image)
            refined = torch.from_numpy(probs).argmax(dim=CLASS_AXIS).byte()
            for suffix, label in self._labels(prediction):
                region = self.regions[f"{suffix}@post"]
                region.update(refined.to(label.device), label)
                row |= self._image_scores(refined, label.cpu(), f"{suffix}@post")
        self.rows.append(row)
        self.examples.offer(prediction, predicted.numpy(), None if refined is None else refined.numpy(), row)

    def _labels(self, prediction: Prediction) -> Iterator[tuple[str, Tensor]]:
        """Give the suffix and the mask of the given label and each reference that this image has."""
        device = prediction.probs.device
        yield "", torch.from_numpy(prediction.label).to(device)
        for name, label in prediction.references.items():
            yield f"@{name}", torch.from_numpy(label).to(device)

    def _image_scores(self, predicted: Tensor, label: Tensor, suffix: str) -> dict[str, float]:
        """Give one image's Dice, IoU and boundary scores."""
        row = {}
        for score, each in self.image_scores(predicted, label).items():
            name = f"image_{score}" if score in ("dice", "iou") else score  # regions are scored over the data set, too
            row[f"{name}{suffix}"] = float(self.image_scores.mean(each))
            row |= {f"{name}/{of}{suffix}": value for of, value in zip(self.classes, each.tolist(), strict=True)}
        return row

    def compute(self) -> dict[str, float]:
        """Give the scores of what was counted, the same on every process."""
        scores: dict[str, float] = {}
        for suffix, region in _counted(self.regions):
            scores |= {f"{name}{suffix}": value for name, value in region.compute().items()}
        for suffix, mean in _counted(self.image_dice):
            scores[f"image_dice{suffix}"] = float(mean.compute())
        if self.loss.update_called:
            scores["loss"] = float(self.loss.compute())
        return scores

    def write(self, folder: Path, prefix: str) -> dict[str, float]:
        """Write what a report needs into a folder; give all scores, named `<prefix>/<score><suffix>`."""
        scores = self.compute()
        for suffix, calibration in _counted(self.calibrations):
            scores[f"ece{suffix}"] = float(calibration.compute())
        rows = pd.DataFrame(_gathered(self.rows))
        scores |= {str(name): float(value) for name, value in rows.drop(columns="id").mean().items()}
        if not dist.is_initialized() or dist.get_rank() == 0:
            folder.mkdir(parents=True, exist_ok=True)
            rows.rename(columns=lambda name: name.removeprefix("image_")).to_csv(folder / "images.csv", index=False)
            (folder / "confusion.json").write_text(json.dumps(self._confusions()))
            (folder / "calibration.json").write_text(json.dumps(self._reliability()))
            self.examples.write(folder)
        return {f"{prefix}/{name}": value for name, value in scores.items() if not math.isnan(value)}

    def _confusions(self) -> dict[str, object]:
        matrices = {suffix: region.matrix.tolist() for suffix, region in _counted(self.regions)}
        return {"classes": self.classes, "overlapping": self.overlapping, "matrices": matrices}

    def _reliability(self) -> dict[str, dict[str, list[float]]]:
        curves = {}
        for suffix, calibration in _counted(self.calibrations):
            bins = calibration.bins
            counts = bins.pixels.tolist()
            known = {"confidence": bins.confidence, "accuracy": bins.accuracy}
            curves[suffix] = {name: np.nan_to_num(v).tolist() for name, v in known.items()} | {"count": counts}
        return curves


def _counted(metrics: dict[str, M]) -> list[tuple[str, M]]:
    """Leave out what counted nothing, such as a reference that no image has; another process may have counted."""
    return [(suffix, metric) for suffix, metric in metrics.items() if metric.update_called or dist.is_initialized()]


def _gathered(rows: list[dict[str, str | float]]) -> list[dict[str, str | float]]:
    """Bring the rows of all processes together."""
    if not dist.is_initialized():
        return rows
    shares: list[list[dict[str, str | float]]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(shares, rows)
    return [row for share in shares for row in share]
