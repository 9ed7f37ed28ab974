"""The nouns that every part of segtrain shares, and the one contract between them.

Letters in shapes: B batch, C classes, D image channels, H x W pixels, K overlapping classes, N samples.

The class axis is always the third from the end (`CLASS_AXIS`). Exclusive classes (a pixel has one) give
(B, C, H, W). Overlapping classes (a pixel may lie in the lung and in the clavicle) are K binary problems
side by side and give (B, K, 2, H, W), the two being "not this class" and "this class". Whatever works along
`CLASS_AXIS` therefore serves both, and no loss, strategy or metric asks which it met.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "CLASS_AXIS", "IGNORE", "Batch", "Criterion", "PostProcessor", "Progress", "Samples", "Seen", "Segmenter",
    "TrainingView", "one_hot", "resize_probs", "to_probs",
]  # fmt: skip

CLASS_AXIS = -3
IGNORE = 255
"""The value of an ignored pixel in every label map (uint8), whatever the files on disk use."""


class Batch(NamedTuple):
    """What the model, the loss and the strategies see: images, what they should be, and how far to trust that.

    A collated batch crosses the bus small (image in its stored dtype, target as uint8 class numbers, weight as
    uint8 with 255 for full trust) and takes this form on the device.
    """

    image: Tensor
    """(B, D, H, W) float, normalised."""
    target: Tensor
    """(B, C, H, W) or (B, K, 2, H, W) float, sums to 1 over the class axis: one-hot when hard, else soft."""
    weight: Tensor
    """(B, H, W) float in [0, 1], the trust in each pixel; 0 = ignored."""
    clean: Tensor
    """(B,) bool, the label is known to be right."""
    labelled: Tensor
    """(B,) bool; an unlabelled sample has a uniform target and weight 0."""
    annotator: Tensor
    """(B,) int64, who drew the label; -1 = unknown."""
    group: Tensor
    """(B,) int64, which patient, slide or track the image belongs to; -1 = unknown."""
    index: Tensor  # type: ignore[assignment]  # a tuple's own index() is never needed
    """(B,) int64, the sample's row in the training set."""


class _Columns(NamedTuple):
    clean: Tensor
    """(N,) bool."""
    labelled: Tensor
    """(N,) bool."""
    annotator: Tensor
    """(N,) int64; -1 = unknown."""
    group: Tensor
    """(N,) int64; -1 = unknown."""
    annotations: Tensor
    """(N,) int64, how many masks by different annotators there are beside the label."""


class Samples(_Columns):
    """What is known of each sample without reading its image; where nothing is said of annotations there are none."""

    __slots__ = ()

    def __new__(
        cls, clean: Tensor, labelled: Tensor, annotator: Tensor, group: Tensor, annotations: Tensor | None = None
    ) -> "Samples":
        annotations = torch.zeros_like(annotator) if annotations is None else annotations
        return super().__new__(cls, clean, labelled, annotator, group, annotations)


class Progress(NamedTuple):
    """How far the training, or the current phase of it, has come."""

    epoch: int
    step: int
    """Optimiser steps done."""
    max_epochs: int
    max_steps: int

    @property
    def fraction(self) -> float:
        """Steps done as a share of all steps, in [0, 1]."""
        return min(1.0, self.step / max(1, self.max_steps))


class Seen(NamedTuple):
    """One batch of the training set as the model sees it now, without augmentation."""

    batch: Batch
    probs: Tensor
    """Like `batch.target`: what the model believes."""


class TrainingView(Protocol):
    """The training set through the current model; it costs nothing until it is iterated (one inference pass).

    Each process iterates its own share of the samples.
    """

    @property
    def samples(self) -> Samples: ...

    @property
    def share(self) -> Sequence[int]:
        """The indices of the samples that this process iterates."""

    @property
    def annotation_names(self) -> list[str]:
        """Who drew the masks that `annotations` gives, in the same order in every process."""

    def __iter__(self) -> Iterator[Seen]: ...

    def annotations(self, index: int) -> dict[str, Tensor]:
        """Give the masks by several annotators of sample `index`, at the image's own scale; any process may ask.

        Each is (H, W) uint8 class numbers, or (K, H, W) planes of 0 and 1; `IGNORE` where ignored.
        """

    def gather(self, table: Tensor) -> Tensor:
        """Add up what each process filled in of a table; on one process, the table itself."""

    def relabel(self, index: int, probs: Tensor, weight: Tensor) -> None:
        """Rewrite the label of sample `index`: `probs` (C, H, W) or (K, 2, H, W), `weight` (H, W) in [0, 1]."""


class Criterion(Protocol):
    """A loss: every one takes soft targets and a weight for each pixel."""

    def __call__(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Give a scalar; when all weights are zero, a 0 that is still connected to the graph."""


class PostProcessor(Protocol):
    """Refines probabilities; closed, so that any order composes."""

    def __call__(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """`probs` (C, H, W) float32, sums to 1 over C; `image` (H, W, D) as stored; gives probs again."""


class Segmenter(Protocol):
    """Segments an image without training."""

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """`image` (H, W, D) as stored; gives region labels (H, W), 0..k-1."""


def to_probs(logits: Tensor) -> Tensor:
    """Softmax along the class axis, in fp32: the one way from logits to probabilities."""
    return logits.float().softmax(dim=CLASS_AXIS)


def one_hot(label: Tensor, num_classes: int) -> Tensor:
    """Class numbers (..., H, W) to float probabilities (..., C, H, W); an ignored pixel becomes uniform.

    >>> one_hot(torch.tensor([[0, 1, 255]]), 2)[1]
    tensor([[0.0000, 1.0000, 0.5000]])
    """
    label = label.unsqueeze(CLASS_AXIS)
    classes = torch.arange(num_classes, device=label.device).view(num_classes, 1, 1)
    hard = (label == classes).float()  # (..., C, H, W)
    return hard.masked_fill_(label == IGNORE, 1.0 / num_classes)


def resize_probs(probs: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring probabilities (..., h, w) to (..., H, W) bilinearly, in fp32: they stay probabilities.

    >>> resize_probs(torch.full((2, 3, 3), 0.5), (6, 5)).shape
    torch.Size([2, 6, 5])
    """
    probs = probs.float()
    if probs.shape[-2:] == size:
        return probs
    planes = probs.reshape(1, -1, *probs.shape[-2:])  # (1, C, h, w)
    return F.interpolate(planes, size, mode="bilinear", align_corners=False).view(*probs.shape[:-2], *size)
