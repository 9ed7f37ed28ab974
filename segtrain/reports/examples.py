"""The example cards: an image, each label with the prediction's errors against it, and the prediction."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from segtrain.picture import BACKGROUND, class_colours
from segtrain.reports.folder import IGNORED, RunFolder
from segtrain.reports.overlays import error_layer, image_uri, label_layer, label_planes, read_label
from segtrain.reports.scores import number

__all__ = ["REFINED", "Example", "Pair", "examples"]

REFINED = {"helped": "Where post-processing helps most", "harmed": "Where it harms most"}
"""Kinds of examples that show what post-processing does: their cards compare it with the raw prediction."""
_MOST = 12  # of one kind
_OWN = ("image", "given", "prediction", "post")


class Pair(NamedTuple):
    """Two pictures, one above the other: a label and the errors against it."""

    title: str
    layer: str
    """A data URI; "" = the bare image."""
    below: str
    """The lower picture's title; "" = there is none."""
    below_layer: str
    below_is_error: bool = True
    score: str = ""


class Example(NamedTuple):
    """One test image as it is shown."""

    id: str
    image: str
    """A data URI."""
    width: int
    height: int
    pairs: list[Pair]
    score: str = ""
    """Its Dice, where no pair shows it."""
    ignored: bool = False
    """Whether any label ignores a pixel."""
    missing: str = ""
    """Why it cannot be shown."""


def examples(run: RunFolder, references: list[str], place: str = "test") -> dict[str, list[Example]]:
    """Read the example images and lay their labels over them: kind ("worst", "best", `REFINED`) -> cards.

    Args:
        run: the folder.
        references: their order; others found follow.
        place: "test", or "findings" for the training samples in which a strategy has found something.
    """
    content = run.examples if place == "test" else run.findings
    found: dict[str, list[Example]] = {}
    for entry in content.get("examples") or []:
        cards = found.setdefault(str(entry.get("kind") or "chosen"), [])
        if len(cards) < _MOST:
            cards.append(_example(run, run.path / place, entry, references))
    return found


def _example(run: RunFolder, place: Path, entry: dict[str, object], references: list[str]) -> Example:
    folder = place / str(entry["folder"])
    name = str(entry.get("id", folder.name))
    row = run.images[run.images["id"] == name] if "id" in run.images else run.images
    scores = {} if row.empty else {str(column): row.iloc[0][column] for column in row.columns}
    score = "" if "dice" in scores or "dice" not in entry else f"Dice {number('dice', _float(entry.get('dice')))}"
    try:
        image, width, height = image_uri(folder / "image.png")
        labels = {path.stem: read_label(path) for path in sorted(folder.glob("*.png")) if path.stem != "image"}
        drawing = _Drawing(run, labels)
        compared = entry.get("kind") in REFINED and "post" in drawing.planes
        pairs = _compared(drawing, scores) if compared else _pairs(drawing, references, scores)
    except (OSError, ValueError) as error:
        return Example(name, "", 1, 1, [], score, missing=f"Its pictures cannot be shown: {error}")
    return Example(name, image, width, height, pairs, score, drawing.ignored)


class _Drawing:
    """The labels of one image, ready to be drawn."""

    def __init__(self, run: RunFolder, labels: dict[str, np.ndarray]) -> None:
        overlapping = bool(run.examples.get("overlapping", run.overlapping))
        most = max((_top(label) for label in labels.values()), default=0)
        classes = run.classes or [f"class {number}" for number in range(most + 1)]
        self.colours = class_colours(classes)
        self.hidden = classes.index(BACKGROUND) if BACKGROUND in classes else None
        self.planes = {name: label_planes(label, len(classes), overlapping) for name, label in labels.items()}

    @property
    def ignored(self) -> bool:
        return any(bool(ignored.any()) for _, ignored in self.planes.values())

    def label(self, name: str) -> str:
        return label_layer(*self.planes[name], self.colours, self.hidden)

    def errors(self, truth: str, predicted: str) -> str:
        return error_layer(*self.planes[truth], self.planes[predicted][0], self.hidden)


def _pairs(drawing: _Drawing, references: list[str], scores: dict[str, object]) -> list[Pair]:
    names = drawing.planes
    others = [name for name in references if name in names and name not in _OWN]
    truths = [name for name in ("given",) if name in names] + others
    truths += [name for name in names if name not in truths and name not in _OWN]
    if "prediction" not in names:
        return [Pair("image", "", "", ""), *(Pair(_title(name), drawing.label(name), "", "") for name in truths)]
    pairs = [Pair("image", "", "prediction", drawing.label("prediction"), below_is_error=False)]
    for name in truths:
        score = _score(scores, "" if name == "given" else f"@{name}")
        errors = drawing.errors(name, "prediction")
        pairs.append(Pair(_title(name), drawing.label(name), f"errors vs {_title(name)}", errors, score=score))
    if "post" in names and truths:
        first = truths[0]
        score = _score(scores, "@post" if first == "given" else f"@{first}@post")
        below = f"its errors vs {_title(first)}"
        pairs.append(Pair("post-processed", drawing.label("post"), below, drawing.errors(first, "post"), score=score))
    return pairs


def _compared(drawing: _Drawing, scores: dict[str, object]) -> list[Pair]:
    """Put the raw and the post-processed prediction side by side, with their errors against the given label."""
    pairs = [Pair("image", "", "given label", drawing.label("given"), below_is_error=False)]
    for name, title, suffix in (("prediction", "raw prediction", ""), ("post", "post-processed", "@post")):
        errors = drawing.errors("given", name)
        pairs.append(Pair(title, drawing.label(name), "errors vs given label", errors, score=_score(scores, suffix)))
    return pairs


def _title(name: str) -> str:
    return "given label" if name == "given" else name


def _score(scores: dict[str, object], suffix: str) -> str:
    """Say what images.csv says of one image against one label."""
    dice, distance = _float(scores.get(f"dice{suffix}")), _float(scores.get(f"hd95{suffix}"))
    said = [] if dice is None else [f"Dice {number('dice', dice)}"]
    return ", ".join(said if distance is None else [*said, f"HD95 {number('hd95', distance)}"])


def _top(label: np.ndarray) -> int:
    return int(label[label != IGNORED].max(initial=0))


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float | np.number) else None
