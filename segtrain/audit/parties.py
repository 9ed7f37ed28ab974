"""Who draws how: the noise of each annotator's or folder's labels, beside the truth or beside the others."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from segtrain.audit.bias import LEAST
from segtrain.audit.diagnosis import Diagnosis, diagnose
from segtrain.audit.displacement import displacement
from segtrain.audit.intervals import Interval, difference, location, rate
from segtrain.audit.objects import compare_objects
from segtrain.audit.survey import Survey
from segtrain.types import IGNORE

__all__ = ["Accord", "Party", "parties_of"]


class Party(NamedTuple):
    """Those who drew some of the labels."""

    diagnosis: Diagnosis
    """Of these labels alone."""
    beside: tuple[Interval, ...]
    """(K,), pixels that each class is drawn farther outside than by the others, both seen from the model."""


def parties_of(survey: Survey, members: Mapping[str, np.ndarray], confidence: float = 0.95) -> dict[str, Party]:
    """Diagnose the labels of each party; one with fewer than eight noisy labels is left out.

    Args:
        survey: of the training set.
        members: name -> which samples the party drew, (N,) bool.
        confidence: of all parties together, in (0, 1).
    """
    noisy = (~survey.samples.clean & survey.samples.labelled).cpu().numpy()
    large = {name: own[noisy] for name, own in members.items() if (own & noisy).sum() >= LEAST}
    level = 1 - (1 - confidence) / max(1, len(large))
    offsets = survey.column("offset", clean=False).astype(np.float64)  # (n, K)
    found = {}
    for name, own in large.items():
        beside = tuple(difference(offsets[own, k], offsets[~own, k], level) for k in range(offsets.shape[1]))
        found[name] = Party(diagnose(_among(survey, members[name]), level), beside)
    return found


def _among(survey: Survey, own: np.ndarray) -> Survey:
    """Give the survey of a party's samples and of all clean ones, whose objects it keeps."""
    kept = torch.from_numpy(own) | survey.samples.clean.cpu()
    samples = survey.samples._replace(**{name: column[kept] for name, column in survey.samples._asdict().items()})
    return survey._replace(table=survey.table[kept.numpy()], samples=samples)


class Accord:
    """Several annotators of the same images, each beside the majority of the others; no model is asked.

    Args:
        names: of the annotators.
        num_classes: C, or K overlapping ones.
    """

    def __init__(self, names: list[str], num_classes: int) -> None:
        self.names = names
        self.num_classes = num_classes
        self._rows: dict[str, list[np.ndarray]] = {name: [] for name in names}

    def add(self, masks: Mapping[str, np.ndarray]) -> None:
        """Take in one image's masks, (H, W) class numbers or (K, H, W); two alone have no majority."""
        if len(masks) < 3:
            return
        planes = {name: self._planes(mask) for name, mask in masks.items()}
        say = {name: mask != IGNORE for name, mask in masks.items()}  # (H, W) or (K, H, W)
        drawn, asked = (np.sum(list(each.values()), axis=0, dtype=int) for each in (planes, say))
        for name, own in planes.items():
            others = asked - say[name]
            majority = 2 * (drawn - own) > others
            valid = say[name] & (others > 0)
            self._rows[name].append(self._beside(own, majority, valid if valid.ndim == 2 else valid.all(axis=0)))

    def _planes(self, mask: np.ndarray) -> np.ndarray:
        """Give a mask for each class, (K, H, W) bool; class 0 of exclusive ones is the surroundings, and left out."""
        if mask.ndim == 3:
            return np.asarray(mask == 1)
        numbers = np.arange(self.num_classes)[:, None, None]
        return np.asarray((mask == numbers) & (numbers > 0))

    def _beside(self, own: np.ndarray, majority: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Measure one mask of each class: offset, missing, objects of the majority, extra, own objects, (K, 5)."""
        counts = compare_objects(own & valid, majority & valid)
        drawn, meant = (np.where(planes, 1.0, -1.0).astype(np.float32) for planes in (own, majority))
        offsets = [
            displacement(*pair, valid).offset if (pair[0] > 0).any() and (pair[1] > 0).any() else np.nan
            for pair in zip(drawn, meant, strict=True)
        ]
        return np.stack([offsets, counts.missing, counts.predicted, counts.extra, counts.given], axis=1)

    def of(self, name: str, number: int, confidence: float = 0.95) -> dict[str, Interval]:
        """Give what an annotator does with a class: pixels "outside" the others' outlines, shares "missing", "extra".

        Empty where he drew nothing together with two others.
        """
        if not self._rows[name]:
            return {}
        offset, missing, meant, extra, drawn = np.stack(self._rows[name])[:, number].T
        return {
            "outside": location(offset, confidence),
            "missing": rate(missing, meant, confidence),
            "extra": rate(extra, drawn, confidence),
        }
