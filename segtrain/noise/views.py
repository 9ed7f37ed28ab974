"""Views of a batch: the same images seen another way, with the way back."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Turn", "photometric"]


class Turn(NamedTuple):
    """How each image of a batch is turned: one of the eight symmetries of the square, or four of a rectangle.

    Exactly invertible, so that what a teacher sees in a turned image lies on the right pixels when turned back.

    >>> turn, image = Turn.draw(torch.zeros(2, 1, 4, 4)), torch.rand(2, 1, 4, 4)
    >>> torch.equal(turn.back(turn(image)), image)
    True
    """

    quarters: list[int]
    """Quarter turns of each image, 0 to 3; 0 or 2 where images are not square."""
    mirrored: list[bool]

    @classmethod
    def draw(cls, image: Tensor) -> "Turn":
        """Draw one for each image (B, ..., H, W) from torch's generator of the host."""
        symmetries = torch.randint(8, (image.shape[0],)).tolist()
        step = 1 if image.shape[-2] == image.shape[-1] else 2
        return cls([number % 4 * step % 4 for number in symmetries], [number >= 4 for number in symmetries])

    def __call__(self, tensor: Tensor) -> Tensor:
        """Turn (B, ..., H, W): images, targets and weights alike."""
        turned = [
            one.rot90(quarters, (-2, -1)).flip(-1) if mirrored else one.rot90(quarters, (-2, -1))
            for one, quarters, mirrored in zip(tensor, self.quarters, self.mirrored, strict=True)
        ]
        return torch.stack(turned)

    def back(self, tensor: Tensor) -> Tensor:
        """Undo it on (B, ..., H, W)."""
        turned = [
            (one.flip(-1) if mirrored else one).rot90(-quarters, (-2, -1))
            for one, quarters, mirrored in zip(tensor, self.quarters, self.mirrored, strict=True)
        ]
        return torch.stack(turned)


def photometric(image: Tensor, strength: float = 1.0) -> Tensor:
    """Change what a strong view may change without moving a pixel: contrast, brightness, blur and noise.

    Each image draws its own, from torch's generator of the host, so that a resumed run draws the same.

    Args:
        image: (B, D, H, W), normalised: about zero mean and unit deviation.
        strength: 0 = unchanged; at 1 contrast in [0.5, 1.5], brightness +-0.5 deviations, blur with sigma up to 1.5
            pixels in half of the images, noise of up to 0.2 deviations.
    """
    shape = (image.shape[0], 1, 1, 1)
    contrast, brightness, blur, noise = (torch.rand(4, *shape) * strength).to(image)  # each (B, 1, 1, 1)
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    sign = torch.randint(2, (2, *shape)).to(image) * 2 - 1  # (2, B, 1, 1, 1)
    changed = (image - mean) * (1 + 0.5 * sign[0] * contrast) + mean + 0.5 * sign[1] * brightness
    softened = _blurred(changed, sigma=1.5 * strength)
    softness = (2 * blur - strength).clamp_min(0)  # (B, 1, 1, 1), 0 in half of the images
    changed = changed + softness * (softened - changed)
    return changed + 0.2 * noise * torch.randn(image.shape).to(image)


def _blurred(image: Tensor, sigma: float) -> Tensor:
    """Blur (B, D, H, W) by a Gaussian that reaches two sigmas."""
    reach = max(1, round(2 * sigma))
    offset = torch.arange(-reach, reach + 1, dtype=torch.float32)  # (2 reach + 1,)
    kernel = torch.softmax(-0.5 * (offset / max(sigma, 1e-3)) ** 2, dim=0).to(image)
    planes = F.pad(image.flatten(0, 1)[:, None], [reach] * 4, mode="replicate")  # (B D, 1, H', W')
    planes = F.conv2d(F.conv2d(planes, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return planes.view_as(image)
