"""CutMix pastes one box of another image, labels and weights included."""

import pytest
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise import CutMix
from segtrain.types import Batch, Progress
from tests.noise.batches import batch_of, on_no_device, random_labels, same


def mixed(batch: Batch, seed: int = 0, **options: float) -> Batch:
    torch.manual_seed(seed)
    return CutMix(**options).prepare(batch, nn.Identity(), Progress(0, 0, 1, 1))


def sides(mask: Tensor) -> tuple[range, range]:
    """Give the rows and columns of the box that a mask (H, W) is, or fail."""
    rows, columns = mask.any(1).nonzero().flatten().tolist(), mask.any(0).nonzero().flatten().tolist()
    box = range(rows[0], rows[-1] + 1), range(columns[0], columns[-1] + 1)
    assert int(mask.sum()) == len(box[0]) * len(box[1])
    return box


def test_every_pixel_is_the_firsts_or_in_one_box_the_seconds() -> None:
    labels = random_labels(12, 20, 30, ignored=0.2)
    batch = batch_of(labels)
    made = mixed(batch, probability=1.0)
    boxes = 0
    for image in range(12):
        source = made.image[image, 0].long()  # (H, W), which image each pixel came from
        for name in ("target", "weight"):
            column = getattr(batch, name)
            rows, columns = torch.meshgrid(torch.arange(20), torch.arange(30), indexing="ij")
            expected = column.movedim((-2, -1), (1, 2))[source, rows, columns]  # (H, W, ...)
            assert torch.equal(getattr(made, name)[image].movedim((-2, -1), (0, 1)), expected)
        foreign = source != image
        assert len(source[foreign].unique()) <= 1
        if foreign.any():
            sides(foreign)
            boxes += 1
    assert boxes >= 8
    assert torch.equal(made.index, batch.index)


def test_boxes_have_the_pictures_shape_and_any_place_and_size() -> None:
    batch = batch_of(torch.zeros(400, 40, 60).byte())
    source = mixed(batch, probability=1.0).image[:, 0].long()  # (B, H, W)
    foreign = source != torch.arange(400).view(-1, 1, 1)
    boxes = [sides(mask) for mask in foreign if mask.any()]
    whole = [
        (rows, columns) for rows, columns in boxes if rows[0] and columns[0] and rows[-1] < 39 and columns[-1] < 59
    ]
    assert 20 < len(whole) < len(boxes)  # some are cut off at the rim
    assert all(abs(len(rows) / 40 - len(columns) / 60) < 1.1 / 40 + 1.1 / 60 for rows, columns in whole)
    # Yun et al.: the area is 1 - lambda with lambda uniform, and the centre uniform; by a simulation of these lines.
    generator = torch.Generator().manual_seed(1)
    half = torch.rand(100_000, generator=generator).sqrt() / 2
    middle = torch.rand(2, 100_000, generator=generator)
    seen = ((middle + half).clamp_max(1) - (middle - half).clamp_min(0)).prod(0).mean()
    assert foreign.float().mean() == pytest.approx(seen.item(), abs=0.03)


def test_some_images_stay_whole() -> None:
    batch = batch_of(random_labels(300, 8, 8, ignored=0.1))
    assert same(mixed(batch, probability=0.0), batch)
    foreign = mixed(batch, probability=0.4).image[:, 0] != torch.arange(300.0).view(-1, 1, 1)
    assert foreign.flatten(1).any(1).float().mean() == pytest.approx(0.4, abs=0.08)


def test_a_pasted_image_without_a_label_is_ignored_where_it_is_seen() -> None:
    batch = batch_of(random_labels(16, 12, 12), labelled=[True, False] * 8)
    made = mixed(batch, probability=1.0)
    unlabelled = made.image[:, 0].long() % 2 == 1  # (B, H, W)
    assert torch.equal(made.weight == 0, unlabelled)


def test_overlapping_classes_are_cut_alike() -> None:
    planes = random_labels(6, 2, 10, 10, num_classes=2)
    made = mixed(batch_of(planes), probability=1.0)
    source = made.image[:, 0].long()
    rows, columns = torch.meshgrid(torch.arange(10), torch.arange(10), indexing="ij")
    for k in range(2):
        assert torch.equal(made.target[:, k, 1], planes[:, k][source, rows, columns].float())


def test_nothing_is_read_back_from_the_device() -> None:
    assert mixed(on_no_device(batch_of(random_labels(4, 8, 8)))).image.shape == (4, 1, 8, 8)


@pytest.mark.parametrize(("name", "value"), [("alpha", 0.0), ("probability", 1.5)])
def test_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"The '{name}' of CutMix must be"):
        CutMix(**{name: value})
