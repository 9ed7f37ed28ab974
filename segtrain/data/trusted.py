"""Sources in which a few samples are trusted: their label is a reference, and they count as clean."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch

from segtrain.data.source import Item, Source
from segtrain.data.wrapped import WrappedSource
from segtrain.errors import ConfigError
from segtrain.seeds import derive_seed
from segtrain.types import Samples

__all__ = ["JoinedSource", "Trusted", "TrustedSource"]


@dataclass(kw_only=True)
class Trusted:
    """Which samples to trust: what the config's `trusted` says.

    Args:
        reference: the mask that becomes their label; None = nobody is trusted.
        count: how many; None = all of them.
        split: whose samples: "train", or "val", which then joins the training.
        seed: of the choice; it does not follow the run's seed, so that every run trusts the same samples.
    """

    reference: str | None = None
    count: int | None = None
    split: str = "train"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.split not in ("train", "val"):
            raise ConfigError(f"The 'split' of Trusted must be train or val, got {self.split}: see trusted.split")

    def training(self, train: Source, other: Source | None) -> Source:
        """Give the source to train on.

        Args:
            train: the training split.
            other: the split named by `split`, when that is not the training split itself.

        Raises:
            ConfigError: no sample has the reference, or there are too few samples.
        """
        if self.reference is None:
            return train
        chosen = TrustedSource(train if other is None else other, self)
        return chosen if other is None else JoinedSource(train, chosen)


class TrustedSource(WrappedSource):
    """Wraps a source: some samples take a reference as their label and are clean; the others stay as they are."""

    def __init__(self, source: Source, trusted: Trusted) -> None:
        if trusted.reference not in source.reference_names:
            names = ", ".join(source.reference_names) or "none"
            raise ConfigError(
                f"trusted.reference={trusted.reference}: there is no such reference mask in {trusted.split}; there "
                f"are {names} (data.references; a corruption keeps the label it changes as 'clean')."
            )
        count = len(source) if trusted.count is None else trusted.count
        if not 1 <= count <= len(source):
            raise ConfigError(
                f"trusted.count={count}: between 1 and the {len(source)} samples of {trusted.split} are possible."
            )
        super().__init__(source)
        self.trusted = trusted
        order = np.random.default_rng(derive_seed(trusted.seed)).permutation(len(source))
        self.chosen = np.zeros(len(source), bool)
        self.chosen[order[:count]] = True

    @property
    def samples(self) -> Samples:
        samples = self.source.samples
        chosen = torch.from_numpy(self.chosen)
        return samples._replace(clean=samples.clean | chosen, labelled=samples.labelled | chosen)

    def read(self, index: int) -> Item:
        item = self.source.read(index)
        if not self.chosen[index]:
            return item
        assert self.trusted.reference is not None
        references = self.source.references(index)
        if self.trusted.reference not in references:
            raise ConfigError(f"trusted.reference={self.trusted.reference}: {self.ids[index]} has no such mask.")
        return Item(item.image, references[self.trusted.reference])

    def fingerprint(self) -> str:
        return blake2b(f"{self.source.fingerprint()} {self.trusted}".encode(), digest_size=16).hexdigest()


class JoinedSource:
    """Two sources one after the other.

    Args:
        first, second: of the same classes and the same kind of image; an id that both have gets a "+" in the second.
    """

    def __init__(self, first: Source, second: Source) -> None:
        self.first = first
        self.second = second
        taken = set(first.ids)
        self.ids = [*first.ids, *(f"{name}+" if name in taken else name for name in second.ids)]

    @property
    def samples(self) -> Samples:
        return Samples(*(torch.cat(pair) for pair in zip(self.first.samples, self.second.samples, strict=True)))

    @property
    def reference_names(self) -> list[str]:
        return self.first.reference_names

    @property
    def annotation_names(self) -> list[str]:
        return list(dict.fromkeys([*self.first.annotation_names, *self.second.annotation_names]))

    @property
    def annotators(self) -> list[str]:
        return self.first.annotators

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def _place(self, index: int) -> tuple[Source, int]:
        return (self.first, index) if index < len(self.first) else (self.second, index - len(self.first))

    def read(self, index: int) -> Item:
        source, place = self._place(index)
        return source.read(place)

    def references(self, index: int) -> dict[str, np.ndarray]:
        source, place = self._place(index)
        return source.references(place)

    def annotations(self, index: int) -> dict[str, np.ndarray]:
        source, place = self._place(index)
        return source.annotations(place)

    def fingerprint(self) -> str:
        both = f"{self.first.fingerprint()} {self.second.fingerprint()}"
        return blake2b(both.encode(), digest_size=16).hexdigest()
