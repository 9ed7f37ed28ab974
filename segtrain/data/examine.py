"""Looking at one sample: what is wrong with it, what is unusual, and its numbers for the statistics."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import cv2
import numpy as np
from torch.utils.data import Dataset

from segtrain.data.records import RecordSource
from segtrain.data.source import DataSet, Item, Source
from segtrain.errors import DataError
from segtrain.picture import BACKGROUND
from segtrain.types import IGNORE

__all__ = ["Examined", "Finding", "agreement"]

_SKETCH = 16


@dataclass
class Finding:
    """What one sample tells."""

    index: int
    id: str
    file: str
    """The image's file, which several annotators' samples share; the id where the image is no file."""
    annotator: str = ""
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is unusual, said in the plural: "grey images, repeated to 3 channels"."""
    shape: tuple[int, ...] = ()
    """(H, W, D)."""
    dtype: str = ""
    digest: bytes = b""
    """Equal where all pixels are."""
    sketch: np.ndarray | None = None
    """(16, 16) float32, the image's rough look with mean 0 and length 1."""
    pixels: np.ndarray | None = None
    """(C + 1,) int64, the label's pixels of each class, then the ignored ones."""
    agreement: dict[str, float] = field(default_factory=dict)
    """Dice of the label with each reference."""
    mutual: dict[str, float] = field(default_factory=dict)
    """Mean Dice of each annotator's mask with those of the others."""


class Examined(Dataset[Finding]):
    """A source, each sample of which is looked at instead of read.

    Args:
        source: one split.
        data_set: whose split it is.
        sketches: make sketches, by which nearly equal images are found.
    """

    def __init__(self, source: Source, data_set: DataSet, sketches: bool) -> None:
        self.source = source
        self.classes = data_set.classes
        self.overlapping = data_set.overlapping
        self.sketches = sketches

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Finding:
        finding = self._named(index)
        item = None
        try:
            item, finding.notes = self._read(index)
        except DataError as error:
            finding.faults += error.faults or [str(error)]
        references = self._others(finding, self.source.references)
        finding.mutual = self._mutual(self._others(finding, self.source.annotations))
        if item is not None:
            self._measure(finding, item, references)
        return finding

    def _named(self, index: int) -> Finding:
        if isinstance(self.source, RecordSource):
            record = self.source.records[index]
            return Finding(index, record.id, record.image, record.annotator or "")
        number = int(self.source.samples.annotator[index])
        return Finding(index, self.source.ids[index], self.source.ids[index], "" if number < 0 else str(number))

    def _read(self, index: int) -> tuple[Item, list[str]]:
        """Give the sample, and what is unusual about its files where it has any."""
        return self.source.inspect(index) if isinstance(self.source, RecordSource) else (self.source.read(index), [])

    def _others(self, finding: Finding, read: Callable[[int], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        try:
            return read(finding.index)
        except DataError as error:
            finding.faults += [fault for fault in error.faults or [str(error)] if fault not in finding.faults]
            return {}

    def _mutual(self, annotations: dict[str, np.ndarray]) -> dict[str, float]:
        """Give each annotator's mean agreement with the others, as far as it says anything."""
        found: dict[str, list[float]] = {name: [] for name in annotations}
        for (one, first), (other, second) in combinations(annotations.items(), 2):
            dice = agreement(first, second, len(self.classes), self._shown)
            found[one].append(dice)
            found[other].append(dice)
        return {name: float(np.nanmean(dice)) for name, dice in found.items() if not np.isnan(dice).all()}

    @property
    def _shown(self) -> list[int]:
        return [number for number, name in enumerate(self.classes) if name != BACKGROUND]

    def _measure(self, finding: Finding, item: Item, references: dict[str, np.ndarray]) -> None:
        image, label = item
        finding.shape, finding.dtype = image.shape, str(image.dtype)
        finding.digest = hashlib.blake2b(repr((image.shape, finding.dtype)).encode(), digest_size=16).digest()
        finding.digest = hashlib.blake2b(image.tobytes(), key=finding.digest, digest_size=16).digest()
        if self.sketches:
            finding.sketch = _sketch(image)
        if label is None:
            return
        finding.pixels = _class_pixels(label, len(self.classes))
        if finding.pixels[-1] == label.size:
            finding.notes.append("masks that are ignored everywhere")
        elif not finding.pixels[self._shown].any():
            finding.notes.append("empty masks (nothing but background)")
        for name, reference in references.items():
            finding.agreement[name] = agreement(label, reference, len(self.classes), self._shown)


def agreement(label: np.ndarray, reference: np.ndarray, num_classes: int, shown: Sequence[int]) -> float:
    """Give the Dice of two labels: the mean over those of the `shown` classes that either has; NaN if there are none.

    Args:
        label, reference: (H, W) class numbers, or (K, H, W) planes of 0 and 1; pixels that either ignores are left out.
        num_classes: C, or K for planes.
        shown: classes that count.
    """
    if label.ndim == 3:
        both = [agreement(*pair, 2, [1]) for pair in zip(label[list(shown)], reference[list(shown)], strict=True)]
        return float(np.nanmean(both)) if not np.isnan(both).all() else float("nan")
    known = (label != IGNORE) & (reference != IGNORE)
    pairs = label[known].astype(np.int64) * num_classes + reference[known]
    table = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)[:, :num_classes]  # (C, C)
    sizes = (table.sum(axis=0) + table.sum(axis=1))[list(shown)]
    shares = 2 * table.diagonal()[list(shown)] / np.maximum(sizes, 1)
    return float(shares[sizes > 0].mean()) if sizes.any() else float("nan")


def _class_pixels(label: np.ndarray, num_classes: int) -> np.ndarray:
    if label.ndim == 3:
        inside = (label == 1).sum(axis=(1, 2))
        return np.append(inside, (label == IGNORE).sum())  # (K + 1,)
    counts = np.bincount(label.ravel(), minlength=IGNORE + 1)
    return np.append(counts[:num_classes], counts[IGNORE])  # (C + 1,)


def _sketch(image: np.ndarray) -> np.ndarray:
    grey = image.astype(np.float32).mean(axis=2)  # (H, W)
    small = cv2.resize(grey, (_SKETCH, _SKETCH), interpolation=cv2.INTER_AREA)
    small -= small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-6)
