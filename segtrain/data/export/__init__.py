"""Corrected labels and findings in the formats of annotation tools, to go on with them there."""

from collections.abc import Callable

from segtrain.data.export.base import DrawnObject, Export, Finding, Picture, objects
from segtrain.data.export.coco import CocoExport
from segtrain.data.export.cvat import CvatExport
from segtrain.data.export.fiftyone import FiftyOneExport
from segtrain.data.export.label_studio import LabelStudioExport

__all__ = [
    "EXPORTS", "CocoExport", "CvatExport", "DrawnObject", "Export", "FiftyOneExport", "Finding", "LabelStudioExport",
    "Picture", "objects",
]  # fmt: skip

EXPORTS: dict[str, Callable[[list[str]], Export]] = {
    "coco": CocoExport,
    "cvat": CvatExport,
    "label_studio": LabelStudioExport,
    "fiftyone": FiftyOneExport,
}
"""By the word for it in `formats`."""
