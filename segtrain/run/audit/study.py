"""The sample of images from which an audit learns: what evidence needs to know, and what annotators do always."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from segtrain.audit import (
    Corrector,
    Diagnosis,
    Survey,
    diagnose,
    displacement,
    estimate_bias,
    habits,
    named,
    posterior,
    redraw,
    survey,
)
from segtrain.audit.evidence import Evidence, Look
from segtrain.audit.issue import apply_issues
from segtrain.audit.ranking import FAMILIES
from segtrain.audit.search import find_differences
from segtrain.audit.survey import margins
from segtrain.data.pixel_form import collate, complete
from segtrain.data.source import Source
from segtrain.seeds import derive_seed
from segtrain.types import CLASS_AXIS, IGNORE, Batch, Samples, Seen

__all__ = ["Learned", "StudyView", "chosen_rows", "learn", "seen_of"]


def chosen_rows(samples: Samples, most: int, seed: int) -> list[int]:
    """Choose labelled samples by chance, half of them clean ones if there are so many; in order."""
    rng = np.random.default_rng(derive_seed(seed))
    labelled, clean = samples.labelled.numpy(), samples.clean.numpy()
    trusted = rng.permutation(np.flatnonzero(labelled & clean))[: max(1, most // 2)]
    others = rng.permutation(np.flatnonzero(labelled & ~clean))[: most - len(trusted)]
    return sorted([*trusted.tolist(), *others.tolist()])


class StudyView:
    """A `TrainingView` of some samples; the evidence learns from what passes by when it is iterated.

    Args:
        source: all samples.
        rows: which.
        looks: gives the looks of rows.
        evidence: what learns.
        num_classes: C, or K overlapping ones.
    """

    def __init__(
        self,
        source: Source,
        rows: Sequence[int],
        looks: Callable[[Sequence[int]], Iterator[tuple[int, Look]]],
        evidence: Mapping[str, Evidence],
        num_classes: int,
    ) -> None:
        self._rows = list(rows)
        self._looks = looks
        self._evidence = evidence
        self.num_classes = num_classes
        chosen = torch.tensor(self._rows, dtype=torch.long)
        self.annotation_names: list[str] = []
        self.samples = Samples(*(column[chosen] for column in source.samples))

    @property
    def share(self) -> Sequence[int]:
        return range(len(self._rows))

    def __iter__(self) -> Iterator[Seen]:
        places = {row: place for place, row in enumerate(self._rows)}
        for row, look in self._looks(self._rows):
            for part in self._evidence.values():
                part.learn(look)
            yield seen_of(look, places[row], self.samples, self.num_classes)

    def settle(self) -> None:
        """Let the evidence make up its mind."""
        for part in self._evidence.values():
            part.settle()

    def gather(self, table: Tensor) -> Tensor:
        return table

    def annotations(self, index: int) -> dict[str, Tensor]:
        return {}

    def relabel(self, index: int, probs: Tensor, weight: Tensor) -> None:
        raise NotImplementedError("an audit rewrites no label of the training")


def seen_of(look: Look, index: int, samples: Samples, num_classes: int) -> Seen:
    """Give a look in the form of the training's contract, a batch of one.

    Args:
        look: an image.
        index: of the sample among `samples`.
        samples: what is known of each.
        num_classes: C, or K overlapping ones.
    """
    ignored = look.label == IGNORE
    weight = np.where(ignored if ignored.ndim == 2 else ignored.any(axis=0), 0, 255).astype(np.uint8)
    sample = Batch(
        image=torch.empty(0, *look.label.shape[-2:]),  # nobody looks at it
        target=torch.from_numpy(look.label),
        weight=torch.from_numpy(weight),
        clean=samples.clean[index],
        labelled=samples.labelled[index],
        annotator=samples.annotator[index],
        group=samples.group[index],
        index=torch.tensor(index),
    )
    batch = complete(collate([sample], num_classes), num_classes, look.label.ndim == 3, lambda image: image)
    return Seen(batch, torch.from_numpy(look.probs)[None])


class Learned(NamedTuple):
    """What the sample taught."""

    survey: Survey
    diagnosis: Diagnosis
    corrector: Corrector | None
    """None where there is nothing to undo for certain."""
    confidence: float

    def proven(self, annotator: int) -> np.ndarray | None:
        """Give how certain it is of each class, (K,), that what is taken off this annotator's outlines is none of it.

        Off by d on average, with an error s of that and of single outlines about it, an outline that is moved by d
        goes too far half of the time: E[max(0, d - N(d, s))] = s / sqrt(2 pi) of the d pixels are taken off wrongly.
        """
        if self.corrector is None:
            return None
        habit = self.corrector.habits.get(annotator, np.zeros_like(self.corrector.bias.displacement))
        bias = self.corrector.bias.of(habit)
        width = np.nan_to_num(self.corrector.bias.high - self.corrector.bias.low, posinf=0.0)
        spread = np.hypot(width / (2 * 1.96), self._unsteadiness(len(habit)))
        wrong = spread / np.sqrt(2 * np.pi) / np.maximum(np.abs(bias.displacement), 1e-6)
        return np.where(bias.significant, self.confidence * np.maximum(1 - wrong, 0.0), 0.0)

    def _unsteadiness(self, num_classes: int) -> np.ndarray:
        """Give by how many pixels outlines vary about what is usual, (K,), as far as that is for certain."""
        found = np.zeros(num_classes)
        for finding in self.diagnosis.found("unsteady", "shaky"):
            found[finding.number] = np.hypot(found[finding.number], finding.amount.value)
        return found

    def sentences(self, classes: Sequence[str]) -> list[str]:
        """Say what kind of noise the labels have."""
        found = [named(finding.why, classes) for finding in self.diagnosis.found()]
        return found or ["No kind of noise is for certain in the labels as a whole."]

    def suggestion(self, seen: Seen, look: Look) -> np.ndarray:
        """Give what a label should be, in its form.

        It is the prediction; or, where annotators have habits, the label rid of them, with the objects that the
        prediction misses in it or finds too many. The prediction is then rid of what the model has learned of the
        habits, and is all that a clean label is compared with.
        """
        prediction = look.probs.argmax(axis=CLASS_AXIS).astype(np.uint8)
        if self.corrector is None:
            return prediction
        given, predicted = (margins(part)[0] for part in (seen.batch.target, seen.probs))
        moved = np.where(self.corrector.bias.significant, self.corrector.bias.model, 0)
        field = np.broadcast_to(moved[:, None, None].astype(np.float32), predicted.shape)
        prediction = _label(redraw(predicted > 0, field, exclusive=prediction.ndim == 2))
        if look.clean:
            return prediction
        valid = (seen.batch.weight[0] > 0).numpy()
        offsets = [displacement(*pair, valid).offset for pair in zip(given, predicted, strict=True)]
        probs = self.corrector.label(seen, 0, np.array(offsets))
        if probs is None:
            return prediction
        objects = [i for i in find_differences(look.label, prediction) if i.kind in FAMILIES["objects"]]
        return apply_issues(_label(probs), prediction, objects)


def _label(probs: np.ndarray) -> np.ndarray:
    return probs.argmax(axis=CLASS_AXIS).astype(np.uint8)


def learn(view: StudyView, confidence: float = 0.95) -> Learned:
    """Look at the sample once: the evidence learns, and the labels are compared with clean ones, if there are any.

    Args:
        view: of the sample.
        confidence: that nothing is told of annotators where there is nothing, in (0, 1).
    """
    measured = survey(view, view.num_classes)
    view.settle()
    diagnosis = diagnose(measured, confidence)
    if not diagnosis.calibrated:
        return Learned(measured, diagnosis, None, confidence)
    own_habits = habits(measured, confidence)
    bias = estimate_bias(measured, confidence, habits=own_habits)
    corrector = Corrector(bias, posterior(measured, confidence), own_habits)
    undoes = bias.corrects.any() or corrector.confuses or own_habits
    return Learned(measured, diagnosis, corrector if undoes else None, confidence)
