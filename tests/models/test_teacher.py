"""The teacher follows the formula, buffers included, and never ramps up again after a resume."""

import numpy as np
import pytest
import torch
from torch import nn

from segtrain.errors import ConfigError
from segtrain.models import EmaTeacher


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3))


def moved(model: nn.Module) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter)
    model(torch.randn(2, 1, 4, 4))


def test_it_is_the_average_of_what_it_followed() -> None:
    model, teacher = small_model(), EmaTeacher(decay=0.6)
    teacher.attach(model)
    expected = {name: value.double().numpy().copy() for name, value in model.state_dict().items()}
    for update in range(1, 5):
        moved(model)
        teacher.follow(model)
        alpha = min(0.6, 1 - 1 / (update + 1))
        for name, value in model.state_dict().items():
            averaged = value.is_floating_point()
            expected[name] = alpha * expected[name] + (1 - alpha) * value.numpy() if averaged else value.numpy()
    for name, value in teacher.model.state_dict().items():
        np.testing.assert_allclose(value.numpy(), expected[name], atol=1e-6, err_msg=name)


def test_a_resumed_teacher_goes_on_counting() -> None:
    model, teacher, resumed = small_model(), EmaTeacher(0.9), EmaTeacher(0.9)
    teacher.attach(model)
    resumed.attach(model)
    for _ in range(3):
        moved(model)
        teacher.follow(model)
    resumed.load_state_dict(teacher.state_dict())
    assert resumed.updates == 3
    moved(model)
    for one in (teacher, resumed):
        one.follow(model)
    assert all(torch.equal(a, b) for a, b in zip(teacher.model.parameters(), resumed.model.parameters(), strict=True))


def test_it_predicts_in_evaluation_mode_and_is_not_trained() -> None:
    teacher = EmaTeacher()
    teacher.attach(small_model().train())
    image = torch.randn(2, 1, 4, 4)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    probs = teacher(image)
    assert torch.allclose(probs.sum(dim=1), torch.ones(2, 4, 4))
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ConfigError, match="'decay' of EmaTeacher must be in"):
        EmaTeacher(decay)
