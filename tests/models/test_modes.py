"""Evaluating, freezing, and coming back exactly as before."""

import pickle
from copy import deepcopy

import pytest
import torch
from torch import nn

from segtrain.errors import ConfigError
from segtrain.models import (
    OverlappingLogits,
    UNetPlain,
    encoder_parameters,
    evaluating,
    freeze_encoder,
    frozen_batchnorm,
    unet,
)


@pytest.fixture
def model() -> UNetPlain:
    torch.manual_seed(0)
    return UNetPlain(num_classes=2, width=8, depth=2, dropout=0.2)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, 3, 16, 16)


def test_evaluating_gives_each_module_its_own_mode_back(model: UNetPlain) -> None:
    model.train()
    model.encoder.eval()
    before = [module.training for module in model.modules()]
    assert True in before
    assert False in before
    with evaluating(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == before


def test_modes_come_back_after_an_error(model: UNetPlain) -> None:
    with pytest.raises(KeyError), evaluating(model):
        raise KeyError
    assert all(module.training for module in model.modules())


def test_frozen_batchnorm_neither_uses_nor_moves_the_batchs_statistics(model: UNetPlain, image: torch.Tensor) -> None:
    before = deepcopy(model.state_dict())
    with frozen_batchnorm(model):
        assert model.bottom_dropout.training
        for module in (model.bottom_dropout, model.dropout):
            module.p = 0.0
        frozen = model(image)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    with evaluating(model):
        assert torch.equal(model(image), frozen)
    model(image)
    assert not torch.equal(
        model.state_dict()["encoder.levels.0.1.running_mean"], before["encoder.levels.0.1.running_mean"]
    )


def statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items() if "running_" in key}


@pytest.mark.parametrize("copy", [lambda model: model, deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_frozen_encoder_stays_frozen_in_training_and_in_copies(model: UNetPlain, image: torch.Tensor, copy) -> None:
    freeze_encoder(model)
    model = copy(model).train()
    before = statistics(model)
    model(image).sum().backward()
    moved = {key for key, value in statistics(model).items() if not torch.equal(value, before[key])}
    assert moved == {key for key in before if key.startswith("decoder.")}
    assert all(parameter.grad is None for parameter in encoder_parameters(model))
    assert model.training


def test_the_encoder_is_found_inside_a_wrapper() -> None:
    model = unet(num_classes=2)
    wrapped = OverlappingLogits(model)
    assert [id(parameter) for parameter in encoder_parameters(wrapped)] == [id(p) for p in model.encoder.parameters()]
    freeze_encoder(wrapped)
    assert not any(parameter.requires_grad for parameter in model.encoder.parameters())
    assert all(parameter.requires_grad for parameter in model.decoder.parameters())


def test_a_model_without_an_encoder_cannot_be_frozen() -> None:
    with pytest.raises(ConfigError, match="no module named 'encoder'"):
        freeze_encoder(nn.Conv2d(3, 2, 1))
