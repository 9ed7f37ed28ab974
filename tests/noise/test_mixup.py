"""MixUp blends pairs of the batch, and leaves out doubtful pixels near boundaries when asked to."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise import MixUp
from segtrain.noise.mixup import doubtful_pixels
from segtrain.types import IGNORE, Batch, Progress, one_hot
from tests.noise.batches import batch_of, blobs, on_no_device, random_labels, same

START = Progress(0, 0, 1, 1)


def mixed(batch: Batch, seed: int = 0, **options: object) -> Batch:
    torch.manual_seed(seed)
    return MixUp(**options).prepare(batch, nn.Identity(), START)  # type: ignore[arg-type]


def each_its_own_class(count: int) -> Batch:
    """Image i is all i and of class i, so that the blended target says what the blended image must be."""
    return batch_of(torch.arange(count).byte().view(-1, 1, 1).expand(count, 2, 2), num_classes=count)


@pytest.mark.parametrize("fold", [True, False])
def test_images_and_targets_are_blended_alike_each_by_its_own_share(fold: bool) -> None:
    batch = each_its_own_class(16)
    made = mixed(batch, alpha=1.0, fold=fold)
    implied = (made.target * torch.arange(16.0).view(1, 16, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(made.image, implied)
    own = made.target[torch.arange(16), torch.arange(16), 0, 0]  # the share of the first image
    assert len(own.unique()) > 12
    assert (own.min() >= 0.5) == fold
    assert torch.equal(made.weight, batch.weight)
    assert torch.equal(made.index, batch.index)


def test_without_a_chance_nothing_is_mixed() -> None:
    batch = batch_of(random_labels(6, 4, 4, ignored=0.2), clean=[True] * 6)
    assert same(mixed(batch, probability=0.0, boundary_width=2), batch)


def by_loop(first: Tensor, second: Tensor, width: int) -> np.ndarray:
    """Say for each pixel of two label maps (H, W) whether it is doubtful, in plain Python."""

    def near(label: Tensor, row: int, column: int) -> bool:
        rows = slice(max(0, row - width), row + width + 1)
        window = label[rows, max(0, column - width) : column + width + 1]
        return len(set(window.flatten().tolist()) - {IGNORE}) > 1

    found = np.zeros(first.shape, bool)
    for row in range(first.shape[0]):
        for column in range(first.shape[1]):
            one, other = first[row, column].item(), second[row, column].item()
            differ = one != other and IGNORE not in (one, other)
            found[row, column] = differ and (near(first, row, column) or near(second, row, column))
    return found


@pytest.mark.parametrize("width", [1, 2, 3])
def test_doubtful_pixels_match_a_plain_loop(width: int) -> None:
    labels = torch.cat([blobs(3, 14, 11, seed=1), blobs(3, 14, 11, seed=2)])
    labels[:, 2:5, 3:6] = IGNORE
    first, second = labels[:3], labels[3:]
    batches = [batch_of(label) for label in (first, second)]
    # Whatever class an ignored pixel is given, it makes no boundary.
    batches = [
        batch._replace(target=one_hot(torch.where(batch.weight > 0, batch.target.argmax(1), 2), 3)) for batch in batches
    ]
    found = doubtful_pixels(*batches, width)
    expected = np.stack([by_loop(one, other, width) for one, other in zip(first, second, strict=True)])
    assert 0 < expected.mean() < 0.9
    assert np.array_equal(found.numpy(), expected)


def test_of_overlapping_classes_one_is_enough() -> None:
    planes = torch.stack([blobs(2, 12, 12, num_classes=2, seed=seed) for seed in (1, 2)], dim=1)  # (B, K, H, W)
    others = torch.stack([blobs(2, 12, 12, num_classes=2, seed=seed) for seed in (3, 4)], dim=1)
    found = doubtful_pixels(batch_of(planes), batch_of(others), 1)
    each = [doubtful_pixels(batch_of(planes[:, k], 2), batch_of(others[:, k], 2), 1) for k in range(2)]
    assert torch.equal(found, each[0] | each[1])
    assert not torch.equal(each[0], each[1])


def test_doubtful_pixels_are_ignored_where_images_are_mixed() -> None:
    batch = batch_of(blobs(8, 12, 12))
    plain, careful = mixed(batch), mixed(batch, boundary_width=1)
    assert plain.weight.min() == 1
    assert torch.equal(plain.target, careful.target)
    hard = careful.target.amax(1) == 1  # both labels agree
    assert careful.weight[hard].min() == 1
    assert 0 < (careful.weight == 0).float().mean() < 0.5


def test_nothing_is_read_back_from_the_device() -> None:
    for label in (random_labels(4, 8, 8), random_labels(4, 2, 8, 8, num_classes=2)):
        made = mixed(on_no_device(batch_of(label)), boundary_width=2, probability=0.5)
        assert made.weight.shape == (4, 8, 8)


@pytest.mark.parametrize(
    ("name", "value"), [("alpha", 0.0), ("probability", 1.5), ("probability", -0.1), ("boundary_width", -1)]
)
def test_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"The '{name}' of MixUp must be"):
        MixUp(**{name: value})  # type: ignore[arg-type]
