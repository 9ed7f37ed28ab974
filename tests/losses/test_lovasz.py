"""The Lovasz loss against scikit-learn at hard predictions, and against the extension's definition elsewhere."""

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score

from segtrain.losses import Lovasz
from segtrain.types import one_hot

SHAPE = (3, 4, 6, 5)


def logits(shape=SHAPE, seed=0):
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def soft(shape=SHAPE, seed=1):
    return (2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))).softmax(1)


def labels(num_classes=4, seed=0):
    return torch.randint(num_classes, (3, 6, 5), generator=torch.Generator().manual_seed(seed))


def weights(shape=(3, 6, 5), seed=2):
    weight = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    weight[:, 1] = 0
    return weight


def extension(p, y, w):
    """The Lovasz extension of 1 - TP / (TP + FN + FP) in |p - y|, a pixel being y parts foreground; (N,) each."""
    order = np.argsort(-np.abs(p - y), kind="stable")
    p, y, w = p[order], y[order], w[order]
    missed = np.concatenate([[0], (w * y).cumsum()])
    extra = np.concatenate([[0], (w * (1 - y)).cumsum()])
    union = (w * y).sum() + extra
    sets = np.divide(missed + extra, union, out=np.zeros_like(union), where=union > 0)
    return (np.abs(p - y) * np.diff(sets)).sum()


def class_losses(scores, target, weight):
    p, y, w = scores.double().softmax(1).numpy(), target.double().numpy(), weight.double().numpy()
    return [extension(p[:, c].ravel(), y[:, c].ravel(), w.ravel()) for c in range(p.shape[1])]


def test_hard_predictions_agree_with_scikit_learn():
    truth, predicted, weight = labels(seed=0), labels(seed=1), weights()
    loss = Lovasz()(1000 * one_hot(predicted, 4), one_hot(truth, 4), weight)
    score = jaccard_score(truth.flatten(), predicted.flatten(), sample_weight=weight.flatten(), average="macro")
    assert loss.item() == pytest.approx(1 - score, rel=1e-5)


@pytest.mark.parametrize("target", [soft(), one_hot(labels(), 4)], ids=["soft", "hard"])
def test_the_extensions_definition(target):
    assert Lovasz()(logits(), target, weights()).item() == pytest.approx(
        np.mean(class_losses(logits(), target, weights())), rel=1e-5
    )


def test_of_two_classes_the_foreground_counts_unless_the_background_is_included():
    scores, target = logits((3, 2, 6, 5)), soft((3, 2, 6, 5))
    background, foreground = class_losses(scores, target, weights())
    assert Lovasz()(scores, target, weights()).item() == pytest.approx(foreground, rel=1e-5)
    both = Lovasz(include_background=True)(scores, target, weights())
    assert both.item() == pytest.approx((background + foreground) / 2, rel=1e-5)


def test_each_image_by_itself_counting_by_its_weights():
    one_by_one = [np.mean(class_losses(logits()[b : b + 1], soft()[b : b + 1], weights()[b : b + 1])) for b in range(3)]
    expected = np.average(one_by_one, weights=weights().sum((1, 2)).numpy())
    assert Lovasz(per_image=True)(logits(), soft(), weights()).item() == pytest.approx(expected, rel=1e-5)


def test_an_absent_class_is_left_out_unless_it_counts_and_then_costs_its_largest_probability():
    target = one_hot(labels(3), 4)
    losses = class_losses(logits(), target, weights())
    assert Lovasz()(logits(), target, weights()).item() == pytest.approx(np.mean(losses[:3]), rel=1e-5)
    trusted = (weights() > 0).float()
    assert losses[3] == pytest.approx((logits().softmax(1)[:, 3] * trusted).max().item(), rel=1e-5)
    assert Lovasz(count_absent=True)(logits(), target, weights()).item() == pytest.approx(np.mean(losses), rel=1e-5)


def test_class_weights_are_shares_in_the_mean():
    class_weights = [1.0, 0.0, 2.0, 5.0]
    expected = np.average(class_losses(logits(), soft(), weights()), weights=class_weights)
    loss = Lovasz(class_weights=class_weights)(logits(), soft(), weights())
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_gradient_is_the_definitions():
    scores, target, weight = logits(), soft(), weights()
    scores.requires_grad_()
    Lovasz()(scores, target, weight).backward()
    for place in [(0, 0, 0, 0), (1, 2, 3, 4), (2, 3, 5, 1)]:
        ends = []
        for step in (1e-4, -1e-4):
            moved = scores.detach().double()
            moved[place] += step
            ends.append(np.mean(class_losses(moved, target, weight)))
        assert scores.grad[place].item() == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-3, abs=1e-7)


@pytest.mark.parametrize("foreground", [0.5, 0.001])
def test_a_large_image_keeps_its_digits(foreground):
    shape = (1, 2, 512, 512)
    generator = torch.Generator().manual_seed(0)
    target = one_hot((torch.rand(1, 512, 512, generator=generator) < foreground).long(), 2)
    scores = (logits(shape) / 2).requires_grad_()
    weight = torch.rand(1, 512, 512, generator=generator)
    loss = Lovasz()(scores, target, weight)
    assert loss.item() == pytest.approx(class_losses(scores.detach(), target, weight)[1], rel=1e-5)
    loss.backward()
    # By hand for the pixel most wrong: it alone, then times p (1 - p) and the sign.
    probs = scores.detach().double().softmax(1)[:, 1]
    p, y, w = (values.double().flatten() for values in (probs, target[:, 1], weight))
    first = (p - y).abs().argmax()
    alone = w[first] / ((w * y).sum() + w[first] * (1 - y[first]))
    expected = alone * p[first] * (1 - p[first]) * (1 - 2 * y[first])
    assert scores.grad[0, 1].flatten()[first].item() == pytest.approx(expected.item(), rel=1e-4)
