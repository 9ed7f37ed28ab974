"""What the optimiser gets: parameters in named groups; and how the learning rate goes over the steps."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR

from segtrain.errors import ConfigError
from segtrain.models.modes import encoder_parameters

__all__ = ["build_optimizer", "constant", "cosine", "one_cycle", "parameter_groups", "polynomial"]

Restarts = Mapping[int, float]
NO_RESTARTS: Restarts = MappingProxyType({})


def parameter_groups(task: nn.Module, encoder_lr_factor: float = 1.0) -> list[dict[str, Any]]:
    """Sort all parameters that require a gradient into groups for an optimiser.

    Norms and biases (all parameters of one dimension) do not decay. A part named `encoder` has groups of its own
    when its learning rate differs. A group's "name" is its role, with "/no_decay" appended where it does not decay.

    Args:
        task: the whole LightningModule: a peer of the strategy's is in, a frozen teacher is out.
        encoder_lr_factor: learning rate of the encoder relative to the rest, > 0.

    Raises:
        ConfigError: nothing is left to train, or the factor is out of range.
    """
    if encoder_lr_factor <= 0:
        raise ConfigError(
            f"The 'encoder_lr_factor' must be greater than 0, got {encoder_lr_factor}: use freeze_encoder to leave "
            "the encoder as it is"
        )
    encoder = {id(parameter) for parameter in encoder_parameters(task)}
    groups: dict[str, list[nn.Parameter]] = {}
    for parameter in task.parameters():
        if parameter.requires_grad:
            role = "" if encoder_lr_factor == 1.0 else "encoder" if id(parameter) in encoder else "rest"
            groups.setdefault(role if parameter.ndim > 1 else f"{role}/no_decay", []).append(parameter)
    if not groups:
        raise ConfigError("There is nothing to train: every parameter of the model is frozen.")
    return [
        {"params": parameters, "name": name} | ({"weight_decay": 0.0} if name.endswith("/no_decay") else {})
        for name, parameters in groups.items()
    ]


def build_optimizer(
    make: Callable[[list[dict[str, Any]]], Optimizer], task: nn.Module, encoder_lr_factor: float = 1.0
) -> Optimizer:
    """Make the optimiser of a task's parameters, with the encoder's learning rate scaled.

    Args:
        make: parameter groups -> optimiser.
        task: see `parameter_groups`.
        encoder_lr_factor: see `parameter_groups`.
    """
    optimizer = make(parameter_groups(task, encoder_lr_factor))
    for group in optimizer.param_groups:
        if group["name"].startswith("encoder"):
            group["lr"] *= encoder_lr_factor
    return optimizer


# Schedules. `total_steps` is the number of optimiser steps of the whole training; each group keeps its own base rate.
# `restarts`: at these steps the schedule starts anew, warm-up included, with this factor on the rate; a strategy in
# phases asks for them, or its last phase would train at a rate near zero.


def constant(
    optimizer: Optimizer, total_steps: int, restarts: Restarts = NO_RESTARTS, *, warmup_fraction: float = 0.0
) -> LambdaLR:
    """Keep the learning rate, after a linear warm-up.

    Args:
        optimizer: its groups' rates are the peak.
        total_steps: of the training.
        restarts: step -> factor on the rate from there on.
        warmup_fraction: share of the steps (between two restarts), in [0, 1).
    """
    return _schedule(optimizer, total_steps, restarts, warmup_fraction, 1.0, lambda _: 1.0)


def cosine(
    optimizer: Optimizer,
    total_steps: int,
    restarts: Restarts = NO_RESTARTS,
    *,
    warmup_fraction: float = 0.05,
    min_lr_factor: float = 0.0,
) -> LambdaLR:
    """Go down half a cosine, without restarts (Loshchilov and Hutter 2017, eq. 5), after a linear warm-up.

    Args:
        optimizer: its groups' rates are the peak.
        total_steps: of the training.
        restarts: step -> factor on the rate from there on.
        warmup_fraction: share of the steps (between two restarts), in [0, 1).
        min_lr_factor: the last rate relative to the peak, in [0, 1].
    """
    shape: Callable[[float], float] = lambda done: (1 + math.cos(math.pi * done)) / 2  # noqa: E731
    return _schedule(optimizer, total_steps, restarts, warmup_fraction, min_lr_factor, shape)


def polynomial(
    optimizer: Optimizer,
    total_steps: int,
    restarts: Restarts = NO_RESTARTS,
    *,
    power: float = 0.9,
    warmup_fraction: float = 0.0,
    min_lr_factor: float = 0.0,
) -> LambdaLR:
    """Go down as (1 - done) ** power, the "poly" policy (Chen et al. 2017, section 4.1), after a warm-up.

    Args:
        optimizer: its groups' rates are the peak.
        total_steps: of the training.
        restarts: step -> factor on the rate from there on.
        power: > 0; 1 is a straight line.
        warmup_fraction: share of the steps (between two restarts), in [0, 1).
        min_lr_factor: the last rate relative to the peak, in [0, 1].
    """
    if power <= 0:
        raise ConfigError(f"The 'power' of polynomial must be greater than 0, got {power}")
    return _schedule(optimizer, total_steps, restarts, warmup_fraction, min_lr_factor, lambda done: (1 - done) ** power)


def one_cycle(
    optimizer: Optimizer,
    total_steps: int,
    restarts: Restarts = NO_RESTARTS,
    *,
    warmup_fraction: float = 0.3,
    start_factor: float = 0.04,
    final_factor: float = 4e-6,
    cycle_momentum: bool = True,
) -> OneCycleLR:
    """Go up and down once, momentum the other way round (Smith and Topin 2019); it cannot start anew.

    Args:
        optimizer: its groups' rates are the peak.
        total_steps: of the training.
        restarts: step -> factor on the rate from there on.
        warmup_fraction: share of the steps that goes up, in (0, 1).
        start_factor: the first rate relative to the peak, in (0, 1).
        final_factor: the last rate relative to the peak, in (0, 1).
        cycle_momentum: move momentum (or Adam's first beta) between 0.95 and 0.85.
    """
    if restarts:
        raise ConfigError("scheduler=one_cycle goes up and down once, but this noise strategy has phases: use cosine")
    for name, value in (
        ("warmup_fraction", warmup_fraction), ("start_factor", start_factor), ("final_factor", final_factor),
    ):  # fmt: skip
        if not 0 < value < 1:
            raise ConfigError(f"The '{name}' of one_cycle must be in (0, 1), got {value}")
    return OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=total_steps,
        pct_start=warmup_fraction,
        div_factor=1 / start_factor,
        final_div_factor=start_factor / final_factor,
        cycle_momentum=cycle_momentum,
    )


def _schedule(
    optimizer: Optimizer,
    total_steps: int,
    restarts: Restarts,
    warmup_fraction: float,
    min_lr_factor: float,
    shape: Callable[[float], float],
) -> LambdaLR:
    """Warm up in a straight line, then follow `shape`, which goes from 1 down to 0 as its argument goes from 0 to 1."""
    if not 0 <= warmup_fraction < 1:
        raise ConfigError(f"The 'warmup_fraction' of a schedule must be in [0, 1), got {warmup_fraction}")
    if not 0 <= min_lr_factor <= 1:
        raise ConfigError(f"The 'min_lr_factor' of a schedule must be in [0, 1], got {min_lr_factor}")
    factors = {0: 1.0} | dict(restarts)

    def factor(step: int) -> float:
        start = max(first for first in factors if first <= step)
        length = min((first for first in factors if first > start), default=total_steps) - start
        return factors[start] * within(step - start, length)

    def within(step: int, length: int) -> float:
        warmup = round(length * warmup_fraction)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        done = min(1.0, (step - warmup) / max(1, length - warmup))
        return min_lr_factor + (1 - min_lr_factor) * shape(done)

    return LambdaLR(optimizer, factor)
