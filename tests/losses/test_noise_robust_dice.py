"""The noise-robust Dice loss against its paper's formula in numpy, and the trap in it."""

import numpy as np
import pytest
import torch

from segtrain.errors import ConfigError
from segtrain.losses import NoiseRobustDice
from segtrain.types import one_hot

SHAPE = (3, 4, 6, 5)


def logits(shape=SHAPE):
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(0))


def soft(shape=SHAPE):
    return (2 * torch.randn(shape, generator=torch.Generator().manual_seed(1))).softmax(1)


def weights():
    return torch.rand(3, 6, 5, generator=torch.Generator().manual_seed(2))


def formula(p, y, w, gamma, squared, smooth=1e-5):
    """One class of one image, or of the batch as one."""
    size = p**2 + y**2 if squared else p + y
    return (w * np.abs(p - y) ** gamma).sum() / ((w * size).sum() + smooth * weights().max().item())


@pytest.mark.parametrize("gamma", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("squared", [True, False])
def test_the_papers_formula_on_soft_targets(gamma, squared):
    p, y, w = logits().double().softmax(1).numpy(), soft().double().numpy(), weights().double().numpy()
    expected = np.mean([formula(p[:, c], y[:, c], w, gamma, squared) for c in range(4)])
    loss = NoiseRobustDice(gamma=gamma, squared=squared)(logits(), soft(), weights())
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_each_image_by_itself_counting_by_its_weights():
    p, y, w = logits().double().softmax(1).numpy(), soft().double().numpy(), weights().double().numpy()
    images = [np.mean([formula(p[b, c], y[b, c], w[b], 1.5, True) for c in range(4)]) for b in range(3)]
    expected = np.average(images, weights=w.sum((1, 2)))
    assert NoiseRobustDice(per_image=True)(logits(), soft(), weights()).item() == pytest.approx(expected, rel=1e-5)


def test_squares_with_gamma_2_are_dice_with_squares_on_hard_predictions():
    truth, predicted = torch.randint(2, (2, 3, 6, 5), generator=torch.Generator().manual_seed(3))
    loss = NoiseRobustDice(gamma=2.0, smooth=0.0)(1000 * one_hot(predicted, 2), one_hot(truth, 2), torch.ones(3, 6, 5))
    dice = 2 * (truth * predicted).sum() / (truth.sum() + predicted.sum())
    assert loss.item() == pytest.approx(1 - dice.item(), rel=1e-5)


def test_on_an_empty_mask_the_squares_ask_for_more_foreground_and_the_sums_for_less():
    target = one_hot(torch.zeros(1, 16, 16, dtype=torch.long), 2)
    slopes = {}
    for squared in (True, False):
        scores = torch.zeros(1, 2, 16, 16, requires_grad=True)
        with torch.no_grad():
            scores[:, 1] = -3.0  # p = 0.05
        NoiseRobustDice(squared=squared)(scores, target, torch.ones(1, 16, 16)).backward()
        slopes[squared] = scores.grad[:, 1].sum().item()
    assert slopes[True] < 0 < slopes[False]


@pytest.mark.parametrize(("name", "value"), [("gamma", 0.9), ("gamma", 2.1), ("smooth", -1.0)])
def test_a_parameter_out_of_range_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"The '{name}' of NoiseRobustDice must be"):
        NoiseRobustDice(**{name: value})
