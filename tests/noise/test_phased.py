"""One strategy after another."""

import pytest
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise import Chain, CleanOnly, Curriculum, NoiseStrategy, Phase, Phased
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
    phased = Phased(5, {"first": Phase(share=0.6, noise={"a": first}), "second": Phase(share=0.4, noise={"b": second})})
    for epoch in range(5):
        phased.loss_terms(batch.target, batch, Constant(0), Progress(epoch, epoch * 10, 5, 50))
    assert [p.epoch for p in first.seen] == [0, 1, 2]
    assert [(p.epoch, p.step, p.max_epochs, p.max_steps) for p in second.seen] == [(0, 0, 2, 20), (1, 10, 2, 20)]


def test_a_phase_may_have_its_own_loss(batch: Batch) -> None:
    phased = Phased(2, {"first": Phase(loss={"seven": Constant(7)}, loss_weights={"seven": 2}), "second": Phase()})
    losses = [
        phased.loss_terms(batch.target, batch, Constant(3), Progress(epoch, epoch * 10, 2, 20))["supervised"].item()
        for epoch in (0, 1)
    ]
    assert losses == [14, 3]


def test_all_phases_follow_every_step() -> None:
    first, second = Recorder(), Recorder()
    Phased(2, {"first": Phase(noise={"a": first}), "second": Phase(noise={"b": second})}).after_step(nn.Identity())
    assert (first.steps, second.steps) == (1, 1)


def test_samples_are_the_phases_own(samples: Samples) -> None:
    phased = Phased(3, {"clean": Phase(share=2, noise={"clean_only": CleanOnly()}), "all": Phase(share=1)})
    assert torch.equal(phased.sample_weights(samples, 1), samples.clean.float())
    assert phased.sample_weights(samples, 2).min() == 1


def test_the_rate_starts_anew_with_each_phase() -> None:
    inner = Phased(4, {"a": Phase(), "b": Phase(lr_factor=0.5)})
    phased = Phased(8, {"first": Phase(lr_factor=2.0, noise={"inner": inner}), "second": Phase(lr_factor=0.1)})
    assert phased.restarts == {0: 2.0, 2: 1.0, 4: 0.1}
    assert Chain({"phased": phased, "curriculum": Curriculum(8)}).restarts == phased.restarts


def test_every_phase_has_an_epoch_or_all_are_refused() -> None:
    phased = Phased(2, {"long": Phase(share=100), "short": Phase(share=1)})
    assert phased.restarts == {1: 1.0}
    with pytest.raises(ConfigError, match=r"raise trainer\.max_epochs"):
        Phased(1, {"first": Phase(), "second": Phase()})
    with pytest.raises(ConfigError, match="two names"):
        Phased(9, {"alone": Phase()})


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="'share' of Phase must be greater than 0"):
        Phase(share=0)
