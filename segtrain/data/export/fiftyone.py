"""FiftyOne: a file in COCO's layout that its importer reads as it is, findings and all."""

from typing import Any

from segtrain.data.export.base import DrawnObject, Picture, objects
from segtrain.data.export.coco import CocoExport

__all__ = ["FINDING", "FiftyOneExport"]

FINDING = "finding"
"""The category of findings, beside the classes."""


class FiftyOneExport(CocoExport):
    """Writes `fiftyone.json`; images stay where they are, and the package `fiftyone` is not needed to write it.

    FiftyOne takes for a label's attributes what an annotation has beside COCO's own keys, and keeps nothing else: so
    "issue", "kind", "score" and "decision" stand in the annotation itself, and every finding is an annotation of its
    own, of the category "finding". Read it (masks need the package `pycocotools`) by

        fo.Dataset.from_dir(dataset_type=fo.types.COCODetectionDataset, data_path=<data.root>,
                            labels_path="fiftyone.json", label_types="segmentations", use_polylines=False)
    """

    file = "fiftyone.json"

    @property
    def categories(self) -> list[dict[str, Any]]:
        return [*super().categories, {"id": len(self.classes), "name": FINDING, "supercategory": ""}]

    def add(self, picture: Picture) -> None:
        height, width = picture.size
        number = len(self.images) + 1
        self.images.append({"id": number, "file_name": picture.file, "width": width, "height": height})
        for drawn in objects(picture, list(self.drawn)):
            self._annotate(drawn, number, picture.size, drawn.about)
        for finding in picture.findings:
            issue = finding.issue
            region = DrawnObject(len(self.classes), issue.top, issue.left, issue.mask, finding)
            self._annotate(region, number, picture.size, {**finding.about, "class": self.classes[issue.number]})
