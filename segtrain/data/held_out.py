"""A part of the training samples left out: for cross-validation, and for models that judge labels they never saw."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch

from segtrain.data.source import Item, Source
from segtrain.data.wrapped import WrappedSource
from segtrain.errors import ConfigError
from segtrain.seeds import derive_seed
from segtrain.types import Samples

__all__ = ["HeldOut", "SubsetSource"]


@dataclass(kw_only=True)
class HeldOut:
    """Which part is left out: what the config's `held_out` says.

    Samples of one group (patient, slide, track) are left out together.

    Args:
        fold: the part, counted from 0; None = none.
        folds: how many parts there are, about equally large.
        clean: how many of the clean samples stay, the first in an order by chance; the others are left out, too.
            None = all of them.
        seed: of parts and order; it does not follow the run's seed, so that every run has the same ones.
    """

    fold: int | None = None
    folds: int = 4
    clean: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ConfigError(f"held_out.folds={self.folds}: at least 2 parts are possible.")
        if self.fold is not None and not 0 <= self.fold < self.folds:
            raise ConfigError(f"held_out.fold={self.fold}: the parts are counted from 0 to {self.folds - 1}.")
        if self.clean is not None and self.clean < 0:
            raise ConfigError(f"held_out.clean={self.clean}: at least 0 clean samples can stay.")

    def training(self, source: Source) -> Source:
        """Give what is left of a training split.

        Raises:
            ConfigError: there are too few samples or groups for so many parts.
        """
        stays = np.ones(len(source.samples.clean), bool)
        if self.fold is not None:
            stays &= self.parts(source.samples) != self.fold
        if self.clean is not None:
            stays[self.order(source.samples)[self.clean :]] = False
        return source if stays.all() else SubsetSource(source, np.flatnonzero(stays).tolist())

    def order(self, samples: Samples) -> np.ndarray:
        """Give the rows of the clean samples in an order by chance; with fewer of them, the first ones stay."""
        return np.random.default_rng(derive_seed(self.seed)).permutation(np.flatnonzero(samples.clean.numpy()))

    def parts(self, samples: Samples) -> np.ndarray:
        """Give each sample's part, (N,) int.

        Groups are dealt out by chance, the large ones first, each to the part that has the fewest samples.
        """
        groups = samples.group.numpy()
        alone = groups < 0
        names = np.where(alone, groups.max(initial=-1) + 1 + np.arange(len(groups)), groups)
        _, owner, sizes = np.unique(names, return_inverse=True, return_counts=True)
        if len(sizes) < self.folds:
            what = "samples" if alone.all() else "groups (data.group)"
            raise ConfigError(f"held_out.folds={self.folds}: the training split has only {len(sizes)} {what}.")
        order = np.random.default_rng(derive_seed(self.seed)).permutation(len(sizes))
        filled, part = np.zeros(self.folds, int), np.zeros(len(sizes), int)
        for group in order[np.argsort(-sizes[order], kind="stable")]:
            part[group] = filled.argmin()
            filled[part[group]] += sizes[group]
        return part[owner]


class SubsetSource(WrappedSource):
    """Some rows of a source.

    Args:
        source: all of it.
        rows: which, in this order.
    """

    def __init__(self, source: Source, rows: Sequence[int]) -> None:
        super().__init__(source)
        self.rows = list(rows)

    @property
    def ids(self) -> list[str]:
        ids = self.source.ids
        return [ids[row] for row in self.rows]

    @property
    def samples(self) -> Samples:
        rows = torch.tensor(self.rows, dtype=torch.long)
        return Samples(*(column[rows] for column in self.source.samples))

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int) -> Item:
        return self.source.read(self.rows[index])

    def references(self, index: int) -> dict[str, np.ndarray]:
        return self.source.references(self.rows[index])

    def annotations(self, index: int) -> dict[str, np.ndarray]:
        return self.source.annotations(self.rows[index])

    def fingerprint(self) -> str:
        return blake2b(f"{self.source.fingerprint()} {self.rows}".encode(), digest_size=16).hexdigest()
