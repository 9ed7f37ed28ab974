"""COCO and FiftyOne files, decoded here by a loop of their own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import label as components

from segtrain.audit.issue import encode_mask
from segtrain.data.export import CocoExport, FiftyOneExport, objects
from segtrain.data.export.coco import run_lengths
from tests.data.pictures import CLASSES, FILES, drawn_classes, pictures, plane_of

KINDS = tuple(CLASSES)


def decoded(segmentation: dict[str, Any]) -> np.ndarray:
    """Decode as COCO says it: down the columns, runs of 0 and 1 in turn."""
    height, width = segmentation["size"]
    mask = np.zeros((height, width), bool)
    place, inside = 0, False
    for count in segmentation["counts"]:
        for pixel in range(place, place + count):
            mask[pixel % height, pixel // height] = inside
        place, inside = place + count, not inside
    assert place == height * width
    return mask


def written(kind: str, folder: Path, export: type[CocoExport] = CocoExport) -> dict[str, Any]:
    made = export(CLASSES[kind])
    for picture in pictures(kind):
        made.add(picture)
    made.write(folder)
    return dict(json.loads((folder / made.file).read_text(encoding="utf-8")))


@pytest.mark.parametrize("kind", KINDS)
def test_coco_holds_the_same_masks(kind: str, tmp_path: Path) -> None:
    content = written(kind, tmp_path)
    assert [image["file_name"] for image in content["images"]] == list(FILES)
    assert {image["width"] for image in content["images"]} == {31}
    assert [category["id"] for category in content["categories"]] == drawn_classes(kind)
    assert len({each["id"] for each in content["annotations"]}) == len(content["annotations"])
    for image, picture in zip(content["images"], pictures(kind), strict=True):
        for number in drawn_classes(kind):
            own = [
                each
                for each in content["annotations"]
                if (each["image_id"], each["category_id"]) == (image["id"], number)
            ]
            masks = [decoded(each["segmentation"]) for each in own]
            expected = plane_of(picture.label, number)
            np.testing.assert_array_equal(sum(masks, np.zeros_like(expected, int)), expected)
            assert len(own) == components(expected, np.ones((3, 3)))[1]
            for each, mask in zip(own, masks, strict=True):
                rows, columns = np.nonzero(mask)
                box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
                assert (each["bbox"], each["area"], each["iscrowd"]) == (box, mask.sum(), 0)


@pytest.mark.parametrize("kind", KINDS)
def test_run_lengths_are_those_of_the_whole_image(kind: str) -> None:
    for picture in pictures(kind):
        for drawn in objects(picture, drawn_classes(kind)):
            whole = np.zeros(picture.size, bool)
            left, top, width, height = drawn.box
            whole[top : top + height, left : left + width] = drawn.mask
            assert run_lengths(drawn, *picture.size) == encode_mask(whole)
    everything = next(objects(picture._replace(label=np.ones((4, 3), np.uint8), findings=[]), [1]))
    assert run_lengths(everything, 4, 3) == [0, 12]


@pytest.mark.parametrize("kind", KINDS)
def test_objects_name_the_finding_that_touches_them(kind: str, tmp_path: Path) -> None:
    content = written(kind, tmp_path)
    first = [each for each in content["annotations"] if each["image_id"] == 1]
    corner = next(each for each in first if each["bbox"] == [0, 0, 7, 9])
    assert corner["attributes"] == {"issue": f"{FILES[0]}#0", "kind": "wide", "score": 0.9, "decision": "accepted"}
    line = next(each for each in first if each["bbox"][2] == 31 or each["bbox"][1] == 12)
    assert "attributes" not in line  # a rejected finding is none
    assert [issue["decision"] for issue in content["issues"][:4]] == [
        "accepted",
        "accepted by score",
        "rejected",
        "open",
    ]
    assert content["issues"][0]["bbox"] == [0, 0, 9, 11]
    assert len(content["issues"]) == 8


def test_a_finding_of_another_overlapping_class_touches_nothing(tmp_path: Path) -> None:
    content = written("overlapping", tmp_path)
    assert {each["category_id"] for each in content["annotations"] if "attributes" in each} == {0}


@pytest.mark.parametrize("kind", KINDS)
def test_fiftyone_gets_findings_as_labels(kind: str, tmp_path: Path) -> None:
    coco, content = written(kind, tmp_path), written(kind, tmp_path, FiftyOneExport)
    finding = content["categories"][-1]
    assert finding == {"id": len(CLASSES[kind]), "name": "finding", "supercategory": ""}
    own = [each for each in content["annotations"] if each["category_id"] == finding["id"]]
    assert [(each["issue"], each["kind"], each["decision"]) for each in own] == [
        (issue["issue"], issue["kind"], issue["decision"]) for issue in coco["issues"]
    ]
    findings = [finding for picture in pictures(kind) for finding in picture.findings]
    for each, found in zip(own, findings, strict=True):
        expected = np.zeros((23, 31), bool)
        expected[found.issue.window] = found.issue.mask
        np.testing.assert_array_equal(decoded(each["segmentation"]), expected)
    masks = [each["segmentation"] for each in content["annotations"] if each["category_id"] != finding["id"]]
    assert masks == [each["segmentation"] for each in coco["annotations"]]
    assert "issues" in content
