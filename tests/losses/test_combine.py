"""Losses that add up."""

import pytest
import torch

from segtrain.errors import ConfigError
from segtrain.losses import CrossEntropy, Dice, WeightedSum


def inputs():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 6, 5, generator=generator)
    return logits, torch.randn(2, 3, 6, 5, generator=generator).softmax(1), torch.rand(2, 6, 5, generator=generator)


def test_adds_each_loss_times_its_weight_which_is_1_unless_given():
    dice, entropy = Dice(), CrossEntropy()
    loss = WeightedSum({"dice": dice, "cross_entropy": entropy}, {"dice": 0.25})(*inputs())
    torch.testing.assert_close(loss, 0.25 * dice(*inputs()) + entropy(*inputs()))


def test_one_loss_is_itself():
    assert torch.equal(WeightedSum({"dice": Dice()})(*inputs()), Dice()(*inputs()))


def test_all_weights_0_give_a_0_connected_to_the_graph():
    logits, target, weight = inputs()
    logits.requires_grad_()
    loss = WeightedSum({"dice": Dice(), "cross_entropy": CrossEntropy()})(logits, target, torch.zeros_like(weight))
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


def test_moves_with_its_class_weights_and_saves_nothing():
    combined = WeightedSum({"cross_entropy": CrossEntropy([1.0, 2.0, 3.0])}).to("meta")
    assert [buffer.device.type for buffer in combined.buffers()] == ["meta"]
    assert not combined.state_dict()


def test_unknown_names_and_bad_weights_are_refused_all_at_once():
    with pytest.raises(ConfigError) as error:
        WeightedSum({"dice": Dice(), "bce": CrossEntropy()}, {"dcie": 1.0, "focal": 1.0, "bce": -1.0})
    assert error.value.faults == [
        "loss_weights.dcie is set, but no loss 'dcie' is selected; did you mean 'dice'?",
        "loss_weights.focal is set, but no loss 'focal' is selected; selected are dice, bce",
        "loss_weights.bce must be at least 0, got -1.0",
    ]


def test_nothing_to_add_is_refused():
    with pytest.raises(ConfigError, match="no loss is selected"):
        WeightedSum({})
    with pytest.raises(ConfigError, match="must not all be 0"):
        WeightedSum({"dice": Dice()}, {"dice": 0.0})
