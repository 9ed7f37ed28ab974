"""The plain U-Net against the paper's numbers."""

import pytest
import torch
from torch import nn

from segtrain.errors import ConfigError
from segtrain.models import UNetPlain


def test_the_published_size() -> None:
    """Ronneberger et al. 2015, section 2: 23 convolutional layers, 64 to 1024 channels, 31.0 M weights."""
    with torch.device("meta"):
        model = UNetPlain(num_classes=2, in_channels=1)
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)]
    assert len(layers) == 23
    assert max(layer.out_channels for layer in layers) == 1024
    # the caffe model of the authors holds 31.03 M weights and biases; ours has norms instead of biases
    weights = sum(layer.weight.numel() for layer in layers)
    assert round(weights / 1e6, 1) == 31.0


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("depth", [1, 3, 5])
def test_sizes(norm: str, depth: int) -> None:
    model = UNetPlain(num_classes=3, in_channels=2, width=8, depth=depth, norm=norm).eval()
    assert model(torch.randn(1, 2, 32, 64)).shape == (1, 3, 32, 64)


def test_a_tile_sees_as_far_as_the_published_one() -> None:
    """Figure 1 of the paper: 572 x 572 pixels are needed for 388 x 388 outputs, 92 more on every side."""
    torch.manual_seed(0)
    model = UNetPlain(num_classes=1, in_channels=1, width=1).eval()
    for parameter in model.parameters():
        parameter.data.abs_()  # nothing cancels, and no unit is dead
    image = torch.rand(1, 1, 256, 256, requires_grad=True)
    # 388 = 24 x 16 + 4: the published tile is whole pixels of the deepest level (here rows 112 to 127) and 2 around
    model(image)[..., 110:130, 110:130].sum().backward()
    assert image.grad is not None
    rows = image.grad[0, 0].sum(dim=1).nonzero().flatten()
    assert (rows.min(), rows.max()) == (110 - 92, 129 + 92)


def test_an_odd_size_is_refused_with_the_cure() -> None:
    with pytest.raises(ValueError, match=r"halves an image 4 times: pad \(100, 96\) pixels to \(112, 96\)"):
        UNetPlain(num_classes=2, width=8)(torch.zeros(1, 3, 100, 96))


def test_faults_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        UNetPlain(num_classes=2, width=12, depth=6, norm="group", dropout=-0.1)
    assert caught.value.faults == [
        "The 'width' of UNetPlain must be a multiple of 8 with norm=group, got 12",
        "The 'depth' of UNetPlain must be from 1 to 5, got 6",
        "The 'dropout' of UNetPlain must be in [0, 1), got -0.1",
    ]
