"""A split as a list of rows, one for each sample, and the reading of them."""

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch

from segtrain.data.decode import size
from segtrain.data.read import read_image
from segtrain.data.source import Item
from segtrain.data.values import MaskValues
from segtrain.errors import DataError
from segtrain.types import Samples

__all__ = ["Record", "RecordSource"]


class Record(NamedTuple):
    """What is known of one sample; files are named from the data set's root."""

    id: str
    image: str
    masks: tuple[str, ...] | None
    """The label's file, or one for each overlapping class; None for an unlabelled sample."""
    references: dict[str, tuple[str, ...]]
    annotations: dict[str, tuple[str, ...]]
    clean: bool
    annotator: str | None
    group: str | None
    split: str


class RecordSource:
    """One split of image files; it holds names alone, so that it is cheap to send to a worker.

    Args:
        records: the split's rows.
        root: folder that the files are named from.
        values: what the masks' values mean.
        overlapping: the label has a plane for each class.
        channels: that images are given.
        reference_names: which other masks exist.
        annotation_names: whose masks of the same images exist.
        annotators, groups: all names in the data set; their places are the numbers in `samples`.
    """

    def __init__(
        self,
        *,
        records: Sequence[Record],
        root: str,
        values: MaskValues,
        overlapping: bool,
        channels: int,
        reference_names: Sequence[str],
        annotation_names: Sequence[str],
        annotators: Sequence[str],
        groups: Sequence[str],
    ) -> None:
        self.records = list(records)
        self.root = root
        self.values = values
        self.overlapping = overlapping
        self.channels = channels
        self.reference_names = list(reference_names)
        self.annotation_names = list(annotation_names)
        self.annotators = list(annotators)
        self.groups = list(groups)

    def __getstate__(self) -> dict[str, Any]:
        derived = ("ids", "samples")  # cheaper made again than sent to each worker
        return {name: value for name, value in self.__dict__.items() if name not in derived}

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def ids(self) -> list[str]:
        return [record.id for record in self.records]

    @cached_property
    def samples(self) -> Samples:
        return Samples(
            clean=torch.tensor([record.clean for record in self.records], dtype=torch.bool),
            labelled=torch.tensor([record.masks is not None for record in self.records], dtype=torch.bool),
            annotator=_numbers([record.annotator for record in self.records], self.annotators),
            group=_numbers([record.group for record in self.records], self.groups),
            annotations=torch.tensor([len(record.annotations) for record in self.records], dtype=torch.int64),
        )

    def read(self, index: int) -> Item:
        """Read a sample.

        Raises:
            DataError: its image or label cannot be used; every fault of it is listed.
        """
        return self.inspect(index)[0]

    def inspect(self, index: int) -> tuple[Item, list[str]]:
        """Read a sample, and say what is unusual about its files."""
        record = self.records[index]
        faults: list[str] = []
        notes: list[str] = []
        planes: list[np.ndarray] = []
        image = None
        try:
            image, notes = read_image(self.path(record.image), self.channels)
        except DataError as error:
            faults.append(str(error))
        for name in record.masks or ():
            try:
                plane = self.values.read(self.path(name))
            except DataError as error:
                faults.append(str(error))
                continue
            if image is not None and plane.shape != image.shape[:2]:
                faults.append(self._mismatch(name, plane.shape, record.image, image.shape, notes))
            planes.append(plane)
        if faults or image is None:
            raise DataError(f"sample '{record.id}' of the split '{record.split}' cannot be used:", faults)
        return Item(image, self._stack(planes) if planes else None), notes

    def references(self, index: int) -> dict[str, np.ndarray]:
        """Read the other masks of a sample.

        Raises:
            DataError: one cannot be used, or has another size than the image; every fault is listed.
        """
        return self._others(self.records[index], self.records[index].references, "references")

    def annotations(self, index: int) -> dict[str, np.ndarray]:
        """Read the masks by several annotators of a sample.

        Raises:
            DataError: one cannot be used, or has another size than the image; every fault is listed.
        """
        return self._others(self.records[index], self.records[index].annotations, "annotations")

    def _others(self, record: Record, masks: dict[str, tuple[str, ...]], what: str) -> dict[str, np.ndarray]:
        faults, found = [], {}
        expected = size(self.path(record.image)) if masks else ()
        for name, files in masks.items():
            try:
                planes = [self.values.read(self.path(file)) for file in files]
            except DataError as error:
                faults.append(str(error))
                continue
            faults += [
                self._mismatch(file, plane.shape, record.image, expected, [])
                for file, plane in zip(files, planes, strict=True)
                if plane.shape != expected
            ]
            found[name] = planes
        if faults:
            raise DataError(f"the {what} of sample '{record.id}' cannot be used:", faults)
        return {name: self._stack(planes) for name, planes in found.items()}

    def fingerprint(self) -> str:
        """Give a hash of the rows, the settings, and the names, sizes and times of all files."""
        digest = hashlib.sha256(repr((vars(self.values), self.overlapping, self.channels)).encode())
        for record in self.records:
            digest.update(repr(record).encode())
            others = chain(record.references.values(), record.annotations.values())
            for name in (record.image, *(record.masks or ()), *chain.from_iterable(others)):
                stat = os.stat(self.path(name))  # noqa: PTH116
                digest.update(f"{stat.st_size} {stat.st_mtime_ns}".encode())
        return digest.hexdigest()

    def path(self, name: str) -> str:
        """Give a file's place on this machine."""
        return os.path.join(self.root, name)  # noqa: PTH118

    def _stack(self, planes: list[np.ndarray]) -> np.ndarray:
        return np.stack(planes) if self.overlapping else planes[0]  # (K, H, W) or (H, W)

    def _mismatch(
        self, mask: str, found: tuple[int, ...], image: str, expected: tuple[int, ...], notes: list[str]
    ) -> str:
        turned = any("EXIF" in note for note in notes) and found == expected[1::-1]
        cure = "the image's EXIF orientation turns it: turn the mask too" if turned else "make them the same"
        return (
            f"{self.path(mask)} is {found[1]} x {found[0]} pixels, its image {self.path(image)} "
            f"{expected[1]} x {expected[0]}: {cure}"
        )


def _numbers(names: list[str | None], known: list[str]) -> torch.Tensor:
    numbers = {name: number for number, name in enumerate(known)}
    return torch.tensor([-1 if name is None else numbers[name] for name in names], dtype=torch.int64)
