"""What kind of noise labels have: how much of each, how certain it is, and a sentence that says why."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from segtrain.audit.bias import MARGIN
from segtrain.audit.contrast import Contrast
from segtrain.audit.intervals import Interval
from segtrain.audit.survey import Survey

__all__ = ["KINDS", "Diagnosis", "Finding", "Kind", "diagnose", "judged", "named"]


class Kind(NamedTuple):
    """A kind of noise."""

    unit: str
    """Of its amount: pixels, or the share of pixels, of the outline's pixels or of objects."""
    least: float
    """How much of it is worth a name."""
    alone: float
    """How much there has to be for certain, where no clean samples tell the model's error apart; infinite if labels
    alone cannot tell."""
    sentence: str
    """What is said when it is found."""
    margin: float = 0.0
    """What the interval has to exceed."""


KINDS = {
    "wide": Kind("pixels", 0.3, np.inf, "outlines lie {amount} pixels outside the true ones", MARGIN),
    "tight": Kind("pixels", 0.3, np.inf, "outlines lie {amount} pixels inside the true ones", MARGIN),
    "unsteady": Kind(
        "pixels", 0.5, np.inf, "outlines lie now outside, now inside of the true ones, by {amount} pixels"
    ),
    "shaky": Kind("pixels", 0.5, np.inf, "outlines wander about the true ones by {amount} pixels"),
    "displaced": Kind("pixels", 0.7, np.inf, "objects are drawn {amount} pixels beside where they are"),
    "ragged": Kind("share of the outline", 0.05, 0.3, "{amount} of the pixels along outlines are teeth"),
    "random pixels": Kind("share of the pixels", 0.003, 0.005, "{amount} of the pixels differ from all around them"),
    "missing": Kind("share of the objects", 0.04, 0.12, "{amount} of the objects are not drawn"),
    "extra": Kind("share of the objects", 0.04, 0.12, "{amount} of the drawn objects are none"),
    "swapped": Kind("share of the objects", 0.04, 0.12, "{amount} of the objects are taken for another class"),
}
"""Name -> kind, in the order in which they are told."""
QUESTIONS = 5
"""Asked of each class: where its outlines lie, how they vary, how rough they are, which objects are there, which class
they are of. The kinds that answer one exclude each other; each has one limit that counts, the lower one."""


class Finding(NamedTuple):
    """How much of one kind of noise there is in one class."""

    kind: str
    number: int
    """The class."""
    amount: Interval
    """In the kind's unit; limits are infinite where nothing is known."""
    found: bool
    """Certain, and worth a name."""
    why: str
    """One sentence."""

    def as_dict(self) -> dict[str, object]:
        """Give plain numbers, for a file; an unknown one is None."""
        numbers = {name: float(value) if np.isfinite(value) else None for name, value in self.amount._asdict().items()}
        about = {"kind": self.kind, "class": self.number, "unit": KINDS[self.kind].unit}
        return {**about, **numbers, "found": self.found, "why": self.why}


class Diagnosis(NamedTuple):
    """Every kind of noise in every class."""

    findings: tuple[Finding, ...]
    calibrated: bool
    """Whether clean samples told the model's own error apart."""

    def found(self, *kinds: str) -> list[Finding]:
        """Give what was found of these kinds (of all, if none is named), class by class."""
        return [finding for finding in self.findings if finding.found and (not kinds or finding.kind in kinds)]

    def as_dict(self) -> dict[str, object]:
        """Give plain numbers and sentences, for a file."""
        return {"calibrated": self.calibrated, "findings": [finding.as_dict() for finding in self.findings]}


def diagnose(survey: Survey, confidence: float = 0.95) -> Diagnosis:
    """Tell the kinds of noise from what a model shows on noisy and on clean samples.

    Every amount is what the noisy samples show beyond the clean ones: the model's own error, which is in both, is
    not read as noise. What annotators do by chance shows where their labels differ from the prediction. What they
    do always the model does too, so that it shows on the clean samples, where the prediction differs from the truth.
    Without clean samples only what labels show by themselves, or what is more than models err, is named.

    Args:
        survey: of a model trained on the noisy samples alone, and not for so long that it knows them by heart.
        confidence: that nothing at all is found where there is nothing, in (0, 1); intervals are made so wide.
    """
    calibrated = bool((survey.samples.clean & survey.samples.labelled).any())
    drawn = np.nan_to_num(survey.column("given", clean=False)).sum(0) + np.nan_to_num(
        survey.column("given", clean=True)
    ).sum(0)
    classes = np.flatnonzero(drawn > 0).tolist()
    level = 1 - 2 * (1 - confidence) / max(1, len(classes) * QUESTIONS)
    findings = []
    for number in classes:
        amounts = _amounts(Contrast(survey, number, calibrated, level))
        findings += [judged(kind, number, amounts[kind], calibrated) for kind in KINDS]
    return Diagnosis(tuple(findings), calibrated)


def _amounts(contrast: Contrast) -> dict[str, Interval]:
    """Give the amount of each kind in one class."""
    displacement = contrast.displacement()
    sway, along, whole = contrast.variation()
    return {
        "wide": displacement,
        "tight": Interval(-displacement.value, -displacement.high, -displacement.low),
        "unsteady": sway,
        "shaky": along,
        "displaced": whole,
        "ragged": contrast.more("teeth"),
        "random pixels": contrast.more("speckle"),
        "missing": _surer(contrast.rate("missing", "predicted"), contrast.rate("extra", "given", on_clean=True)),
        "extra": _surer(contrast.rate("extra", "given"), contrast.rate("missing", "predicted", on_clean=True)),
        "swapped": _surer(contrast.rate("swapped", "given"), contrast.rate("swapped", "given", on_clean=True)),
    }


def _surer(by_chance: Interval, always: Interval) -> Interval:
    """Give the larger of what happens by chance, seen on noisy samples, and of habit, seen on clean ones."""
    return always if always.low > by_chance.low else by_chance


def judged(kind: str, number: int, amount: Interval, calibrated: bool) -> Finding:
    """Say of an amount whether it is certain, and worth a name."""
    about = KINDS[kind]
    certain = about.margin if calibrated else about.alone
    found = bool(amount.low > certain and amount.value >= about.least)
    value, low, high = (f"{100 * part:.3g} %" if about.unit.startswith("share") else f"{part:.1f}" for part in amount)
    if not np.isfinite(amount.low) or not np.isfinite(amount.value):
        why = f"class {number}, {kind}: nothing can be told"
    elif found:
        why = f"class {number}: {about.sentence.format(amount=value)} ({low} to {high})"
    else:
        why = f"class {number}, {kind}: {value} ({low} to {high}) is none, or too little to tell from none"
    return Finding(kind, number, amount, found, why if calibrated else f"{why}, the model's own error included")


def named(sentence: str, classes: Sequence[str]) -> str:
    """Put the names of classes in the place of their numbers.

    >>> named("class 1: wide", ["background", "cell"])
    'cell: wide'
    """
    return re.sub(r"\bclass (\d+)\b", lambda match: classes[int(match[1])], sentence)
