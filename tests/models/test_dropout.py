"""Monte-Carlo dropout against a loop in numpy, and what it leaves untouched."""

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.models import OverlappingLogits, UNetPlain, mc_dropout_probs, unet
from segtrain.types import to_probs


@pytest.fixture
def model() -> UNetPlain:
    torch.manual_seed(0)
    return UNetPlain(num_classes=3, width=8, depth=2, dropout=0.3)


class Scripted(nn.Module):
    """Answers with the given logits one after another; its dropout only makes it eligible."""

    def __init__(self, answers: list[Tensor]) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.answers = iter(answers)

    def forward(self, image: Tensor) -> Tensor:
        assert self.dropout.training
        assert not self.training
        return next(self.answers)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 2, 4, 5)])
def test_the_numbers_are_those_of_scipy(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    answers = [3 * torch.randn(shape, generator=generator) for _ in range(5)]
    found = mc_dropout_probs(Scripted(answers), torch.zeros(2, 1, 4, 5), passes=5)
    each = np.stack([to_probs(answer).numpy() for answer in answers]).astype(np.float64)
    mean = each.mean(axis=0)
    total = entropy(mean, axis=-3)
    np.testing.assert_allclose(found.probs, mean, atol=1e-6)
    np.testing.assert_allclose(found.entropy, total, atol=1e-5)
    np.testing.assert_allclose(found.mutual_information, total - entropy(each, axis=-3).mean(axis=0), atol=1e-5)


def test_passes_that_agree_leave_no_mutual_information() -> None:
    answer = torch.randn(1, 3, 4, 4)
    found = mc_dropout_probs(Scripted([answer] * 3), torch.zeros(1, 1, 4, 4), passes=3)
    assert (found.mutual_information >= 0).all()
    assert found.mutual_information.max() < 1e-6
    assert found.entropy.min() > 0


@pytest.mark.parametrize("training", [True, False])
def test_modes_and_statistics_are_left_as_they_were(model: UNetPlain, training: bool) -> None:
    model.train(training)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    found = mc_dropout_probs(model, torch.randn(1, 3, 16, 16), passes=3)
    assert not found.probs.requires_grad
    assert found.mutual_information.max() > 0
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_overlapping_classes(model: UNetPlain) -> None:
    found = mc_dropout_probs(OverlappingLogits(model), torch.randn(2, 3, 16, 16), passes=2)
    assert found.probs.shape == (2, 3, 2, 16, 16)
    assert found.mutual_information.shape == found.entropy.shape == (2, 3, 16, 16)


def test_a_model_without_dropout_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"set model\.dropout"):
        mc_dropout_probs(unet(2), torch.zeros(1, 3, 32, 32))


def test_one_pass_says_nothing(model: UNetPlain) -> None:
    with pytest.raises(ConfigError, match="at least 2, got 1"):
        mc_dropout_probs(model, torch.zeros(1, 3, 16, 16), passes=1)
