"""CVAT: "CVAT for images 1.1", to be uploaded as annotations to a task of the same images."""

import json
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as Xml

from segtrain.audit.issue import ISSUE_KINDS, encode_mask
from segtrain.data.export.base import DECISIONS, Export, Picture, objects
from segtrain.picture import class_colours

__all__ = ["FINDING", "CvatExport"]

FINDING = "finding"
"""The label of findings, beside the classes."""
_NONE = "none"
_ATTRIBUTES = {
    "issue": ("text", [""]),
    "kind": ("select", [_NONE, *ISSUE_KINDS]),
    "score": ("text", [""]),
    "decision": ("select", [_NONE, *DECISIONS.values()]),
}
"""Attribute -> how CVAT has it entered, and the values it takes."""


class CvatExport(Export):
    """Writes `annotations.xml`, and `cvat_labels.json` for the task's "Raw" labels.

    Objects are masks, findings are boxes of the label "finding": both have a finding's issue, kind, score and
    decision as attributes. CVAT matches images by their names, so several masks of one image come together there.
    """

    def __init__(self, classes: list[str]) -> None:
        super().__init__(classes)
        self.root = Xml.Element("annotations")
        _text(self.root, "version", "1.1")
        self.meta = Xml.SubElement(self.root, "meta")
        self.count = 0

    def add(self, picture: Picture) -> None:
        height, width = picture.size
        place = {"id": self.count, "name": picture.file, "width": width, "height": height}
        image = Xml.SubElement(self.root, "image", _strings(place))
        self.count += 1
        for drawn in objects(picture, list(self.drawn)):
            left, top, width, height = drawn.box
            box = {"left": left, "top": top, "width": width, "height": height}
            lengths = ", ".join(map(str, encode_mask(drawn.mask.T)))  # along the rows
            shape = {"label": self.classes[drawn.number], "source": "file", "occluded": 0, "rle": lengths, **box}
            _attributes(Xml.SubElement(image, "mask", _strings({**shape, "z_order": 0})), drawn.about)
        for finding in picture.findings:
            left, top, width, height = finding.box
            corners = {"xtl": left, "ytl": top, "xbr": left + width, "ybr": top + height}
            shape = {"label": FINDING, "source": "file", "occluded": 0, **corners, "z_order": 1}
            _attributes(Xml.SubElement(image, "box", _strings(shape)), finding.about)

    def write(self, folder: Path) -> None:
        self.meta.clear()
        task = Xml.SubElement(self.meta, "task")
        _text(task, "size", self.count)
        _text(task, "mode", "annotation")
        labels = Xml.SubElement(task, "labels")
        colours = class_colours(self.classes)
        kinds = {self.classes[number]: ("mask", colours[number]) for number in self.drawn} | {
            FINDING: ("any", "#ff8800")
        }
        raw = []
        for name, (kind, colour) in kinds.items():
            label = Xml.SubElement(labels, "label")
            for key, value in (("name", name), ("color", colour), ("type", kind)):
                _text(label, key, value)
            fields = Xml.SubElement(label, "attributes")
            for attribute in _fields():
                entry = Xml.SubElement(fields, "attribute")
                for key, setting in attribute.items():
                    _text(entry, key, "\n".join(setting) if isinstance(setting, list) else setting)
            raw.append({"name": name, "color": colour, "type": kind, "attributes": _fields()})
        Xml.indent(self.root)
        Xml.ElementTree(self.root).write(folder / "annotations.xml", encoding="utf-8", xml_declaration=True)
        (folder / "cvat_labels.json").write_text(json.dumps(raw, indent=2) + "\n", encoding="utf-8")


def _fields() -> list[dict[str, object]]:
    return [
        {"name": name, "mutable": False, "input_type": kind, "default_value": values[0], "values": values}
        for name, (kind, values) in _ATTRIBUTES.items()
    ]


def _attributes(parent: Xml.Element, about: Mapping[str, object]) -> None:
    for name, value in about.items():
        Xml.SubElement(parent, "attribute", {"name": name}).text = str(value)


def _text(parent: Xml.Element, tag: str, value: object) -> None:
    Xml.SubElement(parent, tag).text = str(value)


def _strings(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
