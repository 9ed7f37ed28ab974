"""Several losses as one."""

import math
from collections.abc import Mapping
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError

__all__ = ["WeightedSum"]


class WeightedSum(nn.Module):
    """Add losses up, each with a weight: `'loss=[dice,bce]' loss_weights.bce=0.5`.

    Args:
        losses: the losses by name, at least one.
        weights: by the same names, at least 0 and not all 0; a loss without one has weight 1.

    Raises:
        ConfigError: no losses, a weight for a loss that is not there, or weights out of range; all faults at once.
    """

    def __init__(self, losses: Mapping[str, nn.Module], weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        weights = weights or {}
        faults = [] if losses else ["no loss is selected; choose one, such as loss=dice"]
        for name, weight in weights.items():
            if name not in losses:
                close = get_close_matches(name, losses, n=1)
                cure = f"did you mean '{close[0]}'?" if close else f"selected are {', '.join(losses) or 'none'}"
                faults.append(f"loss_weights.{name} is set, but no loss '{name}' is selected; {cure}")
            elif not 0 <= weight < math.inf:
                faults.append(f"loss_weights.{name} must be at least 0, got {weight}")
        self.weights = {name: float(weights.get(name, 1.0)) for name in losses}
        if losses and not any(self.weights.values()):
            faults.append("loss_weights must not all be 0")
        if faults:
            raise ConfigError("the losses cannot be added up:", faults)
        self.losses = nn.ModuleDict(losses)

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Give the sum as a scalar; arguments as for each loss (`segtrain.types.Criterion`)."""
        terms = [share * self.losses[name](logits, target, weight) for name, share in self.weights.items()]
        return torch.stack(terms).sum()
