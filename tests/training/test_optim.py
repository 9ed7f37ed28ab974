"""Parameter groups, and learning rates over the steps."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, PolynomialLR

from segtrain.errors import ConfigError
from segtrain.training import build_optimizer, constant, cosine, one_cycle, parameter_groups, polynomial

SCHEDULES: dict[str, Callable[..., Any]] = {
    "constant": constant, "cosine": cosine, "polynomial": polynomial, "one_cycle": one_cycle,
}  # fmt: skip


class Encoded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.decoder = nn.Conv2d(2, 2, 3)


class Task(nn.Module):
    """A model with a peer, which learns, and a teacher, which does not."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.peer = Encoded(), Encoded()
        self.teacher = Encoded().requires_grad_(False)


def by_name(groups: list[dict[str, Any]], task: nn.Module) -> dict[str, set[str]]:
    names = {id(parameter): name for name, parameter in task.named_parameters()}
    return {group["name"]: {names[id(parameter)] for parameter in group["params"]} for group in groups}


def test_everything_that_learns_is_in_one_group() -> None:
    task = Task()
    found = by_name(parameter_groups(task), task)
    assert sorted(found) == ["", "/no_decay"]
    assert found[""] == {f"{m}.{part}.weight" for m in ("model", "peer") for part in ("encoder.0", "decoder")}
    assert found[""] | found["/no_decay"] == {
        name for name, _ in task.named_parameters() if not name.startswith("teacher")
    }


def test_the_encoder_has_its_own_rate_and_norms_and_biases_do_not_decay() -> None:
    task = Task()
    optimizer = build_optimizer(partial(AdamW, lr=0.1, weight_decay=0.01), task, encoder_lr_factor=0.1)
    told = {group["name"]: (pytest.approx(group["lr"]), group["weight_decay"]) for group in optimizer.param_groups}
    assert told == {
        "encoder": (0.01, 0.01), "encoder/no_decay": (0.01, 0.0), "rest": (0.1, 0.01), "rest/no_decay": (0.1, 0.0),
    }  # fmt: skip
    found = by_name(optimizer.param_groups, task)
    assert found["encoder"] == {"model.encoder.0.weight", "peer.encoder.0.weight"}
    assert found["rest/no_decay"] == {"model.decoder.bias", "peer.decoder.bias"}


def test_the_rates_keep_their_ratio_under_every_schedule() -> None:
    for schedule in SCHEDULES.values():
        optimizer = build_optimizer(partial(SGD, lr=0.1), Task(), encoder_lr_factor=0.25)
        scheduler = schedule(optimizer, total_steps=10)
        for _ in range(10):
            rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
            assert rates["encoder"] == pytest.approx(0.25 * rates["rest"])
            optimizer.step()
            scheduler.step()


@pytest.mark.parametrize("factor", [0.0, -1.0])
def test_a_factor_out_of_range(factor: float) -> None:
    with pytest.raises(ConfigError, match="freeze_encoder"):
        parameter_groups(Task(), factor)


def test_nothing_to_train() -> None:
    with pytest.raises(ConfigError, match="nothing to train"):
        parameter_groups(Task().requires_grad_(False))


# Schedules


def rates(schedule: Callable[..., Any], total_steps: int, optimizer: Any = SGD, **options: Any) -> list[float]:
    """The rate that each of the steps is taken with, relative to the peak."""
    stepped = optimizer([nn.Parameter(torch.zeros(2, 2))], lr=0.5)
    scheduler = schedule(stepped, total_steps=total_steps, **options)
    seen = []
    for _ in range(total_steps):
        seen.append(stepped.param_groups[0]["lr"] / 0.5)
        stepped.step()
        scheduler.step()
    return seen


def test_constant() -> None:
    assert rates(constant, 5) == [1.0] * 5


