"""Predicts images of any size: at once where they fit the window, else by a Gaussian-weighted sliding window."""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from segtrain.errors import ConfigError

__all__ = ["predict_each", "predict_probs", "stream_probs"]

MULTIPLE = 32
"""What every model's image sides are multiples of."""
Predict = Callable[[Tensor], Tensor]


def predict_probs(predict: Predict, image: Tensor, window: int, overlap: float = 0.5, batch: int = 4) -> Tensor:
    """Give an image's probabilities at its own size, from 1 pixel up.

    Args:
        predict: gives probs for images (b, D, h, w) whose sides are multiples of 32; it may work on another device.
        image: (B, D, H, W), normalised; the probs are gathered on its device.
        window: pixels, a multiple of 32. An image with no side longer than it is predicted at once, padded by
            reflection; a larger one in windows that overlap.
        overlap: share of a window, in [0, 1), that it has at least in common with the next.
        batch: windows given to `predict` at a time.

    Returns:
        (B, C, H, W) or (B, K, 2, H, W) float32.
    """
    _check(window, overlap, batch)
    height, width = image.shape[-2:]
    if max(height, width) <= window:
        return _predicted(predict, _padded(image), batch)[..., :height, :width]  # (B, C, H, W)
    probs = None
    for position, one in enumerate(image):
        for top, strip in stream_probs(predict, one, window, overlap, batch):
            if probs is None:
                probs = strip.new_empty(len(image), *strip.shape[:-2], height, width)  # (B, C, H, W)
            probs[position, ..., top : top + strip.shape[-2], :] = strip
    assert probs is not None  # an image has at least one strip
    return probs


def predict_each(
    predict: Predict, images: Sequence[Tensor], window: int, overlap: float = 0.5, batch: int = 16
) -> list[Tensor]:
    """Give each image's probabilities as `predict_probs` would; images that are padded to one shape go together.

    Args:
        images: each (D, h, w), of any size.
    """
    together: dict[torch.Size, list[int]] = {}
    results: dict[int, Tensor] = {}
    for position, image in enumerate(images):
        if max(image.shape[-2:]) > window:
            results[position] = predict_probs(predict, image[None], window, overlap, batch)[0]
        else:
            together.setdefault(_padded(image).shape, []).append(position)
    for positions in together.values():
        padded = torch.stack([_padded(images[position]) for position in positions])  # (b, D, H', W')
        for position, probs in zip(positions, _predicted(predict, padded, batch), strict=True):
            height, width = images[position].shape[-2:]
            results[position] = probs[..., :height, :width]  # (C, h, w)
    return [results[position] for position in range(len(images))]


def stream_probs(
    predict: Predict, image: Tensor, window: int, overlap: float = 0.5, batch: int = 4
) -> Iterator[tuple[int, Tensor]]:
    """Predict one huge image in horizontal strips, in the memory of a window's rows, however high the image is.

    Windows are weighted by a Gaussian with sigma = window / 8 (Isensee et al. 2021, nnU-Net) and averaged in fp32.
    The arguments are those of `predict_probs`, but for the image.

    Args:
        image: (D, H, W), normalised; it may be memory-mapped, as only a window's rows of it are read at a time.

    Yields:
        The strip's first row, and its probs (C, rows, W) or (K, 2, rows, W); strips follow without gap or overlap.
    """
    _check(window, overlap, batch)
    height, width = image.shape[-2:]
    window_height, window_width = min(window, _round_up(height)), min(window, _round_up(width))
    tops = _starts(max(height, window_height), window_height, overlap)
    weight = _gaussian(window_height, image.device).unsqueeze(-1)  # (h, 1)
    total = weights = torch.zeros((), device=image.device)
    for top, following in zip(tops, [*tops[1:], height], strict=True):
        rows = _reflected(image[..., top : top + window_height, :], -2, window_height)  # (D, h, W)
        band = _band(predict, rows, window_width, overlap, batch)  # (C, h, W)
        total, weights = total + band * weight, weights + weight
        done = following - top  # rows that no later window reaches
        yield top, total[..., :done, :] / weights[:done]
        total, weights = _shifted(total, done), _shifted(weights, done)


def _band(predict: Predict, rows: Tensor, window: int, overlap: float, batch: int) -> Tensor:
    """Predict rows (D, h, W) of one window's height from side to side: (C, h, W)."""
    width = rows.shape[-1]
    rows = _reflected(rows, -1, max(width, window))
    lefts = _starts(rows.shape[-1], window, overlap)
    weight = _gaussian(window, rows.device)  # (w,)
    total, weights = None, torch.zeros(rows.shape[-1], device=rows.device)
    for first in range(0, len(lefts), batch):
        chunk = lefts[first : first + batch]
        windows = torch.stack([rows[..., left : left + window] for left in chunk])  # (b, D, h, w)
        for left, probs in zip(chunk, _predicted(predict, windows, batch), strict=True):
            if total is None:
                total = probs.new_zeros(*probs.shape[:-1], rows.shape[-1])  # (C, h, W)
            total[..., left : left + window] += probs * weight
            weights[left : left + window] += weight
    assert total is not None  # there is at least one window
    return (total / weights)[..., :width]


def _predicted(predict: Predict, image: Tensor, batch: int) -> Tensor:
    with torch.no_grad():
        return torch.cat([predict(part).to(image.device, torch.float32) for part in image.split(batch)])


def _starts(size: int, window: int, overlap: float) -> list[int]:
    """Spread windows evenly from the first pixel to the last, at most (1 - overlap) of a window apart."""
    gaps = math.ceil((size - window) / max(1.0, window * (1 - overlap)))
    return [round(step * (size - window) / max(1, gaps)) for step in range(gaps + 1)]


def _gaussian(size: int, device: torch.device) -> Tensor:
    offset = torch.arange(size, dtype=torch.float32, device=device) - (size - 1) / 2  # (size,)
    return torch.exp(-0.5 * (offset / (size / 8)) ** 2)


def _padded(image: Tensor) -> Tensor:
    """Lengthen both sides to what a model takes."""
    return _reflected(_reflected(image, -2, _round_up(image.shape[-2])), -1, _round_up(image.shape[-1]))


def _reflected(image: Tensor, axis: int, size: int) -> Tensor:
    """Lengthen an axis at its end by reflection, over and over where the image is small; a single pixel repeats."""
    length = image.shape[axis]
    if size == length:
        return image
    period = max(1, 2 * (length - 1))
    position = torch.arange(size, device=image.device) % period
    return image.index_select(axis, torch.minimum(position, period - position) if length > 1 else position)


def _shifted(rows: Tensor, done: int) -> Tensor:
    """Drop the first rows and make room for as many new ones below."""
    return torch.cat([rows[..., done:, :], torch.zeros_like(rows[..., :done, :])], dim=-2)


def _round_up(size: int) -> int:
    return -(-size // MULTIPLE) * MULTIPLE


def _check(window: int, overlap: float, batch: int) -> None:
    if window < MULTIPLE or window % MULTIPLE:
        raise ConfigError(f"The 'window' of a prediction must be a multiple of {MULTIPLE} pixels, got {window}")
    if not 0 <= overlap < 1:
        raise ConfigError(f"The 'overlap' of a prediction must be in [0, 1), got {overlap}")
    if batch < 1:
        raise ConfigError(f"The 'batch' of a prediction must be at least 1, got {batch}")
