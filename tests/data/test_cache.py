"""A cached source reads each sample once and says otherwise the same."""

import pickle

import numpy as np

from segtrain.data import Synthetic
from segtrain.data.cache import CachedSource
from segtrain.data.source import Item


def test_it_reads_once_and_gives_the_same() -> None:
    plain = Synthetic(size=32, num_train=2).splits()["train"]
    reads: list[int] = []

    class Counted(CachedSource):
        def read(self, index: int) -> Item:
            reads.append(index)
            return plain.read(index)

    cached = CachedSource(Counted(plain))
    for _ in range(3):
        assert np.array_equal(cached.read(1).image, plain.read(1).image)
    assert reads == [1]
    assert cached.ids == plain.ids
    assert cached.reference_names == plain.reference_names
    assert cached.fingerprint() == plain.fingerprint()


def test_a_pickle_leaves_the_memory_behind() -> None:
    cached = CachedSource(Synthetic(size=32, num_train=2).splits()["train"])
    empty = len(pickle.dumps(cached))
    cached.read(0)
    assert len(pickle.dumps(cached)) == empty