def test_the_warm_up_is_a_straight_line() -> None:
    for schedule in (constant, cosine, polynomial):
        seen = rates(schedule, 20, warmup_fraction=0.2)
        assert seen[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_cosine_is_torchs() -> None:
    def torchs(optimizer: Any, total_steps: int) -> CosineAnnealingLR:
        return CosineAnnealingLR(optimizer, total_steps, eta_min=0.05)  # a tenth of the peak

    assert rates(cosine, 40, warmup_fraction=0.0, min_lr_factor=0.1) == pytest.approx(rates(torchs, 40))


def test_polynomial_is_torchs() -> None:
    def torchs(optimizer: Any, total_steps: int) -> PolynomialLR:
        return PolynomialLR(optimizer, total_steps, power=0.9)

    assert rates(polynomial, 40) == pytest.approx(rates(torchs, 40))


def test_one_cycle_goes_up_and_down_between_its_factors() -> None:
    seen = rates(one_cycle, 100, AdamW, warmup_fraction=0.25, start_factor=0.1, final_factor=0.01)
    assert seen[0] == pytest.approx(0.1)
    assert max(seen) == pytest.approx(1.0)
    assert seen.index(max(seen)) == 24
    assert seen[-1] == pytest.approx(0.01)
    half_way_up = 0.1 + 0.9 * (1 - math.cos(math.pi * 0.5)) / 2  # Smith and Topin's triangle, rounded by a cosine
    assert seen[12] == pytest.approx(half_way_up)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_a_schedule_outlives_a_checkpoint(tmp_path: Path, name: str) -> None:
    """Saved, read with weights only, and gone on from, it gives the very rates of the unbroken one."""
    schedule, total = SCHEDULES[name], 30
    weight = [nn.Parameter(torch.zeros(2, 2))]
    optimizer = AdamW(weight, lr=0.5)
    scheduler = schedule(optimizer, total_steps=total)
    for step in range(total):
        if step == 11:
            torch.save({"scheduler": scheduler.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "c.pt")
            saved = torch.load(tmp_path / "c.pt", weights_only=True)
            optimizer = AdamW(weight, lr=0.5)
            scheduler = schedule(optimizer, total_steps=total)
            optimizer.load_state_dict(saved["optimizer"])
            scheduler.load_state_dict(saved["scheduler"])
        assert optimizer.param_groups[0]["lr"] / 0.5 == rates(schedule, total, AdamW)[step]
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize("total", [1, 2, 3])
def test_a_schedule_of_few_steps_is_finite(name: str, total: int) -> None:
    seen = rates(SCHEDULES[name], total, AdamW)
    assert len(seen) == total
    assert all(0 <= rate <= 1 for rate in seen)


@pytest.mark.parametrize(
    ("schedule", "options", "told"),
    [
        (cosine, {"warmup_fraction": 1.0}, "'warmup_fraction' of a schedule must be in"),
        (cosine, {"min_lr_factor": -0.1}, "'min_lr_factor' of a schedule must be in"),
        (polynomial, {"power": 0.0}, "'power' of polynomial must be greater than 0"),
        (one_cycle, {"start_factor": 1.0}, "'start_factor' of one_cycle must be in"),
    ],
)
def test_out_of_range(schedule: Callable[..., Any], options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        rates(schedule, 10, **options)


@pytest.mark.parametrize("shape", [constant, cosine, polynomial])
def test_a_schedule_starts_anew_where_a_phase_does(shape: Callable[..., Any]) -> None:
    """Each stretch is the schedule of its own length, with the factor of its phase."""
    whole = rates(shape, 30, restarts={10: 0.5, 25: 2.0}, warmup_fraction=0.2)
    parts = [(10, 1.0), (15, 0.5), (5, 2.0)]
    assert whole == pytest.approx(
        [factor * rate for steps, factor in parts for rate in rates(shape, steps, warmup_fraction=0.2)]
    )


def test_one_cycle_cannot_start_anew() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    with pytest.raises(ConfigError, match="use cosine"):
        one_cycle(optimizer, 10, {5: 1.0})
