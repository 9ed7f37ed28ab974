"""Batches whose every pixel tells which image it came from."""

from collections.abc import Sequence

import torch
from torch import Tensor

from segtrain.types import CLASS_AXIS, IGNORE, Batch, one_hot


def batch_of(label: Tensor, num_classes: int = 3, clean: Sequence[bool] = (), labelled: Sequence[bool] = ()) -> Batch:
    """Make image number i all i, with labels (B, H, W) uint8 or, for overlapping classes, planes (B, K, H, W)."""
    count = len(label)
    number = torch.arange(count)
    has_label = torch.tensor(list(labelled) or [True] * count)
    shape = (count, *(1,) * (label.dim() - 1))
    label = torch.where(has_label.view(shape), label, IGNORE).byte()
    target = one_hot(label, num_classes if label.dim() == 3 else 2)  # (B, C, H, W) or (B, K, 2, H, W)
    assert target.shape[CLASS_AXIS] in (2, num_classes)
    ignored = label == IGNORE if label.dim() == 3 else (label == IGNORE).any(1)
    image = number.float().view(-1, 1, 1, 1).expand(count, 1, *label.shape[-2:])
    is_clean = torch.tensor(list(clean) or [False] * count)
    return Batch(image, target, (~ignored).float(), is_clean, has_label, number - 9, number + 7, number)


def random_labels(*shape: int, num_classes: int = 3, ignored: float = 0.0, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(num_classes, shape, generator=generator, dtype=torch.uint8)
    return torch.where(torch.rand(shape, generator=generator) < ignored, IGNORE, label).byte()


def blobs(*shape: int, num_classes: int = 3, seed: int = 0) -> Tensor:
    """Labels in large pieces, (B, H, W) uint8."""
    coarse = random_labels(shape[0], -(-shape[1] // 4), -(-shape[2] // 4), num_classes=num_classes, seed=seed)
    return coarse.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, : shape[1], : shape[2]]


def on_no_device(batch: Batch) -> Batch:
    """Move a batch to the device without data: whatever reads a value back from it fails."""
    return Batch(*(column.to("meta") for column in batch))


def same(first: Batch, second: Batch) -> bool:
    return all(torch.equal(ours, theirs) for ours, theirs in zip(first, second, strict=True))
