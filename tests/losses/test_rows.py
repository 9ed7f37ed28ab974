"""The sums over rows: the same however they are cut, with the gradient of the plain formula."""

import pytest
import torch

from segtrain.losses import rows
from segtrain.losses.rows import sum_rows


def weighted_squares(logits, target, weight):
    return torch.stack([(weight * (logits - target) ** 2).sum(), (weight * logits.exp()).sum()])


def inputs(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 7, 5, generator=generator).to(dtype)
    target = torch.randn(2, 3, 7, 5, generator=generator).softmax(1)
    return logits.requires_grad_(), target, torch.rand(2, 7, 5, generator=generator)


@pytest.mark.parametrize("most_slices", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("channels_last", [False, True])
def test_equal_the_plain_formula_however_they_are_cut(monkeypatch, most_slices, channels_last):
    monkeypatch.setattr(rows, "LEAST_ELEMENTS", 1)
    monkeypatch.setattr(rows, "MOST_SLICES", most_slices)
    logits, target, weight = inputs()
    if channels_last:
        logits = logits.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    plain = weighted_squares(logits.double(), target.double(), weight.double()[:, None])
    (expected,) = torch.autograd.grad(2 * plain[0] - 3 * plain[1], logits)
    sums = sum_rows(weighted_squares, logits, target, weight)
    (grad,) = torch.autograd.grad(2 * sums[0] - 3 * sums[1], logits)
    torch.testing.assert_close(sums, plain.float())
    torch.testing.assert_close(grad, expected)


def test_are_cut_into_a_few_slices_once_they_are_large(monkeypatch):
    seen = []

    def formula(logits, target, weight):
        seen.append(tuple(logits.shape))
        return (weight * logits).sum()

    logits, target, weight = inputs()
    sum_rows(formula, logits, target, weight)
    assert seen == [(2, 1, 3, 7, 5)]
    monkeypatch.setattr(rows, "LEAST_ELEMENTS", 2 * 3 * 5 * 2)
    seen.clear()
    sum_rows(formula, logits, target, weight)
    assert [shape[-2] for shape in seen] == [2, 2, 2, 1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_are_float32_whatever_comes_in(dtype):
    seen = []

    def formula(logits, target, weight):
        seen.extend([logits.dtype, target.dtype, weight.dtype, (logits[0, 0, 0] @ logits[0, 0, 0].T).dtype])
        return (weight * logits).sum()

    logits, target, weight = inputs(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # would make the product bfloat16
        sum_rows(formula, logits, target.to(dtype), weight.to(dtype)).backward()
    assert set(seen) == {torch.float32}
    assert len(seen) == 8, "forward and backward"
    assert logits.grad.dtype == dtype


def test_keep_no_copy_of_the_batch_for_the_backward_pass():
    logits, target, weight = inputs()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        sum_rows(weighted_squares, logits, target, weight)
    given = {tensor.untyped_storage().data_ptr() for tensor in (logits, target, weight)}
    assert {tensor.untyped_storage().data_ptr() for tensor in kept} == given


@pytest.mark.parametrize(
    ("logits", "target", "weight"),
    [
        ((2, 3, 7, 5), (2, 7, 5), (2, 7, 5)),
        ((2, 3, 7, 5), (2, 1, 7, 5), (2, 7, 5)),
        ((2, 3, 7, 5), (2, 3, 7, 5), (2, 1, 7, 5)),
        ((2, 3, 7, 5), (2, 3, 7, 5), (7, 5)),
        ((3, 7, 5), (3, 7, 5), (7, 5)),
    ],
)
def test_refuse_shapes_that_would_only_broadcast(logits, target, weight):
    with pytest.raises(ValueError, match="A loss takes logits"):
        sum_rows(weighted_squares, torch.zeros(logits), torch.zeros(target), torch.zeros(weight))


def test_refuse_to_drop_the_gradient_of_a_target_or_weight():
    logits, target, weight = inputs()
    for wanted in (target, weight):
        wanted.requires_grad_()
        with pytest.raises(ValueError, match="detach"):
            sum_rows(weighted_squares, logits, target, weight)
        wanted.requires_grad_(False)
