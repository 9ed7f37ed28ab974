"""Losses that are linear in the probabilities once the pixels' order or place is known: sums over pixels of a slope.

Such a slope depends on all pixels, so that the sums cannot be taken a few rows at a time; but it is a constant for the
gradient, and one class's is made at a time. The room it takes becomes the gradient's.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from segtrain.losses.functional import PIXELS
from segtrain.losses.rows import as_problems, cut_rows, row_slices
from segtrain.types import to_probs

__all__ = ["Slope", "sum_slopes"]

Slope = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(probs, target, weight) of one class -> the loss's slope at each pixel, 0 where the weight is; all (B, H, W)."""


def sum_slopes(slope: Slope, logits: Tensor, target: Tensor, weight: Tensor, first: int = 0) -> Tensor:
    """Give sum slope (p - y) and sum w y over the pixels, for each image and each class from `first` on.

    Everything is float32, autocast or not, and the logits of pixels with weight 0 reach nothing.

    Args:
        slope: of a class.
        logits, target, weight: as in `sum_rows`.
        first: classes before it are left out.

    Returns:
        (2, B, K, C - first); only the first of the two has a gradient.
    """
    return _SumSlopes.apply(slope, first, *as_problems(logits, target, weight))


class _SumSlopes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, slope: Slope, first: int, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        ctx.slope, ctx.first = slope, first
        ctx.save_for_backward(logits, target, weight)
        sums, slopes = _measure(slope, first, logits, target, weight)
        ctx.slopes = slopes if ctx.needs_input_grad[2] else None
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None, Tensor, None, None]:
        logits, target, weight = ctx.saved_tensors
        slopes, ctx.slopes = ctx.slopes, None
        if slopes is None:  # a second pass over a graph that was retained: the first one has overwritten them
            _, slopes = _measure(ctx.slope, ctx.first, logits, target, weight)
        fits = slopes.shape == logits.shape and logits.dtype == torch.float32
        grad_logits = slopes if fits else torch.empty_like(logits)
        with torch.autocast(logits.device.type, enabled=False), torch.enable_grad():
            for rows in row_slices(logits):
                part, _, _ = cut_rows(rows, logits, target, weight)
                probs = to_probs(part.requires_grad_())[:, :, ctx.first :]
                sums = (probs * slopes[..., rows, :]).sum(PIXELS)
                grad_logits[..., rows, :] = torch.autograd.grad(sums, part, grad[0])[0]
        return None, None, grad_logits, None, None


def _measure(slope: Slope, first: int, logits: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Give what `sum_slopes` gives, and the slopes (B, K, C - first, H, W)."""
    with torch.autocast(logits.device.type, enabled=False):
        slopes = torch.empty_like(logits[:, :, first:], dtype=torch.float32, memory_format=torch.contiguous_format)
        for rows in row_slices(logits):
            part, _, _ = cut_rows(rows, logits, target, weight)
            slopes[..., rows, :] = to_probs(part)[:, :, first:]
        sums = slopes.new_empty(2, *slopes.shape[:3])
        weight = weight[:, 0, 0].float()  # (B, H, W)
        for k, c in product(*map(range, slopes.shape[1:3])):
            probs, label = slopes[:, k, c], target[:, k, first + c].float()  # (B, H, W)
            steep = slope(probs, label, weight)  # (B, H, W)
            sums[0, :, k, c] = (steep * (probs - label)).sum(PIXELS)
            sums[1, :, k, c] = (weight * label).sum(PIXELS)
            probs.copy_(steep)
    return sums, slopes
