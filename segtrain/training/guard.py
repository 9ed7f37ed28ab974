"""The guard: a step with a non-finite loss or gradient never reaches the weights, and costs no synchronisation."""

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from segtrain.errors import TrainingError

__all__ = ["NonFiniteGuard"]


class NonFiniteGuard(nn.Module):
    """Mask and count non-finite steps on the device.

    A masked step's gradient counts as zero. Under DDP the gradient is looked at after its reduction, and a loss that is
    non-finite on one process spoils the gradient of all, so that every process masks and counts the same steps.

    Args:
        patience: steps in a row that may be masked before `check` ends the training, >= 1.
    """

    in_a_row: Tensor
    in_all: Tensor

    def __init__(self, patience: int) -> None:
        super().__init__()
        self.patience = patience
        self.register_buffer("in_a_row", torch.zeros((), dtype=torch.int64), persistent=False)
        self.register_buffer("in_all", torch.zeros((), dtype=torch.int64), persistent=False)

    @staticmethod
    def loss(loss: Tensor) -> Tensor:
        """Give the loss, and one that is not finite a gradient that is not either, which it might have."""
        return loss * torch.where(loss.isfinite(), 1.0, torch.nan)

    def gradients(self, optimizer: Optimizer) -> None:
        """Set all gradients to zero if one of them is non-finite, and count."""
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        finite = torch.stack(torch._foreach_norm(gradients)).sum().isfinite()
        for gradient in gradients:
            gradient.masked_fill_(~finite, 0.0)
        self.in_a_row.copy_(torch.where(finite, 0, self.in_a_row + 1))
        self.in_all.add_(~finite)

    def check(self) -> int:
        """Wait for the device and give the number of masked steps so far.

        Raises:
            TrainingError: the last `patience` steps were all masked.
        """
        in_a_row, in_all = torch.stack([self.in_a_row, self.in_all]).tolist()
        if in_a_row >= self.patience:
            raise TrainingError(
                f"The last {in_a_row} steps had a non-finite loss or gradient and were left out; the weights are still "
                "finite. Lower optimizer.lr, set trainer.gradient_clip_val=1, or use trainer.precision=32-true."
            )
        return in_all
