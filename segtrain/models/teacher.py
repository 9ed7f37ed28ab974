"""A teacher: the exponential moving average of a model's weights."""

import copy
from itertools import chain

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from segtrain.errors import ConfigError
from segtrain.types import to_probs

__all__ = ["EmaTeacher", "average"]


class EmaTeacher(nn.Module):
    """Follow a model by the average of its weights (Tarvainen and Valpola 2017), in evaluation mode, without gradients.

    A part for strategies: made in `__init__`, given its model in `attach`, moved in `after_step`. It follows the raw
    weights from the first step; its count of updates is in the state, so that a resumed run does not ramp up again.

    Args:
        decay: weight of the past, in (0, 1); see `average`.
    """

    model: nn.Module

    def __init__(self, decay: float = 0.99) -> None:
        super().__init__()
        if not 0 < decay < 1:
            raise ConfigError(f"The 'decay' of EmaTeacher must be in (0, 1), got {decay}")
        self.decay = decay
        self.updates = 0

    def attach(self, model: nn.Module) -> None:
        """Copy the model, before a checkpoint loads."""
        self.model = copy.deepcopy(model).requires_grad_(False)

    def follow(self, model: nn.Module) -> None:
        """Move towards the model, after an optimiser step."""
        self.updates += 1
        average(self.model, model, self.decay, self.updates)

    def forward(self, image: Tensor) -> Tensor:
        """Give probabilities (B, C, H, W) or (B, K, 2, H, W) for images (B, D, H, W)."""
        with torch.no_grad():
            return to_probs(self.model.eval()(image))

    # A tensor on the host: reading the count must not wait for the device.

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.updates)

    def set_extra_state(self, state: Tensor) -> None:
        self.updates = int(state)


@torch.no_grad()
def average(averaged: nn.Module, model: nn.Module, decay: float, updates: int) -> None:
    """Move `averaged` by 1 - min(decay, 1 - 1 / (updates + 1)) towards `model`, with the ramp of the authors' code.

    Floating-point buffers, such as the statistics of batch norm, are averaged with the weights; others are copied.

    Args:
        averaged: changed in place; of the model's own form.
        model: what it follows.
        decay: weight of the past, in (0, 1).
        updates: how many there were, this one included.
    """
    pairs = list(zip(_tensors(averaged), _tensors(model), strict=True))
    ours = [mine for mine, _ in pairs if mine.is_floating_point()]
    theirs = [other for _, other in pairs if other.is_floating_point()]
    get_ema_multi_avg_fn(min(decay, 1 - 1 / (updates + 1)))(ours, theirs, updates)
    for mine, other in pairs:
        if not mine.is_floating_point():
            mine.copy_(other)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in chain(module.parameters(), module.buffers())]
