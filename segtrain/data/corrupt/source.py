"""A source whose given labels are made worse on purpose, the originals being kept to score against."""

from functools import cached_property
from hashlib import blake2b

import numpy as np
import torch

from segtrain.data.corrupt.base import Corruption, require_kinds
from segtrain.data.source import Item, Source
from segtrain.data.wrapped import WrappedSource
from segtrain.types import Samples

__all__ = ["CorruptedSource"]


class CorruptedSource(WrappedSource):
    """Wraps a source: labels not known to be clean are corrupted, the same way each time, from `seed` and the id.

    The label as it was is the reference "clean", unless the source has a reference of that name already. Masks of
    several annotators are corrupted one by one, those of clean samples too. A corruption that simulates annotators
    gives them to data that have none: a1, a2, ... of each labelled sample, one of which is the given label.

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
        super().__init__(source)
        self.corruption = corruption
        self.num_classes = num_classes
        self.overlapping = overlapping
        self.seed = seed

    @cached_property
    def samples(self) -> Samples:
        samples = self.source.samples
        if not self.corruption.num_annotators:
            return samples
        annotator = samples.annotator.clone()
        for index in (samples.labelled & ~samples.clean & (annotator < 0)).nonzero().flatten().tolist():
            annotator[index] = int(self._rng(index, "who").integers(self.corruption.num_annotators))
        simulated = samples.labelled * self.corruption.num_annotators * self._simulates
        return samples._replace(annotator=annotator, annotations=torch.maximum(samples.annotations, simulated))

    @property
    def reference_names(self) -> list[str]:
        names = self.source.reference_names
        return names if "clean" in names else [*names, "clean"]

    @property
    def annotation_names(self) -> list[str]:
        simulated = [_name(number) for number in range(self.corruption.num_annotators)]
        return simulated if self._simulates else self.source.annotation_names

    @property
    def annotators(self) -> list[str]:
        simulated = [_name(number) for number in range(self.corruption.num_annotators)]
        return [*self.source.annotators, *simulated[len(self.source.annotators) :]]

    @property
    def _simulates(self) -> bool:
        return self.corruption.num_annotators > 1 and not self.source.annotation_names

    def read(self, index: int) -> Item:
        image, label = self.source.read(index)
        if label is None or bool(self.source.samples.clean[index]):
            return Item(image, label)
        annotator = int(self.samples.annotator[index])
        return Item(image, self._drawn(index, label, annotator, _name(annotator) if self._simulates else ""))

    def references(self, index: int) -> dict[str, np.ndarray]:
        references = self.source.references(index)
        if "clean" not in self.source.reference_names:
            label = self.source.read(index).label
            if label is not None:
                references = {**references, "clean": label}
        return references

    def annotations(self, index: int) -> dict[str, np.ndarray]:
        if self._simulates:
            label = self.source.read(index).label
            given = {} if label is None else dict.fromkeys(self.annotation_names, label)
        else:
            given = self.source.annotations(index)
        numbers = {name: number for number, name in enumerate(self.annotation_names)}
        return {name: self._drawn(index, mask, numbers[name], name) for name, mask in given.items()}

    def fingerprint(self) -> str:
        settings = f"{self.source.fingerprint()} {self.corruption!r} {self.num_classes} {self.overlapping} {self.seed}"
        return blake2b(settings.encode(), digest_size=16).hexdigest()

    def _drawn(self, index: int, mask: np.ndarray, annotator: int, purpose: str) -> np.ndarray:
        """Give a mask as `annotator` (-1: unknown) would have drawn it, the same for the same purpose."""
        who = None if annotator < 0 else annotator
        return self.corruption(mask, self.num_classes, self._rng(index, purpose), who)

    def _rng(self, index: int, purpose: str) -> np.random.Generator:
        name = f"{self.ids[index]} {purpose}" if purpose else self.ids[index]
        digest = blake2b(name.encode(), digest_size=8).digest()
        return np.random.default_rng([self.seed, int.from_bytes(digest, "little")])


def _name(annotator: int) -> str:
    return f"a{annotator + 1}"
