"""A source of instances seen as a source of pixels: for models that know classes alone."""

import numpy as np

from segtrain.data.source import Item
from segtrain.data.wrapped import WrappedSource
from segtrain.instances import Instances
from segtrain.types import IGNORE

__all__ = ["RenderedSource"]


class RenderedSource(WrappedSource):
    """Wraps a source whose labels are `Instances`: each becomes class numbers (H, W), crowds are ignored."""

    def read(self, index: int) -> Item:
        image, label = self.source.read(index)
        return Item(image, None if label is None else label.semantic(IGNORE))

    def references(self, index: int) -> dict[str, np.ndarray]:
        return {name: label.semantic(IGNORE) for name, label in self.source.references(index).items()}

    def annotations(self, index: int) -> dict[str, np.ndarray]:
        return {name: label.semantic(IGNORE) for name, label in self.source.annotations(index).items()}

    def instances(self, index: int) -> dict[str, Instances]:
        """Give what was rendered: the references by their names, and the label as ""."""
        label = self.source.read(index).label
        return {**({} if label is None else {"": label}), **self.source.references(index)}
