"""The training set through the current model: what a strategy's audit looks at."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from segtrain.data.labels import RevisedLabels, SoftLabel
from segtrain.data.source import Source
from segtrain.types import Batch, Samples, Seen, resize_probs

__all__ = ["ModelView"]


class ModelView:
    """A `TrainingView` over loaders: batches of one shape, one inference pass for each iteration, constant memory.

    Args:
        source: the training split.
        loader: gives lists of this process's samples, not augmented, on the host.
        collate: makes a batch of samples of one shape.
        complete: moves a batch to the device and gives it the form of the contract.
        predict: stored images (D, h, w) -> probabilities (C, h, w) on the device, without gradients.
        gather: adds a table up over the processes.
        revised: where rewritten labels go.
        revision: the number that labels rewritten through this view get.
        share: the indices of this process's samples.
    """

    def __init__(
        self,
        source: Source,
        loader: Iterable[list[Batch]],
        collate: Callable[[Sequence[Batch]], Batch],
        complete: Callable[[Batch], Batch],
        predict: Callable[[Sequence[Tensor]], list[Tensor]],
        gather: Callable[[Tensor], Tensor],
        revised: RevisedLabels,
        revision: int,
        share: Sequence[int],
    ) -> None:
        self._source = source
        self._loader = loader
        self._collate = collate
        self._complete = complete
        self._predict = predict
        self._gather = gather
        self._revised = revised
        self._revision = revision
        self.share = share
        self.rewritten = 0

    @property
    def samples(self) -> Samples:
        return self._source.samples

    @property
    def annotation_names(self) -> list[str]:
        return self._source.annotation_names

    def __iter__(self) -> Iterator[Seen]:
        for samples in self._loader:
            probs = self._predict([sample.image for sample in samples])
            for alike in _by_shape(samples):
                batch = self._collate([samples[i] for i in alike])
                yield Seen(self._complete(batch), torch.stack([probs[i] for i in alike]))

    def gather(self, table: Tensor) -> Tensor:
        return self._gather(table)

    def annotations(self, index: int) -> dict[str, Tensor]:
        return {name: torch.from_numpy(mask) for name, mask in self._source.annotations(index).items()}

    def relabel(self, index: int, probs: Tensor, weight: Tensor) -> None:
        """See `TrainingView.relabel`; labels of clean samples are refused, and stored at the image's own scale."""
        if self._source.samples.clean[index]:
            raise ValueError(f"sample {self._source.ids[index]} is clean: its label is never rewritten")
        size = self._source.read(index).image.shape[:2]
        stored = SoftLabel(
            resize_probs(probs, size).half().cpu().numpy(), _to_uint8(resize_probs(weight[None], size)[0])
        )
        self._revised.write(self._revision, self._source.ids[index], stored)
        self.rewritten += 1


def _by_shape(samples: Sequence[Batch]) -> list[list[int]]:
    """Sort positions by their image's shape, so that no batch is padded."""
    together: dict[torch.Size, list[int]] = {}
    for position, sample in enumerate(samples):
        together.setdefault(sample.image.shape, []).append(position)
    return list(together.values())


def _to_uint8(weight: Tensor) -> np.ndarray:
    return (weight.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
