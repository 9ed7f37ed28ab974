"""Reads K logits as K binary problems, so that classes may overlap."""

import torch
from torch import Tensor, nn

__all__ = ["OverlappingLogits"]


class OverlappingLogits(nn.Module):
    """Turns z (B, K, H, W), one logit for each class, into the logits (0, z) of "not this class" and "this class".

    Args:
        model: gives z for an image (B, D, H, W).
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """Give logits (B, K, 2, H, W), whose softmax over the class axis is sigmoid(z)."""
        z = self.model(image)
        return torch.stack([torch.zeros_like(z), z], dim=2)  # (B, K, 2, H, W)
