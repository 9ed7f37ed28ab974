"""COCO: instances in one JSON file, which most tools and training codes read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segtrain.data.export.base import DrawnObject, Export, Picture, objects, runs

__all__ = ["CocoExport", "run_lengths"]


class CocoExport(Export):
    """Writes `coco.json`.

    An object's mask is in uncompressed run lengths (pycocotools: `frPyObjects`). The object that a finding touches
    has it under "attributes"; all findings, also those that touch no object any more, are listed under "issues".
    """

    file = "coco.json"

    def __init__(self, classes: list[str]) -> None:
        super().__init__(classes)
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []

    @property
    def categories(self) -> list[dict[str, Any]]:
        """Ids are class numbers."""
        return [{"id": number, "name": name, "supercategory": ""} for number, name in self.drawn.items()]

    def add(self, picture: Picture) -> None:
        height, width = picture.size
        number = len(self.images) + 1
        self.images.append({"id": number, "file_name": picture.file, "width": width, "height": height})
        for drawn in objects(picture, list(self.drawn)):
            self._annotate(drawn, number, picture.size, {"attributes": drawn.about} if drawn.about else {})
        for finding in picture.findings:
            place = {"image_id": number, "category_id": finding.issue.number, "bbox": list(finding.box)}
            change = {"given": finding.issue.given, "suggested": finding.issue.suggested}
            self.issues.append({**finding.about, **place, **change, "area": finding.issue.area})

    def write(self, folder: Path) -> None:
        parts = {"images": self.images, "categories": self.categories, "annotations": self.annotations}
        (folder / self.file).write_text(json.dumps({**parts, "issues": self.issues}), encoding="utf-8")

    def _annotate(self, drawn: DrawnObject, image: int, size: tuple[int, int], about: Mapping[str, Any]) -> None:
        annotation = {
            "id": len(self.annotations) + 1,
            "image_id": image,
            "category_id": drawn.number,
            "segmentation": {"size": list(size), "counts": run_lengths(drawn, *size)},
            "bbox": list(drawn.box),
            "area": int(drawn.mask.sum()),
            "iscrowd": 0,
        }
        self.annotations.append({**annotation, **about})


def run_lengths(drawn: DrawnObject, height: int, width: int) -> list[int]:
    """Give the run lengths of an object in its image: down the columns, first the pixels outside."""
    bounds = runs(drawn.mask.T, drawn.left, drawn.top, height).ravel()
    counts = np.diff(bounds, prepend=0, append=height * width).tolist()
    return counts if counts[-1] else counts[:-1]
