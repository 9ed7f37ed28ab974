"""The flat scores of metrics.json, sorted: which metric, of which class, against which label, raw or refined."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["Against", "Scores", "better_when_low", "number", "read_scores", "spoken"]

_NAMES = {
    "dice": "Dice",
    "iou": "IoU",
    "image_dice": "Dice, mean over images",
    "image_iou": "IoU, mean over images",
    "boundary_f1": "Boundary F1",
    "hd95": "HD95 (pixels)",
    "precision": "Precision",
    "recall": "Recall",
    "accuracy": "Accuracy",
    "fw_iou": "IoU, frequency-weighted",
    "ece": "Calibration error (ECE)",
    "loss": "Loss",
}
_LOW = ("ece", "hd", "loss", "assd", "asd", "msd", "brier", "nll", "error")


class Against(NamedTuple):
    """What a score compares: the prediction (`post`: after post-processing) with the given label or a reference."""

    reference: str
    """"" = the given label."""
    post: bool

    @classmethod
    def parse(cls, suffix: str) -> "Against":
        """Read a key's ending.

        >>> Against.parse("@expert@post")
        Against(reference='expert', post=True)
        """
        post = suffix.endswith("@post")
        return cls(suffix.removesuffix("@post").removeprefix("@"), post)

    @property
    def suffix(self) -> str:
        return (f"@{self.reference}" if self.reference else "") + ("@post" if self.post else "")

    @property
    def label(self) -> str:
        return self.reference or "given label"

    @property
    def title(self) -> str:
        return self.label + (", post-processed" if self.post else "")


@dataclass
class Scores:
    """The scores of one split."""

    against: list[Against] = field(default_factory=list)
    """Every comparison there is: the given label first, each raw before post-processed."""
    means: dict[str, dict[Against, float]] = field(default_factory=dict)
    """By metric."""
    classes: dict[str, dict[str, dict[Against, float]]] = field(default_factory=dict)
    """By metric, then by class."""

    @property
    def references(self) -> list[str]:
        return list(dict.fromkeys(against.reference for against in self.against))


def read_scores(metrics: Mapping[str, Any], classes: Sequence[str] = (), split: str = "test") -> Scores:
    """Sort flat scores such as "test/dice", "test/dice@expert@post" and "test/dice/<class>@expert".

    Args:
        metrics: name -> number; what is no number, or of another split, is left out.
        classes: their names, which may hold "@" and "/".
        split: the first part of the names wanted.
    """
    scores, seen = Scores(), []
    for key, value in metrics.items():
        head, _, rest = key.partition("/")
        if head != split or isinstance(value, bool) or not isinstance(value, int | float | None):
            continue
        metric, name, suffix = _split_key(rest, classes)
        against = Against.parse(suffix)
        seen.append(against)
        of = scores.classes.setdefault(metric, {}).setdefault(name, {}) if name else scores.means.setdefault(metric, {})
        of[against] = math.nan if value is None else float(value)
    order = list(dict.fromkeys(["", *(against.reference for against in seen)]))
    scores.against = sorted(set(seen), key=lambda against: (order.index(against.reference), against.post))
    scores.means = {metric: scores.means[metric] for metric in _in_order(scores.means)}
    scores.classes = {metric: scores.classes[metric] for metric in _in_order(scores.classes)}
    return scores


def spoken(metric: str) -> str:
    """Give a metric's name for people."""
    return _NAMES.get(metric, metric.replace("_", " ").capitalize())


def better_when_low(metric: str) -> bool:
    """Say whether less of it is better, as with distances and errors."""
    return metric.startswith(_LOW)


def number(metric: str, value: float | None, sign: bool = False) -> str:
    """Write a score: pixels with one decimal, shares with three; undefined ones are "n/a".

    >>> number("dice", 0.87654), number("hd95", 12.34), number("dice", float("nan"))
    ('0.877', '12.3', 'n/a')
    """
    if value is None or not math.isfinite(value):
        return "n/a" if value is None or math.isnan(value) else "inf"
    digits = 1 if metric.startswith("hd") else 3
    rounded = round(value, digits) + 0.0  # + 0.0 turns a rounded -0.0 into 0.0
    return f"{rounded:{'+' if sign and rounded else ''}.{digits}f}"


def _in_order(found: Mapping[str, Any]) -> list[str]:
    known = list(_NAMES)
    return sorted(found, key=lambda metric: known.index(metric) if metric in known else len(known))


def _split_key(key: str, classes: Sequence[str]) -> tuple[str, str, str]:
    """Cut "dice/<class>@<reference>" into metric, class ("" = the mean) and suffix ("" = the given label)."""
    end = min((key.index(mark) for mark in "@/" if mark in key), default=len(key))
    metric, rest = key[:end], key[end:]
    if not rest.startswith("/"):
        return metric, "", rest
    rest = rest[1:]
    for name in sorted(classes, key=len, reverse=True):
        if rest == name or rest.startswith(f"{name}@"):
            return metric, name, rest[len(name) :]
    name, mark, suffix = rest.partition("@")
    return metric, name, mark + suffix
