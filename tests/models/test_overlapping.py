"""Overlapping classes: the softmax of (0, z) is the sigmoid of z."""

import torch
from torch import nn

from segtrain.models import OverlappingLogits
from segtrain.types import to_probs


def test_the_softmax_of_the_pair_is_the_sigmoid() -> None:
    model = nn.Conv2d(3, 4, 3, padding=1)
    image = torch.randn(2, 3, 8, 9)
    probs = to_probs(OverlappingLogits(model)(image))
    assert probs.shape == (2, 4, 2, 8, 9)
    torch.testing.assert_close(probs[:, :, 1], model(image).sigmoid())
