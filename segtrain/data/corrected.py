"""Corrected labels as mask files: coded as the data's own masks are, so that a training reads them in their place."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from segtrain.data.folder import Folder
from segtrain.data.label_files import mask_values
from segtrain.data.records import RecordSource
from segtrain.data.source import DataSet, Source
from segtrain.data.table import Table
from segtrain.data.templates import placeholders
from segtrain.errors import DataError
from segtrain.types import IGNORE

__all__ = ["CorrectedMasks", "write_planes"]


class CorrectedMasks:
    """Where the masks of one split go, what their values mean, and which settings read them.

    They hold class numbers, 255 where ignored, and of overlapping classes 0 and 255, unless the data's own masks are
    coded otherwise (`mask_values`, `ignore_value`): then they are coded alike, for one setting holds for all masks.

    Args:
        data: whose labels they are.
        splits: its sources, nothing wrapped around them.
        split: whose labels they are.
    """

    def __init__(self, data: DataSet, splits: Mapping[str, Source], split: str) -> None:
        self.data = data
        self.values = mask_values(data, getattr(data, "mask_values", None), getattr(data, "ignore_value", IGNORE))
        self.classes = data.classes if data.overlapping else ()
        source = splits[split]
        self.ids = set(source.ids)
        self.files = {record.id: record.image for record in source.records} if isinstance(source, RecordSource) else {}
        others = {name for key, other in splits.items() if key != split for name in other.ids}
        # Folders of splits may hold images of the same name, and one is not to get the other's mask.
        self.shared = bool(self.ids & others)
        self.folder = self._split_folder(split)
        self.kept = {*data.folders, *(folder for each in splits.values() for folder in _folders(each))}

    def image_file(self, sample_id: str) -> str:
        """Give the image's file from the data's root; where images are no files, a name for one."""
        return self.files.get(sample_id, f"{sample_id}.png")

    def holds(self, folder: Path) -> Path | None:
        """Give the folder of the data's own images or masks that `folder` is or lies in; None if there is none."""
        place = folder.expanduser().resolve()
        return next((own for own in self.kept if place.is_relative_to(own.expanduser().resolve())), None)

    def write(self, folder: Path, sample_id: str, label: np.ndarray) -> None:
        """Write a label, (H, W) class numbers or (K, H, W) planes of 0 and 1, `IGNORE` where ignored.

        Raises:
            DataError: `data.mask_values` has no value for a class that was suggested, or the disk is full.
        """
        coded = self.values.coded(label, white=self.data.overlapping)
        write_planes(folder / "masks", self.folder + sample_id, coded, self.classes)

    def overrides(self, output: Path) -> list[str]:
        """Give the settings that read the masks in `output` where they exist, and else the masks as before.

        Empty where the data take no masks from files.
        """
        if not isinstance(self.data, Folder | Table):
            return []
        key = "masks" if isinstance(self.data, Folder) else "mask"
        before = getattr(self.data, key)
        before = [before] if isinstance(before, str) else list(before)
        base = f"{output.absolute()}/masks" + ("/{class}" if self.data.overlapping else "")
        base += "/{split}" if self.shared else ""
        places = [f"{base}/{{sample}}.png"]
        if isinstance(self.data, Folder) and any("annotator" in placeholders(text) for text in before):
            places.insert(0, f"{base}/{{sample}}@{{annotator}}.png")
        elif isinstance(self.data, Folder) and not any("__" in name for name in self.ids):
            places = [base]  # a sample is called as its image's file is
        return [f"data.{key}=[{','.join(map(_quoted, [*places, *before]))}]"]

    def _split_folder(self, split: str) -> str:
        if not self.shared:
            return ""
        folders = getattr(self.data, "split", None)
        return (folders[split] if isinstance(folders, Mapping) else split) + "/"


def write_planes(folder: Path, name: str, planes: np.ndarray, classes: tuple[str, ...] | list[str]) -> None:
    """Write `<folder>/<name>.png`, or `<folder>/<class>/<name>.png` of overlapping classes.

    Args:
        folder: made if need be.
        name: may hold folders.
        planes: (H, W) or (H, W, 3) of numbers or RGB colours; of overlapping classes (K, H, W) or (K, H, W, 3).
        classes: names of overlapping ones, else empty.
    """
    for of, plane in zip(classes, planes, strict=True) if classes else [("", planes)]:
        file = folder / of / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(file), plane[..., ::-1] if plane.ndim == 3 else plane):
            raise DataError(f"{file} cannot be written: is the disk full?")


def _folders(source: Source) -> set[Path]:
    """Give the folders that hold a source's images and masks."""
    if not isinstance(source, RecordSource):
        return set()
    names = (name for record in source.records for name in (record.image, *(record.masks or ())))
    return {Path(source.path(name)).parent for name in names}


def _quoted(text: str) -> str:
    """Quote a value of a list for Hydra where its characters would mean something."""
    plain = text.isascii() and all(letter.isalnum() or letter in "/._-" for letter in text)
    return text if plain else '"' + text.replace('"', '\\"') + '"'
