"""What every model in configs/model keeps to, whichever encoder and decoder it has."""

import inspect
import re
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from segtrain.models import encoder_parameters, evaluating, freeze_encoder, mc_dropout_probs

FOLDER = Path(__file__).parents[2] / "configs" / "model"
OPTIONS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
SMALL: dict[str, dict[str, Any]] = {
    "unet_plain": {"width": 8},
    "dpt": {
        "encoder": "tu-test_vit",
        "decoder_intermediate_channels": [16, 16, 16, 16],
        "decoder_fusion_channels": 16,
    },
}
"""What makes an option small enough for a test."""


def option(name: str, num_classes: int = 2, in_channels: int = 3) -> DictConfig:
    """Compose an option as a run would, with the two facts it takes from elsewhere."""
    facts = {"num_classes": num_classes, "data": {"channels": in_channels}}
    return OmegaConf.create({**facts, "model": OmegaConf.load(FOLDER / f"{name}.yaml")}).model


def build(name: str, num_classes: int = 2, in_channels: int = 3, **changes: Any) -> nn.Module:
    torch.manual_seed(0)
    return instantiate(option(name, num_classes, in_channels), **SMALL.get(name, {}), **changes)


@cache
def kept(name: str) -> nn.Module:
    return build(name, dropout=0.4)


@pytest.fixture
def model(name: str) -> nn.Module:
    """A model of 3 channels and 2 classes; a copy, as building takes longer."""
    return deepcopy(kept(name)).train()


@pytest.fixture(params=OPTIONS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def constructor(name: str) -> Callable[..., nn.Module]:
    return get_object(option(name)._target_)


def test_the_config_lists_every_parameter_with_its_default(name: str, constructor: Callable[..., nn.Module]) -> None:
    written = OmegaConf.to_container(option(name), resolve=True)
    defaults = {key: parameter.default for key, parameter in inspect.signature(constructor).parameters.items()}
    assert written == {**defaults, "num_classes": 2, "_target_": written["_target_"]}
    assert re.match(r"# .+ \d{4}\)\.$", (FOLDER / f"{name}.yaml").read_text().splitlines()[0])


def test_a_misspelt_argument_is_refused(constructor: Callable[..., nn.Module]) -> None:
    with pytest.raises(TypeError, match="encoder_nme"):
        constructor(num_classes=2, encoder_nme="resnet50")


@pytest.mark.parametrize(("in_channels", "num_classes", "height"), [(1, 5, 32), (6, 2, 64)])
def test_one_image_gives_logits_of_its_size(name: str, in_channels: int, num_classes: int, height: int) -> None:
    model = build(name, num_classes, in_channels).eval()
    with torch.no_grad():
        logits = model(torch.randn(1, in_channels, height, 64))
    assert logits.shape == (1, num_classes, height, 64)
    assert logits.isfinite().all()
    assert list(model.state_dict()) == list(kept(name).state_dict()), "dropout leaves the state's keys alone"


def test_gradients_reach_every_trainable_parameter(model: nn.Module) -> None:
    model(torch.randn(2, 3, 64, 64)).square().mean().backward()
    trainable = {key: parameter for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert [key for key, parameter in trainable.items() if parameter.grad is None] == []
    reached = sum(bool(parameter.grad.any()) for parameter in trainable.values())
    assert reached > 0.9 * len(trainable)  # a dead unit may give a zero, a missing path gives None


def test_dropout_is_on_in_training_and_off_in_evaluation(model: nn.Module) -> None:
    image = torch.randn(2, 3, 64, 64)
    own = [module for module in model.modules() if getattr(module, "p", None) == 0.4]
    assert own
    with torch.no_grad(), evaluating(model):
        assert torch.equal(model(image), model(image))
        for module in own:
            module.train()
        assert not torch.equal(model(image), model(image))


def test_monte_carlo_dropout_varies(model: nn.Module) -> None:
    unsure = mc_dropout_probs(model, torch.randn(1, 3, 64, 64), passes=3)
    assert (unsure.mutual_information > 0).float().mean() > 0.5


def test_the_encoder_is_known_by_name_and_freezes(model: nn.Module) -> None:
    inside = {id(parameter) for parameter in encoder_parameters(model)}
    assert 0 < len(inside) < len(list(model.parameters()))
    freeze_encoder(model)
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert inside.isdisjoint(map(id, learning))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.train()(torch.randn(2, 3, 64, 64)).square().mean().backward()
    torch.optim.SGD(learning, lr=0.1).step()
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert moved
    assert not any("encoder" in key.split(".") for key in moved)


@pytest.mark.slow
def test_the_default_dpt_predicts() -> None:
    model = instantiate(option("dpt")).eval()
    image: Tensor = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert model(image).shape == (1, 2, 64, 96)
