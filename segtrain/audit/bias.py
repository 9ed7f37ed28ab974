"""What annotators do systematically: how far outside the truth they draw, and how much of it is each label's own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np

from segtrain.audit.intervals import Interval, difference, location
from segtrain.audit.survey import Survey

__all__ = ["MARGIN", "Bias", "Scale", "estimate_bias", "habits", "learned"]

Scale = Literal["auto", "pixels", "diameters"]
LEAST = 8
"""Samples of an annotator that tell his habit."""
MARGIN = 0.25
"""Pixels of displacement that its interval has to exceed. The model has seen the noisy images and not the clean ones,
on which it is a little more cautious: that much is no annotator's bias."""
TOOTHED = 0.05
"""More ruggedness than clean labels have, from which on smoothing is worth its loss of detail."""
CLEARLY = 0.9
"""A displacement in diameters is believed when it leaves less than this share of the error of one in pixels."""


class Bias(NamedTuple):
    """For each class, (K,) float64."""

    displacement: np.ndarray
    """Pixels that the labels lie outside the truth."""
    low: np.ndarray
    """Where nothing is known the limits are infinite."""
    high: np.ndarray
    model: np.ndarray
    """Pixels that the model's predictions lie outside the truth."""
    usual: np.ndarray
    """Pixels that the labels lie outside the model's predictions, by their centre."""
    slope: np.ndarray
    """Diameters that the labels lie outside the truth; 0 = the same number of pixels for small and large objects."""
    own: np.ndarray
    """Share in [0, 1) of a label's deviation from the usual that is the label's mistake, not the model's; 0 unless it
    is certain that there is such a share, as in the two below."""
    jitter: np.ndarray
    """Share in [0, 1) of the distance between label and prediction, point by point, that is the label's mistake; 0
    too where the model's own bias is half as large as the objects are deep: undone, it would leave no shape."""
    reach: np.ndarray
    """Pixels, standard deviation along an outline between label and prediction."""

    rugged: np.ndarray
    """By how much outlines are more toothed than clean ones, see `ruggedness`."""

    def of(self, habit: np.ndarray) -> "Bias":
        """Give the bias of an annotator who draws `habit` (K,) pixels farther outside than the others."""
        if not habit.any():
            return self
        displacement = np.where(self.significant, self.displacement, 0.0) + habit
        certain = np.where(displacement > 0, np.inf, -np.inf)
        low, high = (np.where(habit == 0, limit, certain) for limit in (self.low, self.high))
        return self._replace(displacement=displacement, usual=self.usual + habit, low=low, high=high)

    @property
    def significant(self) -> np.ndarray:
        """(K,) bool: the interval of the displacement leaves out what is no annotator's doing, see `MARGIN`."""
        return (self.low > MARGIN) | (self.high < -MARGIN)

    @property
    def corrects(self) -> np.ndarray:
        """(K,) bool: there is something to undo."""
        return self.significant | (self.own > 0) | (self.jitter > 0) | (self.rugged > 0)


def learned(survey: Survey) -> np.ndarray:
    """Tell the classes that the model shows in most of the noisy samples that have them, (K,) bool.

    Of a class that it does not show yet nothing can be measured. One that fewer than eight samples have is left out
    of account, as if it were learned.
    """
    drawn = survey.column("given", clean=False) > 0  # (n, K)
    met = np.isfinite(survey.column("offset", clean=False)) & drawn
    return (drawn.sum(0) < LEAST) | (2 * met.sum(0) > drawn.sum(0))


