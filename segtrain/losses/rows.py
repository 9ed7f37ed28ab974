"""Sums over pixels, taken a few rows at a time: a loss never holds working copies of the whole batch."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["Formula", "as_problems", "cut_rows", "row_slices", "sum_rows"]

Formula = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(logits, target, weight) -> sums over their pixels; (B, K, C, h, W), the same, and (B, 1, 1, h, W), all float32."""

MOST_SLICES = 8
"""Working copies then take less room than the logits themselves, and a GPU still gets large kernels."""
LEAST_ELEMENTS = 2**17
"""Logits in a slice (512 KiB): smaller ones save no memory worth the calls; on a CPU this much stays in its cache."""


def sum_rows(formula: Formula, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Give what `formula` gives for all pixels: the home of what every loss shares.

    Exclusive classes become one problem (K = 1), so that a formula meets one shape only. Everything is float32,
    autocast or not. The logits of pixels with weight 0 are replaced by 0, so that not even an infinite one can
    reach the sums or the gradient. The backward pass computes each slice again instead of keeping it.

    Args:
        formula: its sums must add up over pixels and multiply by `weight`; other tensors it uses are constants.
        logits: (B, C, H, W) or (B, K, 2, H, W), any float dtype; only they get a gradient, and only a first one.
        target: like `logits`, sums to 1 over the class axis.
        weight: (B, H, W), at least 0.

    Raises:
        ValueError: the shapes do not belong together, or a gradient is wanted for the target or the weight.
    """
    return _SumRows.apply(formula, *as_problems(logits, target, weight))


def as_problems(logits: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Check what a loss was given, and give it one shape: (B, K, C, H, W), the same, and (B, 1, 1, H, W).

    Raises:
        ValueError: as in `sum_rows`.
    """
    batch, height, width = logits.shape[0], logits.shape[-2], logits.shape[-1]
    if logits.ndim not in (4, 5) or target.shape != logits.shape or weight.shape != (batch, height, width):
        got = ", ".join(str(tuple(tensor.shape)) for tensor in (logits, target, weight))
        raise ValueError(
            f"A loss takes logits (B, C, H, W) or (B, K, 2, H, W), a like target, weight (B, H, W); got {got}"
        )
    if target.requires_grad or weight.requires_grad:
        raise ValueError("The target and the weight of a loss are constants: detach() them")
    if logits.ndim == 4:
        logits, target = logits.unsqueeze(1), target.unsqueeze(1)  # (B, 1, C, H, W)
    return logits, target, weight[:, None, None]


class _SumRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, formula: Formula, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        ctx.formula = formula
        ctx.save_for_backward(logits, target, weight)
        with torch.autocast(logits.device.type, enabled=False):
            return sum(formula(*cut_rows(rows, logits, target, weight)) for rows in row_slices(logits))  # type: ignore[return-value]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None, None]:
        logits, target, weight = ctx.saved_tensors
        grad_logits = torch.empty_like(logits)
        with torch.autocast(logits.device.type, enabled=False), torch.enable_grad():
            for rows in row_slices(logits):
                part, *rest = cut_rows(rows, logits, target, weight)
                sums = ctx.formula(part.requires_grad_(), *rest)
                grad_logits[..., rows, :] = torch.autograd.grad(sums, part, grad)[0]
        return None, grad_logits, None, None


def row_slices(logits: Tensor) -> Iterator[slice]:
    """Give the rows of each slice of (B, K, C, H, W)."""
    height = logits.shape[-2]
    elements = max(LEAST_ELEMENTS, logits.numel() // MOST_SLICES)
    step = max(1, height * elements // max(1, logits.numel()))
    return (slice(start, start + step) for start in range(0, height, step))


def cut_rows(rows: slice, logits: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give a slice of each in float32, the logits a copy in which those of pixels with weight 0 are 0."""
    with torch.no_grad():
        weight = weight[..., rows, :].float()
        return torch.where(weight > 0, logits[..., rows, :].float(), 0.0), target[..., rows, :].float(), weight
