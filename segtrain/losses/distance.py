"""Distances in a mask, on its device."""

import math

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

__all__ = ["distance_to"]


def distance_to(mask: Tensor) -> Tensor:
    """Give each pixel's Euclidean distance, in pixels, to the nearest one in the mask; infinite where there is none.

    Exact on every device: scipy's linear-time transform on a CPU, and elsewhere one that never waits for the device,
    for which it goes over the image log2(W) + H times.

    Args:
        mask: (..., H, W) bool.

    >>> distance_to(torch.tensor([[True, False, False], [False, False, False]]))
    tensor([[0.0000, 1.0000, 2.0000],
            [1.0000, 1.4142, 2.2361]])
    """
    return _on_cpu(mask) if mask.device.type == "cpu" else _on_device(mask)


def _on_cpu(mask: Tensor) -> Tensor:
    distances = torch.full(mask.shape, math.inf)
    size = mask.shape[-2:]
    for distance, image in zip(distances.view(-1, *size), mask.reshape(-1, *size), strict=True):
        if image.any():
            distance.copy_(torch.from_numpy(distance_transform_edt(~image.numpy())))
    return distances


def _on_device(mask: Tensor) -> Tensor:
    height, width = mask.shape[-2:]
    along = torch.where(mask, 0.0, math.inf)
    step = 1
    while step < width:  # any distance is a sum of powers of 2
        _lower(along, along, step, step, dim=-1)
        step *= 2
    squares = along.square_()
    nearest = squares.clone()
    for step in range(1, height):
        _lower(nearest, squares, step, step**2, dim=-2)
    return nearest.sqrt_()


def _lower(into: Tensor, values: Tensor, step: int, price: int, dim: int) -> None:
    """Take the minimum of a pixel's value and those `step` pixels to both sides plus a price."""
    length = into.shape[dim] - step
    for there, here in ((0, step), (step, 0)):
        offered = values.narrow(dim, there, length) + price
        place = into.narrow(dim, here, length)
        torch.minimum(place, offered, out=place)