def estimate_bias(
    survey: Survey,
    confidence: float = 0.95,
    scale: Scale = "auto",
    habits: Mapping[int, np.ndarray] = MappingProxyType({}),
) -> Bias:
    """Compare what the model shows on clean samples, which it never saw, with what it shows on the noisy ones.

    The model draws as the annotators do, so on clean samples it lies outside the truth by their bias and by its
    own; on noisy samples label and prediction differ by its own alone. Their difference is the annotators'.
    The labels' variation beyond what the model shows on clean samples is the annotators' too, and its share in all
    variation is the weight with which label and prediction are best averaged.

    Args:
        survey: of a model trained on the noisy samples alone.
        confidence: of the intervals, in (0, 1).
        scale: "pixels", "diameters", or "auto": whichever fits the clean samples' objects.
        habits: of annotators, see `habits`; they are taken off first, or they would pass for uncertainty.
    """
    noisy, clean = (survey.column("offset", is_clean).astype(np.float64) for is_clean in (False, True))
    annotator = survey.samples.annotator[~survey.samples.clean & survey.samples.labelled].cpu().numpy()
    for name, habit in habits.items():
        noisy[annotator == name] -= habit
    spreads = [survey.column("spread", is_clean).astype(np.float64) for is_clean in (False, True)]
    teeth = [survey.column("rugged", is_clean).astype(np.float64) for is_clean in (False, True)]
    columns = []
    measured = int(np.isfinite(noisy).any(0).sum())
    confidence = 1 - (1 - confidence) / max(1, measured)  # of all classes together
    for c in range(noisy.shape[1]):
        shift = difference(noisy[:, c], clean[:, c], confidence)
        model, usual = -location(clean[:, c]).value, location(noisy[:, c]).value
        objects = survey.objects[:, c].reshape(-1, 2).astype(np.float64)
        slope = _slope(objects, usual, shift, scale)
        own = _share(_deviation(noisy[:, c]), _deviation(clean[:, c]), confidence)
        reach = location(spreads[0][:, c]).value
        shapely = abs(model) + reach < location(survey.column("depth", clean=True)[:, c]).value / 2
        jitter = _share(spreads[0][:, c], spreads[1][:, c], confidence) if shapely else 0.0
        rugged = difference(teeth[0][:, c], teeth[1][:, c], confidence)
        toothed = rugged.value if rugged.low > 0 and rugged.value > TOOTHED else 0.0
        numbers = np.nan_to_num((shift.value, model, usual, slope, own, jitter, reach))
        columns.append((numbers[0], shift.low, shift.high, *numbers[1:], toothed))
    return Bias(*np.array(columns).T)


def habits(survey: Survey, confidence: float = 0.95) -> dict[int, np.ndarray]:
    """Give how much farther outside than the others each annotator draws, (K,) pixels; 0 where it is not for certain.

    The model draws like all of them together; each one's labels lie beside its predictions as his habit is. Who has
    fewer than eight samples is left out, and so is everybody if there is only one.
    """
    noisy = ~survey.samples.clean & survey.samples.labelled
    annotator = survey.samples.annotator[noisy].cpu().numpy()
    offsets = survey.column("offset", clean=False).astype(np.float64)  # (n, K)
    names = [name for name, count in zip(*np.unique(annotator, return_counts=True), strict=True) if count >= LEAST]
    found = {}
    for name in [name for name in names if name >= 0] if len(names) > 1 else []:
        own = annotator == name
        gaps = [
            difference(ours, others, 1 - (1 - confidence) / len(names))
            for ours, others in zip(offsets[own].T, offsets[~own].T, strict=True)
        ]
        habit = np.array([gap.value * (1 - own.mean()) if gap.significant else 0.0 for gap in gaps])
        if habit.any():
            found[int(name)] = habit
    return found


def _deviation(values: np.ndarray) -> np.ndarray:
    return np.abs(values - np.nanmedian(values)) if np.isfinite(values).any() else values


def _share(noisy: np.ndarray, clean: np.ndarray, confidence: float) -> float:
    """Give 1 - (clean / noisy)^2 of two samples of deviations, where they differ for certain; else 0."""
    if difference(noisy, clean, confidence).low <= 0:
        return 0.0
    return float(max(0.0, 1 - (np.nanmedian(clean) / np.nanmedian(noisy)) ** 2))


def _slope(objects: np.ndarray, usual: float, shift: Interval, scale: Scale) -> float:
    """Give the displacement in diameters, from objects' diameters and predicted displacements (P, 2); or 0."""
    objects = objects[np.isfinite(objects).all(1)]
    if scale == "pixels" or not shift.significant or not len(objects):
        return 0.0
    diameter, moved = objects[:, 0], objects[:, 1] + usual
    slope = float(np.median(moved / diameter))
    errors = [np.abs(moved - guess).sum() for guess in (np.median(moved), slope * diameter)]
    return slope if scale == "diameters" or errors[1] < CLEARLY * errors[0] else 0.0
