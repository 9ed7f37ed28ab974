"""Peers of a phase whose turn has not come get a gradient of zero, and change nothing."""

import torch
from torch import nn

from segtrain.losses import CrossEntropy
from segtrain.noise import CoTeaching, NoiseStrategy, Phase, Phased
from segtrain.noise.idle import with_idle
from segtrain.types import Batch, Progress, Samples


def phased(samples: Samples) -> tuple[Phased, nn.Module]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1))
    phases = {"plain": Phase(), "peers": Phase(noise={"co_teaching": CoTeaching(epochs=2, rate=0.2)})}
    strategy = Phased(epochs=4, phases=phases)
    strategy.attach(model, samples)
    return strategy, model


def test_every_parameter_has_a_gradient_in_every_phase(batch: Batch, samples: Samples) -> None:
    strategy, model = phased(samples)
    peers = list(strategy.parameters())
    assert peers
    for epoch, idle in ((0, True), (3, False)):
        for parameter in (*peers, *model.parameters()):
            parameter.grad = None
        terms = strategy.loss_terms(model(batch.image), batch, CrossEntropy(), Progress(epoch, epoch, 4, 4))
        torch.stack(list(terms.values())).sum().backward()
        assert all(parameter.grad is not None for parameter in (*peers, *model.parameters()))
        assert all(not parameter.grad.any() for parameter in peers) == idle  # type: ignore[union-attr]


def test_idle_parameters_change_neither_loss_nor_gradient(batch: Batch, samples: Samples) -> None:
    strategy, model = phased(samples)
    criterion, progress = CrossEntropy(), Progress(0, 0, 4, 4)
    gradients = []
    for each in (strategy, NoiseStrategy()):
        model.zero_grad()
        terms = each.loss_terms(model(batch.image), batch, criterion, progress)
        assert list(terms) == ["supervised"]
        terms["supervised"].backward()
        gradients.append([terms["supervised"].detach(), *(p.grad.clone() for p in model.parameters())])  # type: ignore[union-attr]
    assert all(torch.equal(ours, plain) for ours, plain in zip(*gradients, strict=True))


def test_frozen_modules_stay_out() -> None:
    term = torch.ones((), requires_grad=True)
    frozen = nn.Linear(2, 2).requires_grad_(False)
    assert with_idle({"a": term}, [frozen])["a"] is term
