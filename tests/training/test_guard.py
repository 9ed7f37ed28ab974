"""A non-finite step never reaches the weights."""

import pytest
import torch
from torch import nn

from segtrain.errors import TrainingError
from segtrain.training.guard import NonFiniteGuard


def step(guard: NonFiniteGuard, model: nn.Module, scale: float) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = guard.loss((model(torch.ones(2, 3)) * scale).sum())
    optimizer.zero_grad()
    loss.backward()
    guard.gradients(optimizer)
    optimizer.step()


@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
def test_a_non_finite_step_changes_nothing_and_is_counted(scale: float) -> None:
    guard, model = NonFiniteGuard(patience=5), nn.Linear(3, 1)
    before = [p.clone() for p in model.parameters()]
    step(guard, model, scale)
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert guard.check() == 1
    step(guard, model, 1.0)
    assert not torch.equal(before[0], next(model.parameters()))
    assert guard.check() == 1


def test_a_non_finite_gradient_under_a_finite_loss_is_masked() -> None:
    guard, weight = NonFiniteGuard(patience=5), nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    guard.loss(weight.sqrt().sum()).backward()  # the slope of a root at 0 is infinite
    guard.gradients(optimizer)
    optimizer.step()
    assert weight.tolist() == [0.0, 0.0]
    assert guard.check() == 1


def test_too_many_in_a_row_end_the_training() -> None:
    guard, model = NonFiniteGuard(patience=3), nn.Linear(3, 1)
    for scale in (1.0, float("nan"), float("nan"), 1.0, float("nan"), float("nan")):
        step(guard, model, scale)
    assert guard.check() == 4
    step(guard, model, float("nan"))
    with pytest.raises(TrainingError, match="last 3 steps had a non-finite loss"):
        guard.check()


def test_it_leaves_no_key_in_the_checkpoint() -> None:
    assert list(NonFiniteGuard(3).state_dict()) == []
