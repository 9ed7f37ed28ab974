"""Rounds: the model labels the surest images first, then all; the next round learns from that."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise import SelfTraining
from segtrain.noise.self_training import image_confidence
from segtrain.types import Batch, Progress, Samples, Seen, one_hot


class Predicted:
    """Eight images of which the model is ever less sure: its probability of class 1 is 0.95, 0.90, ... 0.60."""

    def __init__(self, samples: Samples, overlapping: bool = False) -> None:
        self.samples = samples
        self.overlapping = overlapping
        self.passes = 0
        self.relabelled: dict[int, tuple[Tensor, Tensor]] = {}

    def __iter__(self) -> Iterator[Seen]:
        self.passes += 1
        for index in torch.arange(8).split(3):
            p = (0.95 - 0.05 * index).view(-1, 1, 1).expand(-1, 4, 4)
            probs = torch.stack([1 - p, p], dim=1)  # (B, C, H, W)
            target, weight = one_hot(torch.zeros(len(index), 4, 4), 2), torch.ones(len(index), 4, 4)
            weight[:, 0] = 0
            weight = weight * self.samples.labelled[index].view(-1, 1, 1)
            if self.overlapping:
                probs = torch.stack([probs, probs.flip(1) * 0.5 + 0.25], dim=1)  # (B, K, 2, H, W)
            flags = self.samples.clean[index], self.samples.labelled[index]
            yield Seen(Batch(torch.zeros(len(index), 1, 4, 4), target, weight, *flags, index, index, index), probs)

    def gather(self, table: Tensor) -> Tensor:
        return table

    def relabel(self, index: int, probs: Tensor, weight: Tensor) -> None:
        assert not self.samples.clean[index]
        self.relabelled[index] = (probs, weight)


@pytest.fixture
def some(samples: Samples) -> Samples:
    """Sample 1 is clean, the last three have no mask."""
    return samples._replace(labelled=torch.arange(8) < 5)


def attached(samples: Samples, model: nn.Module | None = None, **options: Any) -> SelfTraining:
    strategy = SelfTraining(**({"epochs": 9} | options))
    strategy.attach(model or nn.Identity(), samples)
    return strategy


def audited(strategy: SelfTraining, samples: Samples, epoch: int) -> Predicted:
    view = Predicted(samples)
    strategy.audit(view, epoch)  # type: ignore[arg-type]
    return view


def test_labels_are_made_where_a_round_starts(some: Samples) -> None:
    strategy = attached(some, epochs=10, rounds=3)
    passes = [audited(strategy, some, epoch).passes for epoch in range(10)]
    assert passes == [0, 0, 0, 2, 0, 0, 0, 1, 0, 0]


def test_the_surest_images_come_first_and_then_all(some: Samples) -> None:
    strategy = attached(some, first_share=0.4)
    assert sorted(audited(strategy, some, 3).relabelled) == [0, 2, 3]  # 1 is clean; 0.4 of 7 are 3
    assert sorted(audited(strategy, some, 6).relabelled) == [0, 2, 3, 4, 5, 6, 7]


def test_shares_grow_evenly_to_all(some: Samples) -> None:
    strategy = attached(some, rounds=4, first_share=0.4)
    assert [strategy.share(number) for number in (1, 2, 3)] == pytest.approx([0.4, 0.7, 1.0])
    assert attached(some, rounds=2, first_share=0.4).share(1) == 1.0


def test_only_unlabelled_images_are_labelled_when_given_labels_are_kept(some: Samples) -> None:
    strategy = attached(some, given="keep", first_share=0.34)
    assert sorted(audited(strategy, some, 3).relabelled) == [5]
    assert sorted(audited(strategy, some, 6).relabelled) == [5, 6, 7]


def test_a_label_is_the_likeliest_class_weighted_by_its_confidence(some: Samples) -> None:
    labels = audited(attached(some), some, 6).relabelled
    for index in (0, 4, 7):
        probs, weight = labels[index]
        assert torch.equal(probs, one_hot(torch.ones(4, 4), 2))
        assert weight[1:].numpy() == pytest.approx(0.95 - 0.05 * index)
    assert (labels[4][1][0] == 0).all()  # ignored pixels of a labelled image stay ignored
    assert (labels[7][1][0] > 0.5).all()


def test_a_soft_label_is_what_the_model_believes(some: Samples) -> None:
    probs, _ = audited(attached(some, soft=True), some, 6).relabelled[4]
    assert probs[1].numpy() == pytest.approx(0.75)


def test_overlapping_classes_weigh_as_the_least_sure_one(some: Samples) -> None:
    view = Predicted(some, overlapping=True)
    attached(some).audit(view, 6)  # type: ignore[arg-type]
    probs, weight = view.relabelled[7]
    assert torch.equal(probs, one_hot(torch.tensor([1, 0]).view(2, 1, 1).expand(2, 4, 4), 2))
    assert weight.numpy() == pytest.approx(0.55)  # 0.6 and 0.5 * 0.6 + 0.25


def test_unlabelled_images_are_drawn_once_they_have_a_label(some: Samples) -> None:
    strategy = attached(some, first_share=0.8)
    assert strategy.sample_weights(some, 2).tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    audited(strategy, some, 3)
    assert strategy.sample_weights(some, 3).tolist() == [1, 1, 1, 1, 1, 1, 1, 0]
    audited(strategy, some, 6)
    assert strategy.sample_weights(some, 6).tolist() == [1] * 8


def test_image_confidence_counts_each_class_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    probs = torch.randn(3, 4, 6, 5, generator=generator).mul(2).softmax(dim=1)
    probs[2] = torch.tensor([0.0, 1.0, 0.0, 0.0]).view(4, 1, 1)  # one class only
    for b, image in enumerate(probs.numpy()):
        found = image.argmax(axis=0)
        by_class = [image.max(axis=0)[found == c].mean() for c in np.unique(found)]
        assert image_confidence(probs)[b].item() == pytest.approx(np.mean(by_class), abs=1e-6)


def test_image_confidence_of_overlapping_classes() -> None:
    p = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    probs = torch.stack([1 - p, p], dim=2)
    for b in range(2):
        sides = [np.maximum(q, 1 - q)[side] for q in p[b].numpy() for side in (q < 0.5, q > 0.5)]
        assert image_confidence(probs)[b].item() == pytest.approx(np.mean([side.mean() for side in sides]), abs=1e-6)


def trained(model: nn.Module, strategy: SelfTraining, batch: Batch, epochs: range) -> list[float]:
    """Add 1 to the weight in each of two steps an epoch, and tell what it was before each."""
    before = []
    for epoch in epochs:
        for step in range(2):
            assert strategy.prepare(batch, model, Progress(epoch, 2 * epoch + step, 9, 18)) is batch
            before.append(model.weight.item())  # type: ignore[operator, union-attr]
            with torch.no_grad():
                model.weight += 1  # type: ignore[operator, assignment]
    return before


def test_a_restart_puts_the_first_weights_back_at_a_rounds_first_step(some: Samples, batch: Batch) -> None:
    model = nn.Conv2d(1, 1, 1)
    nn.init.zeros_(model.weight)
    strategy = attached(some, model, restart=True, epochs=6, rounds=3)
    assert trained(model, strategy, batch, range(6)) == [0, 1, 2, 3] * 3
    assert strategy.restarts == {2: 1.0, 4: 1.0}
    assert not any(parameter.requires_grad for parameter in strategy.parameters())


def test_a_resumed_round_is_not_restarted(some: Samples, batch: Batch) -> None:
    model = nn.Conv2d(1, 1, 1)
    nn.init.zeros_(model.weight)
    strategy = attached(some, model, restart=True, epochs=6, rounds=3)
    trained(model, strategy, batch, range(3))
    resumed = attached(some, nn.Conv2d(1, 1, 1), restart=True, epochs=6, rounds=3)
    resumed.load_state_dict(strategy.state_dict())
    assert trained(model, resumed, batch, range(3, 5)) == [2, 3, 0, 1]


def test_without_restart_training_goes_on(some: Samples, batch: Batch) -> None:
    model = nn.Conv2d(1, 1, 1)
    nn.init.zeros_(model.weight)
    strategy = attached(some, model, epochs=6, rounds=3)
    assert trained(model, strategy, batch, range(6)) == list(range(12))
    assert strategy.restarts == {}


def test_it_needs_some_labels(samples: Samples) -> None:
    with pytest.raises(ConfigError, match=r"data\.masks"):
        attached(samples._replace(labelled=torch.zeros(8, dtype=torch.bool)))


def test_every_value_out_of_range_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        SelfTraining(epochs=2, rounds=3, first_share=0.0, given="drop")  # type: ignore[arg-type]
    assert len(error.value.faults) == 3
    with pytest.raises(ConfigError, match="rounds"):
        SelfTraining(epochs=2, rounds=1)
