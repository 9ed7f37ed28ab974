"""Mean-field inference in a fully connected CRF with Gaussian edge potentials (Kraehenbuehl & Koltun 2011)."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from segtrain.postprocess.permutohedral import Permutohedral, added

__all__ = [
    "Normalization", "bilateral_features", "gaussian_kernel", "mean_field", "spatial_features", "spatial_kernel",
]  # fmt: skip

Normalization = Literal["symmetric", "before", "after", "none"]


def spatial_features(size: tuple[int, int], sigma: float, device: torch.device) -> Tensor:
    """Give the column and row of each pixel of an image (H, W), in units of sigma pixels: (2, N) float32."""
    rows, columns = torch.meshgrid(*(torch.arange(float(side), device=device) for side in size), indexing="ij")
    return torch.stack([columns.flatten(), rows.flatten()]) / sigma


def bilateral_features(colours: Tensor, sigma: float, colour_sigma: float) -> Tensor:
    """Give place and colour of the pixels of images (B, D, H, W) in units of their sigmas: (B, 2 + D, N) float32."""
    place = spatial_features((colours.shape[2], colours.shape[3]), sigma, colours.device)
    return torch.cat([place.expand(len(colours), -1, -1), colours.flatten(2) / colour_sigma], dim=1)


def gaussian_kernel(features: Tensor, weight: float, normalization: Normalization) -> Permutohedral:
    """Build weight * k, k(f_i, f_j) = exp(-|f_i - f_j|^2 / 2) being normalised by its sums n_i = sum_j k(f_i, f_j).

    Args:
        features: (B, d, N) float.
        weight: of the kernel in the energy.
        normalization: "symmetric": k / sqrt(n_i n_j); "before": k / n_j, of what a pixel gives; "after": k / n_i, of
            what it gets; "none": k.
    """
    kernel = Permutohedral.of(features)
    ones = features.new_ones(len(kernel.vertices))  # (P,)
    power = {"symmetric": (0.5, 0.5), "before": (1, 0), "after": (0, 1), "none": (0, 0)}[normalization]
    sums = kernel(ones[:, None])[:, 0]
    given, taken = (sums**-p for p in power)
    return kernel.scaled(given, taken * weight)


@lru_cache(maxsize=1)  # images of one size share it; it takes about 50 bytes a pixel
def spatial_kernel(
    num_images: int,
    size: tuple[int, int],
    sigma: float,
    weight: float,
    normalization: Normalization,
    device: torch.device,
) -> Permutohedral:
    """Build the kernel that looks at places alone, for a number of images (H, W)."""
    features = spatial_features(size, sigma, device)
    return gaussian_kernel(features.expand(num_images, -1, -1), weight, normalization)


def mean_field(
    log_probs: Tensor, kernels: Sequence[Permutohedral], iterations: int, compatibility: Tensor | None = None
) -> Tensor:
    """Infer each pixel's classes, all pixels at once in each iteration (Kraehenbuehl & Koltun 2011, algorithm 1).

    Args:
        log_probs: (P, C) float: minus the unary energy.
        kernels: over the P pixels; they include a pixel's own value, as in the authors' code.
        iterations: >= 1.
        compatibility: (C, C) float: mu of the paper, the penalty of two classes side by side; None = Potts, 1 wherever
            they differ.

    Returns:
        (P, C) float probabilities.
    """
    filtered, probs = added(kernels), _softmax(log_probs)
    for _ in range(iterations):
        support = filtered(probs)  # (P, C)
        # Potts' penalty, the support of all other classes, is minus the class's own up to a constant of the pixel.
        support = support if compatibility is None else support @ -compatibility
        probs = _softmax(support.add_(log_probs))
    return probs


def _softmax(logits: Tensor) -> Tensor:
    """Softmax over the classes of (P, C); along a short last axis torch is five times slower on a CPU."""
    return logits.softmax(1) if logits.shape[1] >= 16 else logits.T.softmax(0).T.contiguous()
