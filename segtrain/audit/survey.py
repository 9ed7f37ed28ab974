"""The training set measured through the model: each label against what the model makes of its image."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from segtrain.audit.displacement import displacement, middle_offset, object_displacements
from segtrain.audit.objects import compare_objects, shift_of, speckle
from segtrain.audit.outline import ruggedness, signed_distance
from segtrain.audit.redraw import filled
from segtrain.types import Batch, Samples, TrainingView

__all__ = ["COLUMNS", "Survey", "margins", "survey"]

COLUMNS = (
    "offset", "middle", "spread", "wander", "shift_down", "shift_right", "shift", "given_area", "predicted_area",
    "given", "predicted", "missing", "extra", "swapped", "speckle", "rugged", "teeth", "depth",
)  # fmt: skip
MOST_OBJECTS = 16
"""Of each class and clean sample, whose sizes and displacements are kept."""
ROUGH = 0.01
"""Share of specks from which on a label is rid of them before its outlines and objects are measured."""
BESIDE = 4.0
"""Teeth, at most, for each pixel flipped by chance: it makes one on either side of an outline, and of a rare class more
are flipped inside it than elsewhere."""


class Survey(NamedTuple):
    """What was measured, the label always against the prediction: an offset is positive where it is drawn outside.

    Class 0 of exclusive classes is the surroundings, and not measured.
    """

    table: np.ndarray
    """(N, K, F) float32 by `COLUMNS`; NaN where a sample has no such outline, and for unlabelled samples."""
    objects: np.ndarray
    """(N', K, M, 2) float32, of each clean sample in order: objects' diameters, and how far outside they are
    predicted; NaN where there are fewer."""
    swaps: np.ndarray
    """(2, K, K): objects of the noisy and of the clean samples, by the label's class and the predicted one."""
    samples: Samples

    def column(self, name: str, clean: bool) -> np.ndarray:
        """Give a column of the clean samples or of the others, (n, K)."""
        chosen = self.samples.clean if clean else ~self.samples.clean
        return self.table[(chosen & self.samples.labelled).cpu().numpy(), :, COLUMNS.index(name)]


def survey(view: TrainingView, num_classes: int, device: torch.device | None = None) -> Survey:
    """Measure every labelled sample, one pass of the training set.

    Args:
        view: the training set.
        num_classes: K.
        device: where the processes' tables are added up.
    """
    samples = view.samples
    place = samples.clean.long().cumsum(0).cpu() - 1  # of a clean sample among the clean ones
    num_clean = int(samples.clean.sum())
    table = torch.zeros(len(samples.clean), num_classes, len(COLUMNS))
    objects = torch.zeros(num_clean, num_classes, MOST_OBJECTS, 2)
    swaps = torch.zeros(2, num_classes, num_classes)
    for seen in view:
        for row, (given, predicted) in enumerate(zip(*_both(seen.batch, seen.probs), strict=True)):
            index, clean = int(seen.batch.index[row]), bool(seen.batch.clean[row])
            valid = (seen.batch.weight[row] > 0).cpu().numpy()
            measured, exchanged = _measure(given, predicted, valid)
            table[index] = torch.from_numpy(measured) if seen.batch.labelled[row] else torch.nan
            if seen.batch.labelled[row]:
                swaps[int(clean)] += torch.from_numpy(exchanged)
            if clean:
                objects[place[index]] = torch.from_numpy(_objects(given, predicted, valid))
    parts = (view.gather(part.to(device)).cpu().numpy() for part in (table, objects, swaps))
    return Survey(next(parts), next(parts), next(parts), samples)


def _both(batch: Batch, probs: Tensor) -> tuple[np.ndarray, np.ndarray]:
    return margins(batch.target), margins(probs)


def margins(probs: Tensor) -> np.ndarray:
    """Give by how much each class leads the strongest other one: (B, C, H, W) or (B, K, 2, H, W) -> (B, K, H, W).

    Class 0 of exclusive classes is left out (as -1): its outlines are the others' outlines.
    """
    if probs.dim() == 5:
        return (probs[:, :, 1] - probs[:, :, 0]).cpu().numpy()
    top = probs.topk(2, dim=1)
    leads = probs == top.values[:, :1]
    margin = probs - torch.where(leads, top.values[:, 1:], top.values[:, :1])  # (B, C, H, W)
    margin[:, 0] = -1.0
    return margin.cpu().numpy()


def _measure(given: np.ndarray, predicted: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure one sample, margins (K, H, W) and valid (H, W): (K, F), and its swaps (K, K)."""
    measured = np.zeros((len(given), len(COLUMNS)), np.float32)
    given, predicted = _whole(given, valid), _whole(predicted, valid)
    rugged = [ruggedness(margin > 0) for margin in given]
    given, rough, teeth = _smoothed(given, valid)
    counts = compare_objects(given > 0, predicted > 0)
    for c in range(len(given)):
        ours, theirs = given[c] > 0, predicted[c] > 0
        measured[c] = (
            *_outlines(given[c], predicted[c], valid), (ours & valid).sum(), (theirs & valid).sum(),
            counts.given[c], counts.predicted[c], counts.missing[c], counts.extra[c], counts.swapped[c].sum(),
            rough[c], rugged[c], teeth[c],
            -signed_distance(ours).min() if ours.any() else np.nan,
        )  # fmt: skip
    met = counts.given - counts.extra - counts.swapped.sum(1)
    return measured, counts.swapped + np.diag(met)


def _outlines(given: np.ndarray, predicted: np.ndarray, valid: np.ndarray) -> tuple[float, ...]:
    """Measure one class's outlines, margins (H, W): the columns from "offset" to "shift"."""
    ours, theirs = given > 0, predicted > 0
    if not ours.any() or not theirs.any():
        return (np.nan,) * 7
    found = displacement(given, predicted, valid)
    shifts = shift_of(ours, theirs)  # (M, 2)
    moved = (*shifts.mean(0), np.median(np.hypot(*shifts.T))) if len(shifts) else (np.nan,) * 3
    return found.offset, middle_offset(given, predicted, valid), found.spread, found.wander, *moved


def _whole(margins: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Give margins (K, H, W) that go on over ignored pixels, so that objects are not cut there; none if all are."""
    return filled(margins, valid) if valid.any() else np.full_like(margins, -1.0)


def _smoothed(given: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give margins (K, H, W) without specks where there are many, the share of specks (K,), and of teeth beside."""
    smooth, (rough, teeth) = given.copy(), np.zeros((2, len(given)), np.float32)
    for c, margin in enumerate(given):
        rough[c], mask = speckle(margin > 0, valid)
        teeth[c] = np.maximum(ruggedness(mask) - BESIDE * rough[c], 0.0)
        if rough[c] > ROUGH:
            smooth[c] = np.where(mask, 1.0, -1.0)
    return smooth, rough, teeth


def _objects(given: np.ndarray, predicted: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Give the sizes and displacements of one clean sample's objects: (K, M, 2)."""
    return np.stack(
        [object_displacements(drawn, true, valid, MOST_OBJECTS) for true, drawn in zip(given, predicted, strict=True)]
    )
