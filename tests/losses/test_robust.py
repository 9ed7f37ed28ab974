"""The robust pixel losses against the papers' formulas in numpy, their limits, and what the papers prove of them."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from segtrain.errors import ConfigError
from segtrain.losses import (
    ActivePassive,
    Bootstrap,
    CrossEntropy,
    GeneralizedCrossEntropy,
    JensenShannon,
    MeanAbsoluteError,
    SymmetricCrossEntropy,
    TaylorCrossEntropy,
)
from segtrain.types import one_hot

SHAPE = (2, 4, 6, 5)
ROBUST = [
    ActivePassive(), Bootstrap(), Bootstrap(hard=True), GeneralizedCrossEntropy(), JensenShannon(),
    MeanAbsoluteError(), SymmetricCrossEntropy(), TaylorCrossEntropy(),
]  # fmt: skip


def logits(shape=SHAPE, seed=0):
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def labels(num_classes=4, seed=1):
    return torch.randint(num_classes, (2, 6, 5), generator=torch.Generator().manual_seed(seed))


def soft(shape=SHAPE, seed=2):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).softmax(1)


def weights(seed=3):
    return torch.rand(2, 6, 5, generator=torch.Generator().manual_seed(seed))


def rows(values):
    """(B, C, H, W) -> pixels (N, C), in float64."""
    return values.double().movedim(1, -1).reshape(-1, values.shape[1]).numpy()


def mean_of(pixel, target):
    """The weighted mean of a formula (p (C,), y (C,)) over the pixels, one by one."""
    p, y, w = rows(logits().double().softmax(1)), rows(target), weights().double().flatten().numpy()
    return sum(w[i] * pixel(p[i], y[i]) for i in range(len(w))) / w.sum()


def one(num_classes, c):
    return np.eye(num_classes)[c]


def for_each_label(loss, seed=0):
    """Each pixel's loss were its label 0, 1, ...: a list over the classes, averaged over the pixels."""
    scores = logits(seed=seed)
    return [loss(scores, one_hot(torch.full((2, 6, 5), c), 4), torch.ones(2, 6, 5)).item() for c in range(4)]


def taylor(p, y, order):
    return sum(y[c] * sum((1 - p[c]) ** i / i for i in range(1, order + 1)) for c in range(len(p)))


def reverse(p, y, log_zero):
    return -sum(p[c] * max(np.log(y[c]) if y[c] else -np.inf, log_zero) for c in range(len(p)))


def jensen_shannon(p, y, pi):
    mean = pi * y + (1 - pi) * p
    divergence = lambda a, b: sum(a[c] * np.log(a[c] / b[c]) for c in range(len(a)) if a[c])  # noqa: E731
    return (pi * divergence(y, mean) + (1 - pi) * divergence(p, mean)) / -((1 - pi) * np.log(1 - pi))


FORMULAS = [
    (MeanAbsoluteError(), lambda p, y: np.abs(p - y).sum()),
    (GeneralizedCrossEntropy(q=0.4), lambda p, y: (y * (1 - p**0.4) / 0.4).sum()),
    (SymmetricCrossEntropy(0.3, 0.8), lambda p, y: -0.3 * (y * np.log(p)).sum() + 0.8 * reverse(p, y, -4)),
    (ActivePassive(2.0, 0.5), lambda p, y: 2 * (y * np.log(p)).sum() / np.log(p).sum() + 0.5 * reverse(p, y, -4)),
    (TaylorCrossEntropy(order=4), lambda p, y: taylor(p, y, 4)),
    (Bootstrap(), lambda p, y: -((0.95 * y + 0.05 * p) * np.log(p)).sum()),
    (Bootstrap(hard=True), lambda p, y: -((0.8 * y + 0.2 * one(4, p.argmax())) * np.log(p)).sum()),
    (Bootstrap(beta=0.6, hard=True), lambda p, y: -((0.6 * y + 0.4 * one(4, p.argmax())) * np.log(p)).sum()),
    (JensenShannon(pi=0.3), lambda p, y: jensen_shannon(p, y, 0.3)),
]


