"""Labels rid of what annotators do systematically."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from segtrain.audit.bias import Bias
from segtrain.audit.displacement import diameters, known, matching
from segtrain.audit.outline import LEAST_AREA, objects_of, signed_distance, smoothed
from segtrain.audit.redraw import core, filled, redraw
from segtrain.audit.survey import COLUMNS, Survey, margins
from segtrain.types import Seen, TrainingView

__all__ = ["Corrector", "corrected"]

PLAUSIBLE = 3.0
"""Standard deviations; an outline is moved no farther than that towards the prediction."""


class Corrector(NamedTuple):
    """Rewrites noisy labels."""

    bias: Bias
    truth: np.ndarray
    """(K, K), the probability of each true class (column) given an object's class in the label (row)."""
    habits: Mapping[int, np.ndarray]
    """Annotator -> (K,) pixels that he draws farther outside than the others."""

    def rewrite(self, view: TrainingView, survey: Survey) -> None:
        """Rewrite what there is to undo in this process's share of the noisy labels, one pass of the training set."""
        if not self.bias.corrects.any() and not self.confuses and not self.habits:
            return
        offsets = survey.table[..., COLUMNS.index("offset")]  # (N, K)
        for seen in view:
            for row in (~seen.batch.clean & seen.batch.labelled).nonzero().flatten().tolist():
                index = int(seen.batch.index[row])
                probs = self.label(seen, row, offsets[index])
                if probs is not None:
                    view.relabel(index, torch.from_numpy(probs).to(seen.probs.device), seen.batch.weight[row])

    @property
    def confuses(self) -> bool:
        """Whether annotators take classes for others."""
        return not np.array_equal(self.truth, np.eye(len(self.truth)))

    def label(self, seen: Seen, row: int, offsets: np.ndarray) -> np.ndarray | None:
        """Give one sample's corrected probabilities, as of `redraw`; None if nothing changes."""
        valid = (seen.batch.weight[row] > 0).cpu().numpy()
        exclusive = seen.probs.dim() == 4
        given, predicted = (
            filled(margins(part[row : row + 1])[0] > 0, valid) for part in (seen.batch.target, seen.probs)
        )
        habit = self.habits.get(int(seen.batch.annotator[row]), np.zeros(len(given)))
        probs = corrected(given, predicted, offsets, self.bias.of(habit), exclusive)
        if probs is None and not self.confuses:
            return None
        if probs is None:
            probs = redraw(given, np.zeros(given.shape, np.float32), exclusive)
        return _renamed(probs, self.truth)


def _renamed(probs: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Share each class's pixels out among the true classes."""
    truth = truth.astype(np.float32)
    if probs.ndim == 3:
        return np.einsum("khw,kc->chw", probs, truth)
    outside = np.prod(1 - probs[:, None, 1] * truth[:, :, None, None], axis=0)  # (K, H, W)
    return np.stack([outside, 1 - outside], axis=1)


def corrected(
    given: np.ndarray, predicted: np.ndarray, offsets: np.ndarray, bias: Bias, exclusive: bool
) -> np.ndarray | None:
    """Give the label as it would be without the annotators' bias; None if there is nothing to undo.

    Specks of which the prediction knows nothing go, and small holes of that kind are filled: an outline moved
    inward would make them large ones. Larger holes stay as they are.

    Args:
        given: (K, H, W) bool, the label's classes.
        predicted: likewise, the model's.
        offsets: (K,) pixels that this label lies outside the prediction; NaN = as usual.
        bias: what is to be undone.
        exclusive: classes fill the image, class 0 being the surroundings.

    Returns:
        probabilities as of `redraw`.
    """
    todo = [c for c in np.flatnonzero(bias.corrects).tolist() if given[c].any() and not given[c].all()]
    if not todo:
        return None
    base, holes = _solid(given, predicted, todo, exclusive)
    for c in todo:
        base[c] = smoothed(base[c]) | core(base[c]) if bias.rugged[c] else base[c]
    moved = np.zeros(given.shape, np.float32)
    for c in todo:
        moved[c] = _inward(base[c], predicted[c], float(offsets[c]), Bias(*(column[c] for column in bias)))
    probs = redraw(base, moved, exclusive)
    if exclusive:
        surroundings = (np.arange(len(probs)) == 0).astype(np.float32)
        return np.where(holes.any(0), surroundings[:, None, None], probs)
    outside = np.array([1.0, 0.0], np.float32)[:, None, None]
    return np.where(holes[:, None], outside, probs)


def _solid(given: np.ndarray, predicted: np.ndarray, todo: list[int], exclusive: bool) -> tuple[np.ndarray, np.ndarray]:
    """Give masks (K, H, W) without specks and unknown holes, and the holes that are to be put back."""
    base, holes = given.copy(), np.zeros_like(given)
    for c in todo:
        numbers, areas = objects_of(given[c])
        base[c] &= known(given[c], predicted[c]) | (areas >= LEAST_AREA)[numbers]
    for c in todo:
        taken = base.any(0) if exclusive else base[c]
        hole = ~known(~base[c], ~predicted[c], connectivity=4) & ~taken
        numbers, areas = objects_of(hole, connectivity=4)
        base[c] |= hole
        holes[c] = hole & (areas >= LEAST_AREA)[numbers]
    return base, holes


def _inward(given: np.ndarray, predicted: np.ndarray, offset: float, bias: Bias) -> np.ndarray:
    """Give how far inward one class's outline is to be moved, (H, W) pixels; `bias` holds this class's numbers."""
    field = np.zeros(given.shape, np.float32)
    if bias.significant:
        field += _by_size(given, float(bias.slope)) if bias.slope else np.float32(bias.displacement)
    if np.isfinite(offset):
        field += np.float32(bias.own * (offset - bias.usual))
    if bias.jitter:
        field += np.float32(bias.jitter) * _towards(given, predicted, field, bias)
    return field


def _by_size(given: np.ndarray, slope: float) -> np.ndarray:
    """Give each pixel the displacement of the nearest object, from its diameter as drawn: (H, W)."""
    numbers, areas = objects_of(given)
    rows, columns = distance_transform_edt(~given, return_distances=False, return_indices=True)
    drawn = diameters(areas)[numbers[rows, columns]]
    return (slope / max(1 + 2 * slope, 0.2) * drawn).astype(np.float32)  # drawn d too wide, a disc has 2 d more


def _towards(given: np.ndarray, predicted: np.ndarray, field: np.ndarray, bias: Bias) -> np.ndarray:
    """Give how much farther inward the prediction, rid of the model's own bias, has its outline: (H, W)."""
    _, met = matching(given, predicted)
    if not met.any():
        return np.zeros_like(field)
    ours, theirs = signed_distance(given) + field, signed_distance(met) + np.float32(bias.model)
    limit = np.float32(PLAUSIBLE * bias.reach)
    return np.where(np.abs(ours) <= limit + 1, np.clip(theirs - ours, -limit, limit), 0)
