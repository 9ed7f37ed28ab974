"""Sums of a slope times the error: their gradient, however often and in whichever precision it is taken."""

import pytest
import torch

from segtrain.losses.slopes import sum_slopes

SHAPE = (2, 3, 6, 5)


def inputs(shape=SHAPE):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator)
    target = torch.randn(shape, generator=generator).softmax(-3)
    weight = torch.rand(2, 6, 5, generator=generator)
    weight[:, 2] = 0
    return logits, target, weight


def slope(probs, target, weight):
    """One that depends on all pixels."""
    return weight * (probs.mean() + target)


def plain(logits, target, weight, first):
    """The same with autograd, the slopes constant; (B, C - first)."""
    probs = logits.softmax(-3)
    sums = []
    for c in range(first, logits.shape[-3]):
        p, y = probs[..., c, :, :], target[..., c, :, :]
        sums.append((slope(p.detach().where(weight > 0, 1 / logits.shape[-3]), y, weight) * (p - y)).sum((-2, -1)))
    return torch.stack(sums, -1)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("channels_last", [False, True])
def test_sums_and_gradient_are_autograds(first, channels_last):
    logits, target, weight = inputs()
    if channels_last:
        logits = logits.contiguous(memory_format=torch.channels_last)
    price = torch.rand(2, 1, 3 - first, generator=torch.Generator().manual_seed(1))
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    sums, mass = sum_slopes(slope, ours, target, weight, first)
    expected = plain(theirs, target, weight, first)
    torch.testing.assert_close(sums[:, 0], expected)
    torch.testing.assert_close(mass[:, 0], torch.einsum("bchw,bhw->bc", target[:, first:], weight))
    (sums * price).sum().backward()
    (expected * price[:, 0]).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_a_retained_graph_gives_the_same_gradient_again():
    logits, target, weight = inputs()
    logits.requires_grad_()
    loss = sum_slopes(slope, logits, target, weight)[0].sum()
    (first,) = torch.autograd.grad(loss, logits, retain_graph=True)
    first = first.clone()
    (second,) = torch.autograd.grad(loss, logits)
    assert first.any()
    assert torch.equal(first, second)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_get_a_gradient_of_their_own_kind(dtype):
    logits, target, weight = inputs()
    half, full = logits.to(dtype).requires_grad_(), logits.to(dtype).float().requires_grad_()
    for scores in (half, full):
        sum_slopes(slope, scores, target, weight)[0].sum().backward()
    assert half.grad.dtype == dtype
    torch.testing.assert_close(half.grad, full.grad.to(dtype))


def test_overlapping_classes_are_problems_of_their_own():
    logits, target, weight = inputs((2, 3, 2, 6, 5))
    sums = sum_slopes(slope, logits, target, weight, first=1)
    assert sums.shape == (2, 2, 3, 1)
    for k in range(3):
        alone = sum_slopes(slope, logits[:, k], target[:, k], weight, first=1)
        torch.testing.assert_close(alone[:, :, 0], sums[:, :, k])


def test_nothing_is_kept_where_no_gradient_is_wanted():
    logits, target, weight = inputs()
    assert sum_slopes(slope, logits, target, weight).grad_fn is None
