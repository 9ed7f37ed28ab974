"""Label Studio's tasks: brush masks decoded bit by bit as its format says, and the labelling config."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as Xml

import numpy as np
import pytest

from segtrain.data.export import LabelStudioExport, objects
from segtrain.data.export.label_studio import brush_bytes
from tests.data.pictures import CLASSES, FILES, drawn_classes, pictures, plane_of

KINDS = tuple(CLASSES)


def written(kind: str, folder: Path) -> list[dict[str, Any]]:
    export = LabelStudioExport(CLASSES[kind])
    for picture in pictures(kind):
        export.add(picture)
    export.write(folder)
    return list(json.loads((folder / "label_studio.json").read_text(encoding="utf-8")))


class Bits:
    """Reads numbers of any count of bits."""

    def __init__(self, content: list[int]) -> None:
        self.text = "".join(f"{byte:08b}" for byte in content)
        self.place = 0

    def read(self, count: int) -> int:
        self.place += count
        return int(self.text[self.place - count : self.place], 2)


def decoded(content: list[int], height: int, width: int) -> np.ndarray:
    """Decode a brush: each run starts with whether its values are all the same, and the size of its length."""
    bits = Bits(content)
    count, word = bits.read(32), bits.read(5) + 1
    sizes = [bits.read(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < count:
        same, length = bits.read(1), 1 + bits.read(sizes[bits.read(2)])
        values += [bits.read(word)] * length if same else [bits.read(word) for _ in range(length)]
    assert len(values) == count == 4 * height * width
    assert len(bits.text) - bits.place < 8
    channels = np.array(values).reshape(height, width, 4)
    assert (channels == channels[..., :1]).all()
    return channels[..., 3] == 255


@pytest.mark.parametrize("kind", KINDS)
def test_brushes_hold_the_same_masks(kind: str, tmp_path: Path) -> None:
    tasks = written(kind, tmp_path)
    assert [unquote(task["data"]["image"]) for task in tasks] == [f"/data/local-files/?d={file}" for file in FILES]
    for task, picture in zip(tasks, pictures(kind), strict=True):
        results = task["predictions"][0]["result"]
        assert len({result["id"] for result in results}) == len(results)
        for number in drawn_classes(kind):
            values = [result["value"] for result in results if result["from_name"] == "label"]
            masks = [
                decoded(value["rle"], 23, 31) for value in values if value["brushlabels"] == [CLASSES[kind][number]]
            ]
            expected = plane_of(picture.label, number)
            np.testing.assert_array_equal(sum(masks, np.zeros_like(expected, int)), expected)


def test_runs_of_every_length() -> None:
    """More than 2^16 values in a run, and runs of each size's limits."""
    label = np.zeros((200, 300), np.uint8)
    for row, length in enumerate((1, 2, 3, 4, 5, 64, 65, 299, 300)):
        label[2 * row, :length] = 1
    label[100:170] = 1
    picture = pictures("exclusive")[0]._replace(label=label, findings=[])
    masks = [decoded(brush_bytes(drawn, 200, 300), 200, 300) for drawn in objects(picture, [1])]
    np.testing.assert_array_equal(sum(masks, np.zeros_like(label, int)), label)


@pytest.mark.parametrize("kind", KINDS)
def test_findings_are_rectangles_and_all_labels_are_in_the_config(kind: str, tmp_path: Path) -> None:
    tasks = written(kind, tmp_path)
    found = [result for result in tasks[0]["predictions"][0]["result"] if result["from_name"] == "finding"]
    assert [result["value"]["rectanglelabels"] for result in found] == [["wide"], ["missing"], ["extra"], ["unusable"]]
    value = found[0]["value"]
    assert [round(value[name] / 100 * side) for name, side in (("width", 31), ("height", 23))] == [9, 11]
    assert found[0]["score"] == 0.9
    assert found[0]["meta"]["kind"] == "wide"
    assert tasks[0]["predictions"][0]["score"] == 0.95
    view = Xml.parse(tmp_path / "label_studio.xml").getroot()
    known = {tag.attrib["name"]: {label.attrib["value"] for label in tag} for tag in view if tag.tag.endswith("Labels")}
    for result in (result for task in tasks for result in task["predictions"][0]["result"]):
        assert set(result["value"][result["type"]]) <= known[result["from_name"]]
        assert (result["to_name"], result["original_width"], result["original_height"]) == ("image", 31, 23)
    assert view.find("Image").attrib["name"] == "image"  # type: ignore[union-attr]
