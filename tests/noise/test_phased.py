"""One strategy after another."""

import pytest
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise import CleanOnly, NoiseStrategy, Phase, Phased
from segtrain.types import Batch, Criterion, Progress, Samples


class Recorder(NoiseStrategy):
    """Keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Progress] = []
        self.steps = 0

    def loss_terms(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> dict[str, Tensor]:
        self.seen.append(progress)
        return super().loss_terms(logits, batch, criterion, progress)

    def after_step(self, model: nn.Module) -> None:
        self.steps += 1


class Constant(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        return logits.sum() * 0 + self.value


def test_each_epoch_belongs_to_one_phase_and_is_counted_from_its_start(batch: Batch) -> None:
    first, second = Recorder(), Recorder()
    phased = Phased([Phase(first, epochs=3), Phase(second)])
    for epoch in range(5):
        phased.loss_terms(batch.target, batch, Constant(0), Progress(epoch, epoch * 10, 5, 50))
    assert [p.epoch for p in first.seen] == [0, 1, 2]
    assert [(p.epoch, p.step, p.max_epochs, p.max_steps) for p in second.seen] == [(0, 0, 2, 20), (1, 10, 2, 20)]


def test_a_phase_may_have_its_own_loss(batch: Batch) -> None:
    phased = Phased([Phase(NoiseStrategy(), epochs=1, criterion=Constant(7)), Phase(NoiseStrategy())])
    losses = [
        phased.loss_terms(batch.target, batch, Constant(3), Progress(epoch, epoch * 10, 2, 20))["supervised"].item()
        for epoch in (0, 1)
    ]
    assert losses == [7, 3]


def test_all_phases_follow_every_step() -> None:
    first, second = Recorder(), Recorder()
    Phased([Phase(first, epochs=1), Phase(second)]).after_step(nn.Identity())
    assert (first.steps, second.steps) == (1, 1)


def test_samples_are_the_phases_own(samples: Samples) -> None:
    phased = Phased([Phase(CleanOnly(), epochs=2), Phase(NoiseStrategy())])
    assert torch.equal(phased.sample_weights(samples, 1), samples.clean.float())
    assert phased.sample_weights(samples, 2).min() == 1


def test_a_phase_without_a_length_must_be_the_last() -> None:
    with pytest.raises(ConfigError, match="Each phase but the last needs 'epochs'"):
        Phased([Phase(NoiseStrategy()), Phase(NoiseStrategy())])
