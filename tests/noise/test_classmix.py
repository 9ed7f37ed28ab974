"""ClassMix pastes whole classes of another image, half of those it has."""

from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise import ClassMix
from segtrain.types import IGNORE, Batch, Progress
from tests.noise.batches import batch_of, on_no_device, random_labels, same


def mixed(batch: Batch, seed: int = 0, probability: float = 1.0) -> Batch:
    torch.manual_seed(seed)
    return ClassMix(probability).prepare(batch, nn.Identity(), Progress(0, 0, 1, 1))


def pairs(made: Batch) -> list[tuple[int, int, Tensor]]:
    """Give (first, second, pasted pixels (H, W)) of each image that got something from another."""
    found = []
    for image, source in enumerate(made.image[:, 0].long()):
        foreign = source != image
        if foreign.any():
            (second,) = source[foreign].unique().tolist()
            found.append((image, second, foreign))
    return found


def test_half_of_the_classes_present_are_pasted_whole() -> None:
    labels = random_labels(12, 8, 8, num_classes=6, ignored=0.15)
    labels[::3][labels[::3] == 5] = 0  # not all images have all classes
    labels[1::3][labels[1::3] > 2] = IGNORE
    made = mixed(batch_of(labels, num_classes=6))
    chosen = Counter[int]()
    for first, second, pasted in pairs(made):
        present = set(labels[second].unique().tolist()) - {IGNORE}
        taken = set(labels[second][pasted].tolist())
        assert IGNORE not in taken
        assert len(taken) == len(present) // 2
        assert torch.equal(pasted, torch.isin(labels[second], torch.tensor(sorted(taken)).byte()))
        expected = torch.where(pasted, labels[second], labels[first])
        seen = expected != IGNORE
        assert torch.equal(made.target[first].argmax(0).byte()[seen], expected[seen])
        assert torch.equal(made.weight[first] > 0, seen)
        chosen.update(taken)
    assert len(pairs(made)) >= 8
    assert set(chosen) == set(range(6))


def test_an_image_of_one_class_gives_nothing() -> None:
    batch = batch_of(torch.ones(6, 4, 4).byte())
    assert same(mixed(batch), batch)


def test_an_image_without_a_label_gives_nothing_and_may_get_something() -> None:
    batch = batch_of(random_labels(8, 6, 6), labelled=[True, False] * 4)
    made = mixed(batch)
    found = pairs(made)
    assert found
    assert all(second % 2 == 0 for _, second, _ in found)
    for first, _, pasted in found:
        if first % 2:
            assert torch.equal(made.weight[first] > 0, pasted)
            assert made.labelled[first]


@pytest.mark.parametrize("num_classes", [1, 2, 3])
def test_of_overlapping_classes_half_with_what_lies_in_none(num_classes: int) -> None:
    planes = random_labels(10, num_classes, 6, 6, num_classes=2)
    made = mixed(batch_of(planes, num_classes))
    found = pairs(made)
    assert len(found) >= 6
    for first, second, pasted in found:
        unions = [
            planes[second][list(subset)].any(0)
            for subset in torch.combinations(torch.arange(num_classes), (num_classes + 1) // 2).tolist()
        ]
        assert any(torch.equal(pasted, union) for union in unions)
        expected = torch.where(pasted, planes[second], planes[first])
        assert torch.equal(made.target[first][:, 1], expected.float())


def test_some_images_stay_whole() -> None:
    batch = batch_of(random_labels(300, 4, 4))
    assert same(mixed(batch, probability=0.0), batch)
    assert len(pairs(mixed(batch, probability=0.4))) / 300 == pytest.approx(0.4, abs=0.08)


def test_nothing_is_read_back_from_the_device() -> None:
    for label in (random_labels(4, 8, 8), random_labels(4, 2, 8, 8, num_classes=2)):
        assert mixed(on_no_device(batch_of(label))).image.shape == (4, 1, 8, 8)


def test_out_of_range() -> None:
    with pytest.raises(ConfigError, match="The 'probability' of ClassMix must be"):
        ClassMix(probability=2.0)
