"""Features of a layer: whole images, at the layer's scale, whichever model; and dropout that is put back."""

import numpy as np
import pytest
import torch
from torch import nn

from segtrain.errors import ConfigError
from segtrain.models import OverlappingLogits, UNetPlain, dropping, features_of, unet


def plain(**options: float) -> UNetPlain:
    torch.manual_seed(0)
    return UNetPlain(num_classes=3, in_channels=1, width=8, depth=2, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("layer", "channels", "scale"), [("decoder", 8, 1), ("encoder", 32, 4), ("encoder.levels.1", 16, 2)]
)
def test_a_layer_gives_its_map(layer: str, channels: int, scale: int) -> None:
    found = features_of(plain(), torch.rand(1, 1, 64, 96), layer)
    assert found.shape == (channels, 64 // scale, 96 // scale)
    assert found.dtype == np.float32


def test_what_was_padded_is_cut_off() -> None:
    found = features_of(plain(), torch.rand(1, 1, 50, 40), "decoder")
    assert found.shape == (8, 50, 40)


def test_the_decoders_map_is_what_the_head_is_given() -> None:
    model, image = plain().eval(), torch.rand(1, 1, 32, 32)
    found = torch.from_numpy(features_of(model, image, "decoder"))[None]
    assert torch.allclose(model.segmentation_head(found), model(image), atol=1e-5)


def test_a_huge_image_is_made_smaller() -> None:
    assert features_of(plain(), torch.rand(1, 1, 32, 2048), "decoder").shape == (8, 16, 1024)


@pytest.mark.parametrize("wrap", [lambda model: model, OverlappingLogits])
def test_it_finds_the_layers_of_every_kind_of_model(wrap: type[nn.Module]) -> None:
    model = wrap(unet(num_classes=2, in_channels=3, encoder="resnet18", encoder_weights=None))
    for layer in ("decoder", "encoder"):
        assert features_of(model, torch.rand(1, 3, 64, 64), layer).ndim == 3


def test_the_model_stays_as_it_was() -> None:
    model = plain(dropout=0.5).train()
    features_of(model, torch.rand(1, 1, 32, 32), "decoder")
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    with dropping(model):
        modes = {type(module).__name__: module.training for module in model.modules()}
        assert modes["Dropout2d"]
        assert not modes["BatchNorm2d"]
    assert all(module.training for module in model.modules())


def test_a_layer_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match="no layer 'decodr'; it has encoder"):
        features_of(plain(), torch.rand(1, 1, 32, 32), "decodr")
