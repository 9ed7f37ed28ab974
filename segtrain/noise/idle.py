"""Parameters that stand still for a while, such as the peers of a phase whose turn has not come."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["with_idle"]


def with_idle(terms: dict[str, Tensor], idle: Iterable[nn.Module]) -> dict[str, Tensor]:
    """Connect the trainable parameters of modules that have no part in the terms to the first term, by a zero.

    Distributed training waits for a gradient of every parameter, and ends with an error if one has none. The zero is
    added on one device too, so that the number of devices changes nothing.

    Args:
        terms: named scalars, one at least.
        idle: modules that the terms do not depend on.
    """
    parameters = [parameter for module in idle for parameter in module.parameters() if parameter.requires_grad]
    if not parameters:
        return terms
    name, term = next(iter(terms.items()))
    return terms | {name: term + 0.0 * torch.stack([parameter.sum() for parameter in parameters]).sum()}
