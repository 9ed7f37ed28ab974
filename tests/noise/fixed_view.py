"""A training set in memory, with predictions made for a test."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from segtrain.types import Batch, Samples, Seen


class FixedView:
    """A `TrainingView` of batches and what the model is to believe of them; it keeps what is rewritten."""

    def __init__(self, seen: Sequence[Seen]) -> None:
        self.seen = list(seen)
        self.passes = 0
        self.gathered = 0
        self.revised: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def samples(self) -> Samples:
        batches = [seen.batch for seen in self.seen]
        columns = ("clean", "labelled", "annotator", "group")
        return Samples(*(torch.cat([getattr(batch, name) for batch in batches]) for name in columns))

    @property
    def share(self) -> range:
        return range(len(self.samples.clean))

    @property
    def annotation_names(self) -> list[str]:
        return []

    def annotations(self, index: int) -> dict[str, Tensor]:
        return {}

    def __iter__(self) -> Iterator[Seen]:
        self.passes += 1
        return iter(self.seen)

    def gather(self, table: Tensor) -> Tensor:
        self.gathered += 1
        return table

    def relabel(self, index: int, probs: Tensor, weight: Tensor) -> None:
        self.revised[index] = (probs, weight)


def batch_of(target: Tensor, clean: Sequence[bool], annotator: Sequence[int] | None = None, first: int = 0) -> Batch:
    """Give a batch with one-hot or soft targets (B, C, H, W) or (B, K, 2, H, W), an image of noise and full weights."""
    count, size = len(target), target.shape[-2:]
    flags = torch.tensor(list(clean))
    who = torch.full((count,), -1) if annotator is None else torch.tensor(list(annotator))
    number = torch.arange(first, first + count)
    image = torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(first))
    return Batch(image, target, torch.ones(count, *size), flags, torch.ones_like(flags), who, number, number)
