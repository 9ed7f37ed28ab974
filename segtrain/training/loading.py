"""How batches come out of the loaders."""

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader, Sampler

from segtrain.data.draw import Draw
from segtrain.training.signals import shield_worker
from segtrain.types import Batch

__all__ = ["EpochBatches", "TrainingLoader", "set_up_worker"]


class EpochBatches(Sampler[list[Draw]]):
    """Batches of draws for whichever epoch, and from whichever batch of it, the training has come to.

    Args:
        position: gives (epoch, batches of it trained already).
        draws: epoch -> its draws, in order.
        batch_size: draws in a batch.
        steps: batches in an epoch.
    """

    def __init__(
        self, position: Callable[[], tuple[int, int]], draws: Callable[[int], list[Draw]], batch_size: int, steps: int
    ) -> None:
        self.position = position
        self.draws = draws
        self.batch_size = batch_size
        self.steps = steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[Draw]]:
        epoch, done = self.position()
        draws = self.draws(epoch)
        for step in range(done, self.steps):
            yield draws[step * self.batch_size : (step + 1) * self.batch_size]


class TrainingLoader(DataLoader[Batch]):
    """A loader that Lightning knows to be resumable; its place is the trainer's own count of batches."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        # Lightning asks for an iterator before it restores a checkpoint, to count the batches. As a generator it
        # asks the sampler, and sets the workers going, only when the first batch is wanted.
        yield from super().__iter__()

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def set_up_worker(_number: int) -> None:
    """Keep a worker to one thread (several that spin on the same cores are many times slower), and shield it."""
    shield_worker()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
