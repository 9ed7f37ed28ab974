"""A source around another one: what it does not say of itself is the other's."""

from typing import Any

from segtrain.data.source import Item, Source
from segtrain.types import Samples

__all__ = ["WrappedSource"]


class WrappedSource:
    """Passes everything on.

    Args:
        source: the other one.
    """

    def __init__(self, source: Source) -> None:
        self.source = source

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

    @property
    def annotators(self) -> list[str]:
        return self.source.annotators

    def __len__(self) -> int:
        return len(self.source)

    def read(self, index: int) -> Item:
        return self.source.read(index)

    def references(self, index: int) -> dict[str, Any]:
        return self.source.references(index)

    def annotations(self, index: int) -> dict[str, Any]:
        return self.source.annotations(index)

    def fingerprint(self) -> str:
        return self.source.fingerprint()
