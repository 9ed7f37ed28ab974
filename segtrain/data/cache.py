"""Decoded samples kept in memory, for data sets that are small and trained on for many epochs."""

import numpy as np

from segtrain.data.source import Item, Source
from segtrain.types import Samples

__all__ = ["CachedSource"]


class CachedSource:
    """Wraps a source: each process reads a sample once. What is read is never changed in place by anybody."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._items: dict[int, Item] = {}

    @property
    def ids(self) -> list[str]:
        return self.source.ids

    @property
    def samples(self) -> Samples:
        return self.source.samples

    @property
    def reference_names(self) -> list[str]:
        return self.source.reference_names

    @property
    def annotation_names(self) -> list[str]:
        return self.source.annotation_names

    def __len__(self) -> int:
        return len(self.source)

    def read(self, index: int) -> Item:
        if index not in self._items:
            self._items[index] = self.source.read(index)
        return self._items[index]

    def references(self, index: int) -> dict[str, np.ndarray]:
        return self.source.references(index)

    def annotations(self, index: int) -> dict[str, np.ndarray]:
        return self.source.annotations(index)

    def fingerprint(self) -> str:
        return self.source.fingerprint()

    def __getstate__(self) -> dict[str, object]:
        return {"source": self.source, "_items": {}}  # a worker fills its own
