"""Label Studio: tasks with the corrected labels as predictions, and the config of its labelling interface."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as Xml

import numpy as np

from segtrain.audit.issue import ISSUE_KINDS
from segtrain.data.export.base import DrawnObject, Export, Finding, Picture, objects, runs
from segtrain.picture import class_colours

__all__ = ["LabelStudioExport", "brush_bytes"]

_LOCAL = "/data/local-files/?d="
"""How Label Studio names a file below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, which data.root has to be."""
_WORD = 8
_SIZES = (3, 4, 8, 16)
"""Bits that the length of a run may have."""
_CHANNELS = 4
"""Its brush is a picture of red, green, blue and opacity, all alike."""


class LabelStudioExport(Export):
    """Writes `label_studio.json` (tasks to import) and `label_studio.xml` (the labelling config of the project).

    Objects are brush masks, exact to the pixel and with their holes; findings are rectangles labelled by their kind,
    with score and decision in "meta".
    """

    def __init__(self, classes: list[str]) -> None:
        super().__init__(classes)
        self.tasks: list[dict[str, Any]] = []

    def add(self, picture: Picture) -> None:
        drawn = [_brush(each, picture, self.classes) for each in objects(picture, list(self.drawn))]
        found = [_rectangle(finding, picture) for finding in picture.findings]
        score = max((finding.issue.score for finding in picture.findings), default=0.0)
        results = [{"id": f"r{place}", **result} for place, result in enumerate([*drawn, *found])]
        prediction = {"model_version": "segtrain", "score": round(score, 4), "result": results}
        self.tasks.append({"data": {"image": _LOCAL + quote(picture.file)}, "predictions": [prediction]})

    def write(self, folder: Path) -> None:
        (folder / "label_studio.json").write_text(json.dumps(self.tasks), encoding="utf-8")
        view = Xml.Element("View")
        Xml.SubElement(view, "Image", name="image", value="$image", zoom="true")
        brush = Xml.SubElement(view, "BrushLabels", name="label", toName="image")
        for number, name in self.drawn.items():
            Xml.SubElement(brush, "Label", value=name, background=class_colours(self.classes)[number])
        found = Xml.SubElement(view, "RectangleLabels", name="finding", toName="image")
        for kind in ISSUE_KINDS:
            Xml.SubElement(found, "Label", value=kind, background="#ff8800")
        Xml.indent(view)
        Xml.ElementTree(view).write(folder / "label_studio.xml", encoding="utf-8")


def _brush(drawn: DrawnObject, picture: Picture, classes: list[str]) -> dict[str, Any]:
    value = {"format": "rle", "rle": brush_bytes(drawn, *picture.size), "brushlabels": [classes[drawn.number]]}
    about = _about(drawn.finding) if drawn.finding else {}
    return {"type": "brushlabels", "from_name": "label", **_place(picture), "value": value, **about}


def _rectangle(finding: Finding, picture: Picture) -> dict[str, Any]:
    (left, top, width, height), (rows, columns) = finding.box, picture.size
    percent = {"x": left / columns, "y": top / rows, "width": width / columns, "height": height / rows}
    value: dict[str, Any] = {name: 100 * share for name, share in percent.items()}
    value |= {"rotation": 0, "rectanglelabels": [finding.issue.kind]}
    return {"type": "rectanglelabels", "from_name": "finding", **_place(picture), "value": value, **_about(finding)}


def _place(picture: Picture) -> dict[str, Any]:
    height, width = picture.size
    return {"to_name": "image", "original_width": width, "original_height": height, "image_rotation": 0}


def _about(finding: Finding) -> dict[str, Any]:
    about = finding.about
    text = f"{about['issue']}: {about['kind']}, score {about['score']}, {about['decision']}"
    return {"score": about["score"], "meta": {"text": [text], **about}}


def brush_bytes(drawn: DrawnObject, height: int, width: int) -> list[int]:
    """Give an object in its image as Label Studio's run lengths, packed into bits.

    First how many values there are (32 bits), the bits of a value less one (5), and the bits of each of four sizes
    of lengths less one (4 each); then of every run a 1, which size its length has (2 bits), the length less one,
    and the value (8 bits); at the end zeros up to a whole byte.
    """
    header = [(height * width * _CHANNELS, 32), (_WORD - 1, 5), *((size - 1, 4) for size in _SIZES)]
    bounds = [0, *runs(drawn.mask, drawn.top, drawn.left, width).ravel().tolist(), height * width]
    fields = list(header)
    for place, (start, end) in enumerate(pairwise(bounds)):
        for length in _pieces(_CHANNELS * (end - start)):
            size = next(number for number, bits in enumerate(_SIZES) if length <= 1 << bits)
            fields += [(1, 1), (size, 2), (length - 1, _SIZES[size]), (255 * (place % 2), _WORD)]
    bits = "".join(f"{value:0{count}b}" for value, count in fields)
    return np.packbits(np.frombuffer(bits.encode(), np.uint8) - ord("0")).tolist()


def _pieces(length: int) -> Iterator[int]:
    """Cut a run into pieces whose length fits the largest size."""
    most = 1 << _SIZES[-1]
    while length > 0:
        yield min(length, most)
        length -= most
