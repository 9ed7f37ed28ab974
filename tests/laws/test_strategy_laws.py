"""What every noise strategy in configs/noise obeys, alone and chained, under every loss."""

from functools import cache
from itertools import permutations
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from segtrain.config import options
from segtrain.errors import ConfigError
from segtrain.losses import WeightedSum
from segtrain.noise import Chain, NoiseStrategy
from segtrain.run.build import make
from segtrain.types import Batch, Progress, Samples
from tests.small import small_config

STRATEGIES = sorted(options("noise"))
CHAINED = [name for name in STRATEGIES if name != "none"]
LOSSES = sorted(options("loss"))


@cache
def composed(group: str, name: str) -> dict[str, Any]:
    return dict(OmegaConf.to_container(small_config(f"{group}={name}")[group], resolve=True))  # type: ignore[arg-type]


def built(group: str, *names: str) -> dict[str, Any]:
    """Build options of a group that stacks, by name."""
    return {key: make(OmegaConf.create(node)) for name in names for key, node in composed(group, name).items()}


def strategy_of(*names: str) -> NoiseStrategy:
    return Chain.of(built("noise", *names))


def criterion_of(loss: str = "dice") -> nn.Module:
    return WeightedSum(built("loss", loss))


def tiny_model() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d(0.1), nn.Conv2d(4, 3, 1)]
    return nn.Sequential(*layers)


def two_steps(strategy: NoiseStrategy, criterion: nn.Module, model: nn.Module, batch: Batch) -> list[float]:
    """Run the hooks of a step as the task does, twice."""
    optimizer = torch.optim.SGD([*model.parameters(), *strategy.parameters()], lr=0.1)
    losses = []
    for step in range(2):
        progress = Progress(epoch=step, step=step, max_epochs=2, max_steps=2)
        seen = strategy.prepare(batch, model, progress)
        logits = model(seen.image)
        seen = seen._replace(weight=seen.weight * strategy.trust(logits.detach(), seen, progress))
        total = torch.stack(list(strategy.loss_terms(logits, seen, criterion, progress).values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        strategy.after_step(model)
        losses.append(total.item())
    return losses


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_it_trains_under_every_loss(name: str, loss: str, batch: Batch, samples: Samples) -> None:
    strategy, criterion = strategy_of(name), criterion_of(loss)
    model = tiny_model()
    strategy.attach(model, samples)
    before = [p.clone() for p in model.parameters()]
    assert all(torch.isfinite(torch.tensor(two_steps(strategy, criterion, model, batch))))
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("name", STRATEGIES)
def test_it_leaves_its_batch_alone(name: str, batch: Batch, samples: Samples) -> None:
    strategy, criterion = strategy_of(name), criterion_of()
    model = tiny_model()
    strategy.attach(model, samples)
    before = Batch(*(column.clone() for column in batch))
    two_steps(strategy, criterion, model, batch)
    assert all(torch.equal(old, new) for old, new in zip(before, batch, strict=True))


@pytest.mark.parametrize("name", STRATEGIES)
def test_its_state_has_fixed_keys_after_attach(name: str, batch: Batch, samples: Samples) -> None:
    strategy, criterion = strategy_of(name), criterion_of()
    model = tiny_model()
    strategy.attach(model, samples)
    keys = list(strategy.state_dict())
    two_steps(strategy, criterion, model, batch)
    assert list(strategy.state_dict()) == keys


@pytest.mark.parametrize("name", STRATEGIES)
def test_its_weights_draw_somebody(name: str, samples: Samples) -> None:
    strategy = strategy_of(name)
    strategy.attach(tiny_model(), samples)
    for epoch in range(4):
        weights = strategy.sample_weights(samples, epoch)
        assert weights.shape == (8,)
        assert (weights >= 0).all()
        assert weights.any()


@pytest.mark.parametrize("name", STRATEGIES)
def test_its_trust_is_a_share(name: str, batch: Batch, samples: Samples) -> None:
    strategy = strategy_of(name)
    model = tiny_model()
    strategy.attach(model, samples)
    trust = strategy.trust(model(batch.image), batch, Progress(0, 0, 2, 2))
    assert trust.shape == batch.weight.shape
    assert 0 <= trust.min() <= trust.max() <= 1


@pytest.mark.parametrize(("first", "second"), list(permutations(CHAINED, 2)))
def test_chained_it_trains_or_is_refused_with_a_reason(first: str, second: str, batch: Batch, samples: Samples) -> None:
    try:
        strategy = strategy_of(first, second)
    except ConfigError as refusal:
        reason = str(refusal)
    else:
        reason = ""
    if reason:
        assert first in reason
        assert second in reason
        return
    assert isinstance(strategy, Chain)
    assert list(strategy.members) == [first, second]
    model = tiny_model()
    strategy.attach(model, samples)
    two_steps(strategy, criterion_of(), model, batch)
