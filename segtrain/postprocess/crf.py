"""Refine masks by the image: pixels that are near and alike take the same class."""

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from segtrain.errors import ConfigError
from segtrain.postprocess.mean_field import (
    Normalization,
    bilateral_features,
    gaussian_kernel,
    mean_field,
    spatial_features,
    spatial_kernel,
)
from segtrain.postprocess.reference import mean_field_by_pydensecrf

__all__ = ["Crf"]

Backend = Literal["torch", "pydensecrf"]

BYTES_PER_PIXEL = 900
BYTES_PER_PROBABILITY = 28
"""Measured where no two pixels are alike; photographs take half of it."""


class Crf:
    """A fully connected CRF with Gaussian edge potentials, by mean-field inference (Kraehenbuehl & Koltun 2011).

    Each pixel p with colour I is drawn towards the classes of all others, by the kernel of its eq. 3,

        bilateral_weight exp(-|p_i - p_j|^2 / 2 bilateral_sigma^2 - |I_i - I_j|^2 / 2 colour_sigma^2)
        + spatial_weight exp(-|p_i - p_j|^2 / 2 spatial_sigma^2),

    approximated by the permutohedral lattice. The parameters are those of pydensecrf, and so are the defaults. A large
    weight removes thin objects; the sigmas in pixels have to follow the image's resolution.

    Args:
        spatial_sigma: of the kernel that smooths, pixels, >= 0.1.
        spatial_weight: >= 0; 0 = off.
        bilateral_sigma: how far the kernel that follows colours reaches, pixels, >= 0.1.
        colour_sigma: what colours it takes for alike, >= 0.1; of 255, the whole range of uint8. Images of other types
            are stretched: their 1st and 99th percentile become 0 and 255, what lies beyond is clipped.
        bilateral_weight: >= 0; 0 = off.
        iterations: of the inference, >= 1.
        compatibility: penalty of two classes side by side, for each pair: C rows of C numbers, symmetric; None =
            Potts, 1 for any two that differ.
        normalization: of the kernels, see `gaussian_kernel`.
        min_prob: probabilities below count as this, so that no pixel is beyond doubt, in (0, 1).
        backend: "torch", or "pydensecrf": the authors' C++ on a CPU, for comparison.
        device: of the backend torch; None = a GPU where there is one, else the CPU.
        max_gigabytes: refuse an image that would need more memory, > 0.

    Raises:
        ConfigError: a value is out of its range; or, when called, pydensecrf is missing, the classes are not those of
            the compatibility, or the image is too large.
    """

    idempotent = False  # the refined probabilities are drawn on

    def __init__(
        self,
        spatial_sigma: float = 3.0,
        spatial_weight: float = 3.0,
        bilateral_sigma: float = 80.0,
        colour_sigma: float = 13.0,
        bilateral_weight: float = 10.0,
        iterations: int = 5,
        compatibility: list[list[float]] | None = None,
        normalization: Normalization = "symmetric",
        min_prob: float = 1e-5,
        backend: Backend = "torch",
        device: str | None = None,
        max_gigabytes: float = 4.0,
    ) -> None:
        self.spatial_sigma = spatial_sigma
        self.spatial_weight = spatial_weight
        self.bilateral_sigma = bilateral_sigma
        self.colour_sigma = colour_sigma
        self.bilateral_weight = bilateral_weight
        self.iterations = iterations
        self.compatibility = compatibility
        self.normalization: Normalization = normalization
        self.min_prob = min_prob
        self.backend = backend
        self.device = device
        self.max_gigabytes = max_gigabytes
        if faults := list(_faults(self)):
            raise ConfigError("postprocess.crf cannot be built:", faults)

    def __call__(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Refine `probs` (C, H, W) float32 by `image` (H, W, D) of any number type -> (C, H, W) float32."""
        self._check_size(*probs.shape)
        colours = np.moveaxis(_colours(image), -1, 0)[None]  # (1, D, H, W)
        if self.backend == "pydensecrf":
            return self._by_pydensecrf(probs, torch.tensor(colours))
        device = torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        refined = self.refine(torch.tensor(probs[None], device=device), torch.tensor(colours, device=device))
        return refined[0].cpu().numpy()

    @torch.no_grad()
    def refine(self, probs: Tensor, colours: Tensor) -> Tensor:
        """Refine a batch by the backend torch, on the device where it is.

        Args:
            probs: (B, C, H, W) float32.
            colours: (B, D, H, W) float32, on the scale of `colour_sigma`.

        Returns:
            (B, C, H, W) float32.
        """
        num_images, num_classes, *size = probs.shape
        log_probs = probs.clamp(min=self.min_prob).log().permute(0, 2, 3, 1).reshape(-1, num_classes)  # (P, C)
        kernels = []
        if self.spatial_weight:
            kind = (self.spatial_sigma, self.spatial_weight, self.normalization)
            kernels.append(spatial_kernel(num_images, tuple(size), *kind, probs.device))
        if self.bilateral_weight:
            features = bilateral_features(colours, self.bilateral_sigma, self.colour_sigma)
            kernels.append(gaussian_kernel(features, self.bilateral_weight, self.normalization))
        compatibility = None if self.compatibility is None else log_probs.new_tensor(self.compatibility)
        refined = mean_field(log_probs, kernels, self.iterations, compatibility)
        return refined.view(num_images, *size, num_classes).permute(0, 3, 1, 2).contiguous()

    def _by_pydensecrf(self, probs: np.ndarray, colours: Tensor) -> np.ndarray:
        place = spatial_features((probs.shape[1], probs.shape[2]), self.spatial_sigma, colours.device).numpy()
        alike = bilateral_features(colours, self.bilateral_sigma, self.colour_sigma)[0].numpy()
        kernels = [pair for pair in ((place, self.spatial_weight), (alike, self.bilateral_weight)) if pair[1]]
        compatibility = None if self.compatibility is None else np.array(self.compatibility, np.float32)
        log_probs = np.log(np.maximum(probs.reshape(len(probs), -1), np.float32(self.min_prob)))  # (C, P)
        refined = mean_field_by_pydensecrf(log_probs, kernels, self.normalization, self.iterations, compatibility)
        return refined.reshape(probs.shape)

    def _check_size(self, num_classes: int, height: int, width: int) -> None:
        if self.compatibility is not None and len(self.compatibility) != num_classes:
            raise ConfigError(
                f"The 'compatibility' of Crf must have a row for each of the {num_classes} classes, "
                f"got {len(self.compatibility)}"
            )
        needed = height * width * (BYTES_PER_PIXEL + BYTES_PER_PROBABILITY * num_classes) / 1e9
        if needed > self.max_gigabytes:
            raise ConfigError(
                f"A CRF of {height} x {width} pixels and {num_classes} classes needs about {needed:.1f} GB, and the "
                f"'max_gigabytes' of Crf allows {self.max_gigabytes}: make the image smaller, or allow more"
            )


def _colours(image: np.ndarray) -> np.ndarray:
    """Bring an image (H, W, D) of any number type to the scale of uint8, as float32."""
    values = image.astype(np.float32)
    if image.dtype == np.uint8:
        return values
    low, high = np.percentile(values, (1, 99)).tolist()
    return ((values - low) * (255 / max(high - low, 1e-6))).clip(0, 255)


def _faults(crf: Crf) -> Iterator[str]:
    """Say of each parameter that is out of its range what it must be."""
    for key in ("spatial_sigma", "bilateral_sigma", "colour_sigma"):
        if not getattr(crf, key) >= 0.1:
            yield f"The '{key}' of Crf must be at least 0.1, got {getattr(crf, key)}"
    for key in ("spatial_weight", "bilateral_weight"):
        if not getattr(crf, key) >= 0:
            yield f"The '{key}' of Crf must be at least 0, got {getattr(crf, key)}"
    if crf.spatial_weight == crf.bilateral_weight == 0:
        yield "The 'spatial_weight' or the 'bilateral_weight' of Crf must be above 0, both are 0"
    if crf.iterations < 1:
        yield f"The 'iterations' of Crf must be at least 1, got {crf.iterations}"
    if not crf.max_gigabytes > 0:
        yield f"The 'max_gigabytes' of Crf must be above 0, got {crf.max_gigabytes}"
    if not 0 < crf.min_prob < 1:
        yield f"The 'min_prob' of Crf must be in (0, 1), got {crf.min_prob}"
    for key, legal in (("normalization", get_args(Normalization)), ("backend", get_args(Backend))):
        if getattr(crf, key) not in legal:
            yield f"The '{key}' of Crf must be one of {', '.join(legal)}, got {getattr(crf, key)!r}"
    if crf.device is not None and not _there_is(crf.device):
        yield f"The 'device' of Crf must be one of this machine's, such as cpu, cuda or cuda:1, got {crf.device!r}"
    if crf.device is not None and crf.backend != "torch":
        yield f"The 'device' of Crf is for backend=torch, and the backend is {crf.backend}"
    rows = crf.compatibility
    if rows is not None and (not rows or rows != [list(column) for column in zip(*rows, strict=False)]):
        yield f"The 'compatibility' of Crf must be a symmetric table, C rows of C numbers, got {rows}"


def _there_is(device: str) -> bool:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):  # the latter where torch was built without CUDA
        return False
    return True
