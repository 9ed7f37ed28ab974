"""A sample of bounded size of a stream of unknown length, the same in whatever order the stream comes."""

from zlib import crc32

import numpy as np

from segtrain.seeds import derive_seed

__all__ = ["Reservoir"]


class Reservoir:
    """Keeps rows at random, each with the same chance: those that drew the lowest lots.

    The lots of a batch of rows (an image's regions) are drawn from a generator that the batch's content seeds: which
    rows are kept, and their order, does not depend on the order of the batches.

    Args:
        size: rows that are kept.
        seed: of the lots.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
        self._lots = np.zeros(0)
        self._rows: np.ndarray | None = None

    def add(self, rows: np.ndarray) -> None:
        """Offer rows (n, F)."""
        content = crc32(np.ascontiguousarray(rows).tobytes())
        lots = np.random.default_rng(derive_seed(self.seed, content)).random(len(rows))
        if self._rows is not None:
            lots, rows = np.concatenate([self._lots, lots]), np.concatenate([self._rows, rows])
        kept = np.argsort(lots, kind="stable")[: self.size]
        self._lots, self._rows = lots[kept], rows[kept]

    def __len__(self) -> int:
        return len(self._lots)

    @property
    def rows(self) -> np.ndarray:
        """The sample, (n, F) with n at most `size`."""
        return np.zeros((0, 0), np.float32) if self._rows is None else self._rows