@pytest.mark.parametrize(("loss", "pixel"), FORMULAS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("target", [soft(), one_hot(labels(), 4)], ids=["soft", "hard"])
def test_the_papers_formula_pixel_by_pixel(loss, pixel, target):
    assert loss(logits(), target, weights()).item() == pytest.approx(mean_of(pixel, target), rel=1e-5)


@pytest.mark.parametrize("loss", [ActivePassive, GeneralizedCrossEntropy, JensenShannon, TaylorCrossEntropy])
def test_class_weights_weigh_a_pixel_by_the_mean_over_its_soft_target(loss):
    class_weights = [0.1, 1.0, 0.0, 5.0]
    shares = torch.einsum("bchw,c->bhw", soft(), torch.tensor(class_weights))
    expected = loss()(logits(), soft(), weights() * shares)
    torch.testing.assert_close(loss(class_weights=class_weights)(logits(), soft(), weights()), expected)


def test_the_authors_symmetric_cross_entropy_clips_labels_at_1e_4():
    clipped = lambda p, y: -0.1 * (y * np.log(p)).sum() - (p * np.log(np.clip(y, 1e-4, 1))).sum()  # noqa: E731
    loss = SymmetricCrossEntropy(log_zero=float(np.log(1e-4)))
    target = one_hot(labels(), 4)
    assert loss(logits(), target, weights()).item() == pytest.approx(mean_of(clipped, target), rel=1e-5)


def test_jensen_shannon_with_equal_weights_is_scipys():
    expected = mean_of(lambda p, y: jensenshannon(p, y) ** 2 / (np.log(2) / 2), soft())
    assert JensenShannon()(logits(), soft(), weights()).item() == pytest.approx(expected, rel=1e-5)


# Limits that the papers name. On hard labels half the mean absolute error is 1 - p_y.


@pytest.mark.parametrize(
    ("loss", "limit", "factor", "rel"),
    [
        (GeneralizedCrossEntropy(q=1.0), MeanAbsoluteError(), 0.5, 1e-5),
        (GeneralizedCrossEntropy(q=1e-4), CrossEntropy(), 1.0, 1e-3),
        (TaylorCrossEntropy(order=1), MeanAbsoluteError(), 0.5, 1e-5),
        (JensenShannon(pi=1 - 1e-6), MeanAbsoluteError(), 0.5, 0.1),  # slow, as 1 / log
        (JensenShannon(pi=1e-5), CrossEntropy(), 1.0, 1e-2),
        (SymmetricCrossEntropy(alpha=0.0, log_zero=-2.0), MeanAbsoluteError(), 1.0, 1e-5),
        (SymmetricCrossEntropy(alpha=1.0, beta=0.0), CrossEntropy(), 1.0, 1e-5),
        (Bootstrap(beta=1.0), CrossEntropy(), 1.0, 1e-5),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, torch.nn.Module) else "",
)
def test_a_limit_is_another_loss(loss, limit, factor, rel):
    target = one_hot(labels(), 4)
    expected = factor * limit(logits(), target, weights()).item()
    assert loss(logits(), target, weights()).item() == pytest.approx(expected, rel=rel)


def test_many_terms_of_the_series_are_cross_entropy():
    scores = logits() / 3
    expected = CrossEntropy()(scores, soft(), weights()).item()
    assert TaylorCrossEntropy(order=400)(scores, soft(), weights()).item() == pytest.approx(expected, rel=1e-4)


# Robustness: what the sum over all labels is, the ground of each paper's theorem.


@pytest.mark.parametrize(
    ("loss", "total"),
    [
        (MeanAbsoluteError(), 2 * 3),  # 2 (C - 1), Ghosh et al. 2017
        (SymmetricCrossEntropy(alpha=0.0), 4 * 3),  # -A (C - 1), Wang et al. 2019
        (ActivePassive(alpha=1.0, beta=0.0), 1),  # normalised, Ma et al. 2020
    ],
    ids=["MAE", "RCE", "NCE"],
)
def test_symmetric_losses_sum_to_a_constant_over_the_labels(loss, total):
    for seed in range(3):
        assert sum(for_each_label(loss, seed)) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("q", [0.2, 0.7, 0.9])
def test_generalized_cross_entropy_sums_up_within_the_papers_bounds(q):
    for seed in range(3):
        total = sum(for_each_label(GeneralizedCrossEntropy(q=q), seed))
        assert (4 - 4 ** (1 - q)) / q <= total <= 3 / q  # Zhang & Sabuncu 2018, theorem 1


@pytest.mark.parametrize(
    ("loss", "most"),
    [(GeneralizedCrossEntropy(), 1 / 0.7), (TaylorCrossEntropy(order=2), 1.5), (JensenShannon(), 2.0)],
    ids=lambda value: type(value).__name__,
)
def test_a_wrong_label_costs_no_more_however_sure_the_network_is(loss, most):
    scores = torch.tensor([500.0, 0.0]).view(1, 2, 1, 1).requires_grad_()
    value = loss(scores, torch.tensor([0.0, 1.0]).view(1, 2, 1, 1), torch.ones(1, 1, 1))
    value.backward()
    assert value.item() == pytest.approx(most, rel=1e-5)
    assert (scores.grad == 0).all()


@pytest.mark.parametrize("loss", ROBUST, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("gap", [20.0, 120.0, 1e4, 1e30])
def test_gradients_are_finite_where_the_network_is_sure(loss, gap):
    scores = torch.tensor([[gap, 0.0, -1.0], [0.0, gap, -1.0]]).T.reshape(1, 3, 1, 2).contiguous().requires_grad_()
    value = loss(scores, one_hot(torch.tensor([[[1, 1]]]), 3), torch.ones(1, 1, 2))
    value.backward()
    assert value.isfinite()
    assert scores.grad.isfinite().all()


def test_soft_bootstrapping_learns_through_its_own_prediction():
    scores, target = torch.tensor([0.4, -0.3, 0.1]).view(1, 3, 1, 1).requires_grad_(), soft((1, 3, 1, 1))
    Bootstrap(beta=0.5)(scores, target, torch.ones(1, 1, 1)).backward()
    p = rows(scores.detach().softmax(1))[0]
    entropy = -(p * np.log(p)).sum()
    # d/dz of cross-entropy is p - y, of the entropy -p (log p + entropy)
    expected = 0.5 * (p - rows(target)[0]) - 0.5 * p * (np.log(p) + entropy)
    np.testing.assert_allclose(scores.grad.flatten(), expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("loss", "name", "law", "values"),
    [
        (GeneralizedCrossEntropy, "q", r"in \(0, 1\]", [0.0, 1.5, float("nan")]),
        (SymmetricCrossEntropy, "alpha", "at least 0", [-0.1, float("inf")]),
        (SymmetricCrossEntropy, "log_zero", "below 0", [0.0, 1.0, float("-inf")]),
        (ActivePassive, "beta", "at least 0", [-1.0, float("nan")]),
        (ActivePassive, "log_zero", "below 0", [0.5]),
        (TaylorCrossEntropy, "order", "at least 1", [0, -2]),
        (Bootstrap, "beta", r"in \(0, 1\] or null", [0.0, 1.1]),
        (JensenShannon, "pi", r"in \(0, 1\)", [0.0, 1.0]),
    ],
)
def test_a_parameter_out_of_range_is_refused(loss, name, law, values):
    for value in values:
        with pytest.raises(ConfigError, match=f"The '{name}' of {loss.__name__} must be {law}"):
            loss(**{name: value})


def test_two_prices_of_0_are_refused():
    with pytest.raises(ConfigError, match="The 'beta' of SymmetricCrossEntropy must be at least 0, and above 0"):
        SymmetricCrossEntropy(alpha=0.0, beta=0.0)
