"""The pixel losses against torch, torchvision and numpy."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss

from segtrain.errors import ConfigError
from segtrain.losses import BinaryCrossEntropy, CrossEntropy, Focal
from segtrain.types import IGNORE, one_hot

SHAPE = (2, 4, 6, 5)


def inputs(shape=SHAPE, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(shape, generator=generator)
    label = torch.randint(shape[1], (shape[0], *shape[2:]), generator=generator)
    return logits, label, torch.rand(label.shape, generator=generator)


def soft(shape=SHAPE, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).softmax(1)


def probs_of(logits):
    scores = np.exp(logits.double().numpy())
    return scores / scores.sum(axis=1, keepdims=True)


def test_cross_entropy_is_torchs_on_class_numbers_with_class_weights_and_ignored_pixels():
    logits, label, _ = inputs()
    label[:, 2] = IGNORE
    class_weights = [0.1, 1.0, 0.0, 5.0]
    expected = F.cross_entropy(logits, label, torch.tensor(class_weights), ignore_index=IGNORE)
    loss = CrossEntropy(class_weights)(logits, one_hot(label, 4), (label != IGNORE).float())
    torch.testing.assert_close(loss, expected)


def test_cross_entropy_is_torchs_on_soft_targets_with_pixel_weights():
    logits, _, weight = inputs()
    expected = (F.cross_entropy(logits, soft(), reduction="none") * weight).sum() / weight.sum()
    torch.testing.assert_close(CrossEntropy()(logits, soft(), weight), expected)


@pytest.mark.parametrize("loss", [CrossEntropy, BinaryCrossEntropy, Focal])
def test_class_weights_weigh_a_pixel_by_the_mean_over_its_soft_target(loss):
    logits, _, weight = inputs()
    class_weights = [0.1, 1.0, 0.0, 5.0]
    shares = np.einsum("bchw,c->bhw", soft().numpy(), class_weights)
    expected = loss()(logits, soft(), weight * torch.tensor(shares, dtype=torch.float32))
    torch.testing.assert_close(loss(class_weights=class_weights)(logits, soft(), weight), expected)


def test_cross_entropy_has_torchs_gradient():
    logits, label, _ = inputs()
    logits.requires_grad_()
    (expected,) = torch.autograd.grad(F.cross_entropy(logits, label), logits)
    (grad,) = torch.autograd.grad(CrossEntropy()(logits, one_hot(label, 4), torch.ones(label.shape)), logits)
    torch.testing.assert_close(grad, expected)


@pytest.mark.parametrize("num_classes", [2, 3, 4])
def test_binary_cross_entropy_is_torchs_on_each_class(num_classes):
    shape = (2, num_classes, 6, 5)
    logits, _, weight = inputs(shape)
    target = soft(shape)
    losses = F.binary_cross_entropy(logits.double().softmax(1), target.double(), reduction="none").mean(1)
    expected = (losses * weight).sum() / weight.sum()
    torch.testing.assert_close(BinaryCrossEntropy()(logits, target, weight), expected.float())


def test_binary_cross_entropy_is_cross_entropy_for_two_exclusive_classes_and_for_overlapping_ones():
    for shape in ((2, 2, 6, 5), (2, 3, 2, 6, 5)):
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(shape, generator=generator)
        target = torch.randn(shape, generator=generator).softmax(-3)
        weight = torch.rand(2, 6, 5, generator=generator)
        loss = BinaryCrossEntropy()(logits, target, weight)
        torch.testing.assert_close(loss, CrossEntropy()(logits, target, weight))


def test_overlapping_cross_entropy_is_torchs_on_one_sigmoid_logit_per_class():
    generator = torch.Generator().manual_seed(0)
    single = torch.randn(2, 3, 6, 5, generator=generator)  # (B, K, H, W)
    mask = (torch.rand(2, 3, 6, 5, generator=generator) > 0.5).float()
    logits = torch.stack([torch.zeros_like(single), single], dim=2)  # (B, K, 2, H, W)
    target = torch.stack([1 - mask, mask], dim=2)
    loss = CrossEntropy()(logits, target, torch.ones(2, 6, 5))
    torch.testing.assert_close(loss, F.binary_cross_entropy_with_logits(single, mask))


@pytest.mark.parametrize("gap", [20.0, 100.0, 1e4, 1e30])
def test_binary_cross_entropy_stays_exact_where_the_network_is_sure(gap):
    logits = torch.tensor([gap, 0.0, -1.0]).view(1, 3, 1, 1).requires_grad_()
    target = torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1)
    loss = BinaryCrossEntropy()(logits, target, torch.ones(1, 1, 1))
    loss.backward()
    # -log p_1 = gap; -log(1 - p_0) = gap - log(1 + 1/e); -log(1 - p_2) = 0
    assert float(loss.detach()) == pytest.approx((2 * gap - np.log1p(np.exp(-1))) / 3, rel=1e-5)
    # d/dz: p_2 / (p_1 + p_2) is the part that the third class takes in 1 - p_0
    third = 1 / (1 + np.e)
    np.testing.assert_allclose(logits.grad.flatten(), [2 / 3, (-1 - (1 - third)) / 3, -third / 3], rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_is_torchvisions_on_hard_binary_labels(gamma):
    logits, label, _ = inputs((2, 2, 6, 5))
    expected = sigmoid_focal_loss(logits[:, 1] - logits[:, 0], label.float(), alpha=-1, gamma=gamma, reduction="mean")
    loss = Focal(gamma=gamma)(logits, one_hot(label, 2), torch.ones(label.shape))
    torch.testing.assert_close(loss, expected)


def test_focals_class_weights_are_the_papers_alpha_up_to_the_mean():
    logits, label, _ = inputs((2, 2, 6, 5))
    total = sigmoid_focal_loss(logits[:, 1] - logits[:, 0], label.float(), alpha=0.25, gamma=2.0, reduction="sum")
    weights = torch.where(label == 1, 0.25, 0.75)
    loss = Focal(class_weights=[0.75, 0.25])(logits, one_hot(label, 2), torch.ones(label.shape))
    torch.testing.assert_close(loss, total / weights.sum())


def test_focal_is_the_quality_focal_loss_on_soft_binary_targets():
    logits, _, weight = inputs((2, 2, 6, 5))
    target = soft((2, 2, 6, 5))
    p, y, w = probs_of(logits)[:, 1], target.double().numpy()[:, 1], weight.double().numpy()
    losses = -(np.abs(y - p) ** 2.0) * ((1 - y) * np.log(1 - p) + y * np.log(p))
    assert float(Focal()(logits, target, weight)) == pytest.approx((losses * w).sum() / w.sum(), rel=1e-5)


def test_focal_on_more_classes_in_numpy_for_soft_targets():
    logits, _, weight = inputs()
    p, y, w = probs_of(logits), soft().double().numpy(), weight.double().numpy()
    losses = (np.abs(y - p).sum(1) / 2) ** 1.5 * -(y * np.log(p)).sum(1)
    assert float(Focal(gamma=1.5)(logits, soft(), weight)) == pytest.approx((losses * w).sum() / w.sum(), rel=1e-5)


def test_focal_with_gamma_0_is_cross_entropy():
    logits, _, weight = inputs()
    torch.testing.assert_close(Focal(gamma=0.0)(logits, soft(), weight), CrossEntropy()(logits, soft(), weight))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_has_a_finite_gradient_at_its_target(gamma):
    logits = soft().log().requires_grad_()
    Focal(gamma=gamma)(logits, soft(), torch.ones(2, 6, 5)).backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("gamma", [-0.1, float("nan"), float("inf")])
def test_focal_refuses_a_gamma_out_of_range(gamma):
    with pytest.raises(ConfigError, match="The 'gamma' of Focal must be at least 0, got"):
        Focal(gamma=gamma)


@pytest.mark.parametrize("class_weights", [[], [0.0, 0.0], [1.0, -1.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_class_weights_out_of_range_are_refused(class_weights):
    with pytest.raises(
        ConfigError, match="The 'class_weights' of CrossEntropy must be numbers of at least 0, not all 0"
    ):
        CrossEntropy(class_weights)


def test_class_weights_of_the_wrong_number_are_refused():
    logits, label, weight = inputs()
    with pytest.raises(ConfigError, match="The 'class_weights' of Focal must be 4 numbers, one for each class, got"):
        Focal(class_weights=[1.0, 2.0])(logits, one_hot(label, 4), weight)
