"""The region losses against scikit-learn (hard predictions) and the papers' formulas in numpy (soft ones)."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, fbeta_score, jaccard_score

from segtrain.errors import ConfigError
from segtrain.losses import Dice, Jaccard, Tversky
from segtrain.types import one_hot

SHAPE = (3, 4, 6, 5)
REGION_LOSSES = [Dice, Jaccard, Tversky]


def labels(num_classes=4, seed=0):
    return torch.randint(num_classes, (3, 6, 5), generator=torch.Generator().manual_seed(seed))


def weights(seed=2):
    return torch.rand(3, 6, 5, generator=torch.Generator().manual_seed(seed))


def soft(shape=SHAPE, seed=1):
    return (2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))).softmax(1)


def sure(predicted, num_classes=4):
    """Logits whose softmax is exactly 0 or 1."""
    return 1000 * one_hot(predicted, num_classes)


def flat(*tensors):
    return [tensor.flatten().numpy() for tensor in tensors]


def plain(p, y, w, alpha, beta, smooth=0.0):
    """The plain formula of one class, which holds on hard labels."""
    true, extra, missed = (p * y * w).sum(), (p * (1 - y) * w).sum(), ((1 - p) * y * w).sum()
    return 1 - (true + smooth) / (true + alpha * extra + beta * missed + smooth)


@pytest.mark.parametrize(
    ("loss", "score"),
    [
        (Dice(smooth=0.0), f1_score),
        (Jaccard(smooth=0.0), jaccard_score),
        # F_b has b^2 / (1 + b^2) as the price of a miss.
        (Tversky(alpha=0.2, beta=0.8, smooth=0.0), lambda *args, **kwargs: fbeta_score(*args, beta=2, **kwargs)),
    ],
)
def test_hard_predictions_agree_with_scikit_learn(loss, score):
    truth, predicted, weight = labels(seed=0), labels(seed=1), weights()
    value = loss(sure(predicted), one_hot(truth, 4), weight)
    y, p, w = flat(truth, predicted, weight)
    assert float(value) == pytest.approx(1 - score(y, p, sample_weight=w, average="macro"), rel=1e-5)


@pytest.mark.parametrize(("loss", "score"), [(Dice, f1_score), (Jaccard, jaccard_score)])
def test_of_two_classes_the_foreground_counts_unless_the_background_is_included(loss, score):
    truth, predicted = labels(2, seed=0), labels(2, seed=1)
    y, p = flat(truth, predicted)
    arguments = sure(predicted, 2), one_hot(truth, 2), torch.ones(truth.shape)
    assert float(loss(smooth=0.0)(*arguments)) == pytest.approx(1 - score(y, p), rel=1e-5)
    both = loss(smooth=0.0, include_background=True)
    assert float(both(*arguments)) == pytest.approx(1 - score(y, p, average="macro"), rel=1e-5)


def test_of_more_classes_the_background_counts_unless_it_is_left_out():
    truth, predicted = labels(seed=0), labels(seed=1)
    y, p = flat(truth, predicted)
    loss = Dice(smooth=0.0, include_background=False)(sure(predicted), one_hot(truth, 4), torch.ones(truth.shape))
    assert float(loss) == pytest.approx(1 - f1_score(y, p, labels=[1, 2, 3], average="macro"), rel=1e-5)


def test_per_image_is_the_mean_over_images_by_their_sum_of_weights():
    truth, predicted, weight = labels(seed=0), labels(seed=1), weights()
    weight[1] = 0
    scores = [
        f1_score(*flat(truth[i], predicted[i]), sample_weight=weight[i].flatten().numpy(), average="macro")
        for i in (0, 2)
    ]
    expected = 1 - np.average(scores, weights=[weight[0].sum(), weight[2].sum()])
    loss = Dice(smooth=0.0, per_image=True)(sure(predicted), one_hot(truth, 4), weight)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "alpha", "beta", "smooth"),
    [(Dice(), 0.5, 0.5, 0.5), (Jaccard(smooth=2.0), 1.0, 1.0, 2.0), (Tversky(smooth=0.5), 0.3, 0.7, 0.5)],
)
def test_soft_predictions_of_hard_labels_follow_the_plain_formula(loss, alpha, beta, smooth):
    probs, truth, weight = soft(), labels(), weights()
    p, y, w = probs.double().numpy(), one_hot(truth, 4).double().numpy(), weight.double().numpy()
    expected = np.mean([plain(p[:, c], y[:, c], w, alpha, beta, smooth * w.max()) for c in range(4)])
    assert float(loss(probs.log(), one_hot(truth, 4), weight)) == pytest.approx(expected, rel=1e-5)


def test_the_gradient_on_hard_labels_is_that_of_plain_dice():
    logits, truth, weight = soft().log().requires_grad_(), one_hot(labels(), 4), weights()
    probs, pixels = logits.softmax(1), (0, 2, 3)
    true, both = (weight[:, None] * probs * truth).sum(pixels), (weight[:, None] * (probs + truth)).sum(pixels)
    (expected,) = torch.autograd.grad((1 - 2 * true / both).mean(), logits)
    (grad,) = torch.autograd.grad(Dice(smooth=0.0)(logits, truth, weight), logits)
    torch.testing.assert_close(grad, expected)


def test_soft_targets_follow_dml1_and_jml1():
    probs, target, weight = soft(seed=1), soft(seed=3), weights()
    x, y = (tensor.double().numpy() * weight.double().numpy()[:, None] for tensor in (probs, target))
    apart, together = np.abs(x - y).sum((0, 2, 3)), np.abs(x + y).sum((0, 2, 3))  # ||x - y||_1 and ||x + y||_1
    dice, jaccard = 1 - (together - apart) / together, 1 - (together - apart) / (together + apart)
    arguments = probs.log(), target, weight
    assert float(Dice(smooth=0.0)(*arguments)) == pytest.approx(dice.mean(), rel=1e-5)
    assert float(Jaccard(smooth=0.0)(*arguments)) == pytest.approx(jaccard.mean(), rel=1e-5)


@pytest.mark.parametrize(("alpha", "beta", "loss"), [(0.5, 0.5, Dice), (1.0, 1.0, Jaccard)])
def test_tversky_holds_dice_and_jaccard(alpha, beta, loss):
    arguments = soft(seed=1).log(), soft(seed=3), weights()
    value = Tversky(alpha=alpha, beta=beta, smooth=0.0)(*arguments)
    torch.testing.assert_close(value, loss(smooth=0.0)(*arguments))


def test_tversky_prices_misses_by_beta():
    truth = torch.zeros(1, 4, 4, dtype=torch.long)
    truth[:, :2] = 1
    small, large = truth.clone(), truth.clone()
    small[:, 1], large[:, 2] = 0, 1
    arguments = one_hot(truth, 2), torch.ones(1, 4, 4)
    loss = Tversky(smooth=0.0)
    assert float(loss(sure(small, 2), *arguments)) == pytest.approx(1 - 4 / (4 + 0.7 * 4))
    assert float(loss(sure(large, 2), *arguments)) == pytest.approx(1 - 8 / (8 + 0.3 * 4))


def test_absent_classes_are_left_out_unless_they_are_to_count():
    truth = labels(2, seed=0)  # classes 2 and 3 are absent
    probs, y = soft(), one_hot(truth, 4)
    p = probs.double().numpy()
    ones = np.ones(truth.shape)
    losses = [plain(p[:, c], y[:, c].numpy(), ones, 0.5, 0.5, smooth=0.5) for c in range(4)]
    arguments = probs.log(), y, torch.ones(truth.shape)
    assert float(Dice()(*arguments)) == pytest.approx(np.mean(losses[:2]), rel=1e-5)
    assert float(Dice(count_absent=True)(*arguments)) == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("loss", REGION_LOSSES)
@pytest.mark.parametrize("per_image", [False, True])
def test_an_empty_mask_is_judged_by_the_foreground_predicted(loss, per_image):
    target = one_hot(torch.zeros(3, 6, 5, dtype=torch.long), 2)
    logits = torch.zeros(3, 2, 6, 5, requires_grad=True)
    criterion = loss(per_image=per_image)
    criterion(logits, target, torch.ones(3, 6, 5)).backward()
    assert (logits.grad[:, 1] > 0).all(), "the foreground is pushed down"
    assert float(criterion(-sure(target.argmax(1), 2), target, torch.ones(3, 6, 5))) > 0.8
    assert float(criterion(sure(target.argmax(1), 2), target, torch.ones(3, 6, 5))) == 0


def test_class_weights_are_the_shares_of_the_classes():
    probs, target = soft(seed=1), soft(seed=3)
    one = [float(Dice(class_weights=list(row))(probs.log(), target, weights())) for row in np.eye(4)]
    loss = Dice(class_weights=[1.0, 2.0, 0.0, 5.0])(probs.log(), target, weights())
    assert len(set(one)) == 4
    assert float(loss) == pytest.approx(np.average(one, weights=[1.0, 2.0, 0.0, 5.0]), rel=1e-5)


def test_class_weights_that_leave_no_class_to_count_are_refused():
    with pytest.raises(ConfigError, match="The 'class_weights' of Dice must be above 0 for some class that counts"):
        Dice(class_weights=[1.0, 0.0])(torch.zeros(3, 2, 6, 5), one_hot(labels(2), 2), weights())


@pytest.mark.parametrize("loss", REGION_LOSSES)
@pytest.mark.parametrize(("name", "value"), [("smooth", -1.0), ("smooth", float("inf")), ("smooth", float("nan"))])
def test_smooth_out_of_range_is_refused(loss, name, value):
    with pytest.raises(ConfigError, match=f"The 'smooth' of {loss.__name__} must be at least 0 pixels, got"):
        loss(**{name: value})


@pytest.mark.parametrize("name", ["alpha", "beta"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_prices_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"The '{name}' of Tversky must be above 0, got"):
        Tversky(**{name: value})
