"""CVAT's XML, read back as CVAT's importer does."""

import json
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest

from segtrain.data.export import CvatExport
from tests.data.pictures import CLASSES, FILES, drawn_classes, pictures, plane_of

KINDS = tuple(CLASSES)


def written(kind: str, folder: Path) -> Xml.Element:
    export = CvatExport(CLASSES[kind])
    for picture in pictures(kind):
        export.add(picture)
    export.write(folder)
    return Xml.parse(folder / "annotations.xml").getroot()


def decoded(mask: Xml.Element, height: int, width: int) -> np.ndarray:
    """Decode along the rows of the box, first the pixels outside."""
    left, top, columns, rows = (int(mask.attrib[name]) for name in ("left", "top", "width", "height"))
    values: list[bool] = []
    for place, count in enumerate(map(int, mask.attrib["rle"].split(","))):
        values += [place % 2 == 1] * count
    whole = np.zeros((height, width), bool)
    whole[top : top + rows, left : left + columns] = np.array(values).reshape(rows, columns)
    return whole


@pytest.mark.parametrize("kind", KINDS)
def test_cvat_holds_the_same_masks(kind: str, tmp_path: Path) -> None:
    root = written(kind, tmp_path)
    assert root.findtext("version") == "1.1"
    images = root.findall("image")
    assert [image.attrib["name"] for image in images] == list(FILES)
    assert [image.attrib["id"] for image in images] == ["0", "1", "2"]
    for image, picture in zip(images, pictures(kind), strict=True):
        assert (image.attrib["height"], image.attrib["width"]) == ("23", "31")
        for number in drawn_classes(kind):
            masks = [
                decoded(mask, 23, 31) for mask in image.findall("mask") if mask.attrib["label"] == CLASSES[kind][number]
            ]
            expected = plane_of(picture.label, number)
            np.testing.assert_array_equal(sum(masks, np.zeros_like(expected, int)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_findings_are_boxes_with_attributes(kind: str, tmp_path: Path) -> None:
    image = written(kind, tmp_path).findall("image")[0]
    boxes = image.findall("box")
    assert {box.attrib["label"] for box in boxes} == {"finding"}
    corners = [[boxes[0].attrib[name] for name in ("xtl", "ytl", "xbr", "ybr")] for _ in "x"]
    assert corners == [["0", "0", "9", "11"]]
    about = {field.attrib["name"]: field.text for field in boxes[2].findall("attribute")}
    assert about == {"issue": f"{FILES[0]}#2", "kind": "extra", "score": "0.95", "decision": "rejected"}
    touched = [mask for mask in image.findall("mask") if mask.findall("attribute")]
    assert [(mask.attrib["top"], mask.attrib["left"], mask.find("attribute").text) for mask in touched] == [  # type: ignore[union-attr]
        ("0", "0", f"{FILES[0]}#0")
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_labels_take_every_attribute_that_is_given(kind: str, tmp_path: Path) -> None:
    root = written(kind, tmp_path)
    labels = json.loads((tmp_path / "cvat_labels.json").read_text(encoding="utf-8"))
    names = [CLASSES[kind][number] for number in drawn_classes(kind)]
    assert [label["name"] for label in labels] == [*names, "finding"]
    assert [label.findtext("name") for label in root.findall("meta/task/labels/label")] == [*names, "finding"]
    for shape in [*root.iter("mask"), *root.iter("box")]:
        label = next(label for label in labels if label["name"] == shape.attrib["label"])
        for field in shape.findall("attribute"):
            spec = next(spec for spec in label["attributes"] if spec["name"] == field.attrib["name"])
            assert spec["input_type"] == "text" or field.text in spec["values"]
