"""Decoded samples kept in memory, for data sets that are small and trained on for many epochs."""

from segtrain.data.source import Item, Source
from segtrain.data.wrapped import WrappedSource

__all__ = ["CachedSource"]


class CachedSource(WrappedSource):
    """Wraps a source: each process reads a sample once. What is read is never changed in place by anybody."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._items: dict[int, Item] = {}

    def read(self, index: int) -> Item:
        if index not in self._items:
            self._items[index] = self.source.read(index)
        return self._items[index]

    def __getstate__(self) -> dict[str, object]:
        return {"source": self.source, "_items": {}}  # a worker fills its own
