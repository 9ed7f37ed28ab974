"""Brings stored pixel values to the scale a network wants, on the device."""

from typing import Literal

import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError

__all__ = ["Normalize"]

GREATEST = {torch.uint8: 255.0, torch.uint16: 65535.0, torch.int32: 65535.0}
"""int32 carries uint16 values, for which torch has few operations; floats are taken as they are."""


class Normalize(nn.Module):
    """Makes a float image of a stored one.

    Args:
        method: "image": each channel of each image gets mean 0 and standard deviation 1 (a constant one becomes 0).
            "range": divide by the greatest value of the stored type (uint8 255, uint16 65535, floats as they are).
            "fixed": "range", then subtract `mean` and divide by `std`; ImageNet's for pretrained encoders.
        mean: one value for each channel, on the scale of "range"; only for "fixed".
        std: likewise, each above 0.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(
        self,
        method: Literal["image", "range", "fixed"] = "image",
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        super().__init__()
        _check(method, mean, std)
        self.method = method
        self.register_buffer("mean", None if mean is None else torch.tensor(list(mean)).view(-1, 1, 1))
        self.register_buffer("std", None if std is None else torch.tensor(list(std)).view(-1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Give a float32 image (B, D, H, W) for a uint8, uint16, int32 (holding uint16) or float one."""
        values = image.to(torch.float32)
        if self.method == "image":
            return _standardised(values)
        values = values / GREATEST.get(image.dtype, 1.0)
        if self.mean is None or self.std is None:
            return values
        if len(self.mean) != image.shape[-3]:
            raise ConfigError(
                f"The 'mean' and 'std' of Normalize must have one value for each channel, "
                f"got {len(self.mean)} for images with {image.shape[-3]}"
            )
        return (values - self.mean) / self.std


def _standardised(values: Tensor) -> Tensor:
    shifted = values - values[..., :1, :1]  # a constant channel is now exactly 0, and 16-bit values keep their digits
    var, mean = torch.var_mean(shifted, dim=(-2, -1), correction=0, keepdim=True)  # (B, D, 1, 1)
    return (shifted - mean) / var.sqrt().clamp_min(1e-12)


def _check(method: str, mean: list[float] | None, std: list[float] | None) -> None:
    faults = []
    if method not in ("image", "range", "fixed"):
        faults.append(f"The 'method' of Normalize must be image, range or fixed, got {method!r}")
    elif method == "fixed" and (mean is None or std is None or len(mean) != len(std)):
        faults.append(f"The 'mean' and 'std' of Normalize must be lists of one length, got {mean} and {std}")
    elif method != "fixed" and (mean is not None or std is not None):
        faults.append(f"The 'mean' and 'std' of Normalize belong to method=fixed, got method={method}")
    if std is not None and any(value <= 0 for value in std):
        faults.append(f"The 'std' of Normalize must be above 0, got {list(std)}")
    if faults:
        raise ConfigError("the normalisation cannot be set up:", faults)
