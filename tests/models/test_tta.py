"""Test-time augmentation: right for functions whose answer is known."""

import numpy as np
import pytest
import torch
from torch import Tensor

from segtrain.models import FlipTTA


def pointwise(image: Tensor) -> Tensor:
    return torch.cat([image, 1 - image], dim=1)


def overlapping(image: Tensor) -> Tensor:
    return torch.stack([pointwise(image), 1 - pointwise(image)], dim=2)


def slanted(image: Tensor) -> Tensor:
    """Not equivariant: it weighs a pixel by where it lies."""
    rows, columns = torch.meshgrid(torch.arange(image.shape[-2]), torch.arange(image.shape[-1]), indexing="ij")
    return image * (rows + 10.0 * columns)


@pytest.mark.parametrize("rotations", [False, True])
@pytest.mark.parametrize("predict", [pointwise, overlapping])
def test_an_equivariant_answer_is_unchanged(predict, rotations: bool) -> None:
    image = torch.rand(2, 1, 5, 8)
    torch.testing.assert_close(FlipTTA(predict, rotations)(image), predict(image))


@pytest.mark.parametrize(("rotations", "views"), [(False, 4), (True, 8)])
def test_another_answer_is_the_mean_over_the_group(rotations: bool, views: int) -> None:
    image = torch.rand(1, 1, 6, 6)
    seen = []

    def predict(view: Tensor) -> Tensor:
        seen.append(view)
        return slanted(view)

    found = FlipTTA(predict, rotations)(image)[0, 0].numpy()
    plain = image[0, 0].numpy()
    turns = [(mirror, quarter) for mirror in (False, True) for quarter in ((0, 1, 2, 3) if rotations else (0, 2))]
    expected = np.zeros_like(plain)
    for mirror, quarter in turns:  # the dihedral group, another way: quarter turns of the image and its mirror image
        view = np.rot90(np.fliplr(plain) if mirror else plain, quarter)
        probs = np.rot90(slanted(torch.from_numpy(view.copy())).numpy(), -quarter)
        expected += np.fliplr(probs) if mirror else probs
    np.testing.assert_allclose(found, expected / views, rtol=1e-5)
    assert len({view.numpy().tobytes() for view in seen}) == views
