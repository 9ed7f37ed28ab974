"""What every loss class shares: checked parameters and class weights."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError

__all__ = ["Loss", "require"]


def require(holds: bool, owner: object, name: str, law: str, value: object) -> None:
    """Refuse a constructor's argument that breaks its law.

    Raises:
        ConfigError: "The 'q' of GeneralizedCrossEntropy must be in (0, 1], got 1.5".
    """
    if not holds:
        raise ConfigError(f"The '{name}' of {type(owner).__name__} must be {law}, got {value}")


class Loss(nn.Module, ABC):
    """A loss with a weight for each class.

    Args:
        class_weights: one number, at least 0, for each of the data's classes; null = all count the same.

    Raises:
        ConfigError: a weight is negative or not finite, all are 0, or there is not one for each class.
    """

    share: Tensor | None
    """`class_weights` as a tensor (C,) that follows the module to its device; not in the state."""

    def __init__(self, class_weights: list[float] | None) -> None:
        super().__init__()
        self.class_weights = None if class_weights is None else [float(value) for value in class_weights]
        share = None
        if self.class_weights is not None:
            legal = all(0 <= value < math.inf for value in self.class_weights) and any(self.class_weights)
            require(legal, self, "class_weights", "numbers of at least 0, not all 0", self.class_weights)
            share = torch.tensor(self.class_weights)  # (C,)
        self.register_buffer("share", share, persistent=False)

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Give the loss as a float32 scalar; a 0 connected to the graph when all weights are 0.

        Args:
            logits: (B, C, H, W) for exclusive classes, (B, K, 2, H, W) for overlapping ones; any float dtype.
            target: like `logits`, sums to 1 over the class axis, hard or soft; a constant.
            weight: (B, H, W), the trust in each pixel, at least 0; a constant.
        """
        if self.class_weights is not None:
            law = f"{logits.shape[1]} numbers, one for each class"
            require(len(self.class_weights) == logits.shape[1], self, "class_weights", law, self.class_weights)
        return self.loss(logits, target, weight)

    @abstractmethod
    def loss(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Give the scalar; arguments as in `forward`."""
