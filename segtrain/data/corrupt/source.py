"""A source whose given labels are made worse on purpose, the originals being kept to score against."""

from hashlib import blake2b

import numpy as np

from segtrain.data.corrupt.base import Corruption, require_kinds
from segtrain.data.source import Item, Source
from segtrain.types import Samples

__all__ = ["CorruptedSource"]


class CorruptedSource:
    """Wraps a source: labels not known to be clean are corrupted, the same way each time, from `seed` and the id.

    The label as it was is the reference "clean", unless the source has a reference of that name already.

    Args:
        source: where images and labels come from.
        corruption: the simulated mistake.
        num_classes: of the label, C of exclusive classes or K of overlapping ones.
        overlapping: labels are (K, H, W) planes.
        seed: another seed gives other mistakes.

    Raises:
        ConfigError: the data have too few classes for the corruption.
    """

    def __init__(
        self, source: Source, corruption: Corruption, *, num_classes: int, overlapping: bool = False, seed: int = 0
    ) -> None:
        require_kinds(corruption, num_classes, overlapping)
        self.source = source
        self.corruption = corruption
        self.num_classes = num_classes
        self.overlapping = overlapping
        self.seed = seed

    @property
    def ids(self) -> list[str]:
        return self.source.ids

    @property
    def samples(self) -> Samples:
        return self.source.samples

    @property
    def reference_names(self) -> list[str]:
        names = self.source.reference_names
        return names if "clean" in names else [*names, "clean"]

    def __len__(self) -> int:
        return len(self.source)

    def read(self, index: int) -> Item:
        image, label = self.source.read(index)
        if label is None or bool(self.source.samples.clean[index]):
            return Item(image, label)
        return Item(image, self.corruption(label, self.num_classes, self._rng(index)))

    def references(self, index: int) -> dict[str, np.ndarray]:
        references = self.source.references(index)
        if "clean" not in self.source.reference_names:
            label = self.source.read(index).label
            if label is not None:
                references = {**references, "clean": label}
        return references

    def fingerprint(self) -> str:
        settings = f"{self.source.fingerprint()} {self.corruption!r} {self.num_classes} {self.overlapping} {self.seed}"
        return blake2b(settings.encode(), digest_size=16).hexdigest()

    def _rng(self, index: int) -> np.random.Generator:
        name = blake2b(self.ids[index].encode(), digest_size=8).digest()
        return np.random.default_rng([self.seed, int.from_bytes(name, "little")])
