"""The boundary loss against its authors' distance maps by scipy; the distance transform against scipy's."""

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from segtrain.losses import Boundary
from segtrain.losses.distance import _on_device, distance_to
from segtrain.types import one_hot

SIZE = (12, 17)


def blobs(num_classes=3, seed=0):
    """Label maps (2, H, W) of a few squares."""
    generator = np.random.default_rng(seed)
    label = np.zeros((2, *SIZE), dtype=np.int64)
    for image in label:
        for c in range(1, num_classes):
            top, left = generator.integers(0, 6), generator.integers(0, 9)
            image[top : top + 5, left : left + 6] = c
    return torch.from_numpy(label)


def logits(num_classes=3, seed=0):
    return 2 * torch.randn(2, num_classes, *SIZE, generator=torch.Generator().manual_seed(seed))


def level_set(mask):
    """The authors' signed distance of one mask: outside d, inside 1 - d, 0 where there is nothing to measure."""
    if not mask.any() or mask.all():
        return np.zeros(mask.shape)
    return np.where(mask, 1 - distance_transform_edt(mask), distance_transform_edt(~mask))


@pytest.mark.parametrize(("num_classes", "background", "first"), [(2, None, 1), (3, None, 0), (3, False, 1)])
def test_it_is_the_authors_mean_of_level_set_times_probability_up_to_a_constant(num_classes, background, first):
    label, scores = blobs(num_classes), logits(num_classes)
    masks = one_hot(label, num_classes).bool().numpy()[:, first:]
    maps = np.stack([[level_set(mask) for mask in image] for image in masks])  # (B, C', H, W)
    probs = scores.double().softmax(1).numpy()[:, first:]
    expected = (maps * probs).mean() - (maps * masks).mean()
    loss = Boundary(include_background=background)(scores, one_hot(label, num_classes), torch.ones(2, *SIZE))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_its_slope_in_a_probability_is_the_distance():
    label, scores = blobs(2), logits(2).requires_grad_()
    Boundary()(scores, one_hot(label, 2), torch.ones(2, *SIZE)).backward()
    p = scores.detach().double().softmax(1)[:, 1].numpy()
    maps = np.stack([level_set(mask) for mask in label.bool().numpy()])
    np.testing.assert_allclose(scores.grad[:, 1], maps * p * (1 - p) / label.numel(), rtol=1e-4, atol=1e-9)


def test_a_soft_targets_boundary_is_where_it_crosses_one_half():
    label = blobs(2)
    target = 0.2 * one_hot(1 - label, 2) + 0.8 * one_hot(label, 2)
    maps = np.abs(np.stack([level_set(mask) for mask in label.bool().numpy()]))
    errors = (logits(2).double().softmax(1) - target)[:, 1].abs().numpy()
    loss = Boundary()(logits(2), target, torch.ones(2, *SIZE))
    assert loss.item() == pytest.approx((maps * errors).mean(), rel=1e-5)


def test_an_ignored_pixel_bounds_nothing():
    label, weight = torch.zeros(1, *SIZE, dtype=torch.long), torch.ones(1, *SIZE)
    label[0, 3:6, 3:6] = 1
    label[0, 9, 15] = 1
    weight[0, 9, 15] = 0
    alone = label.clone()
    alone[0, 9, 15] = 0
    scores = logits(2)[:1]
    maps = level_set(alone[0].bool().numpy())
    p, y, w = scores.double().softmax(1)[0, 1].numpy(), alone[0].numpy(), weight[0].numpy()
    expected = (w * maps * (p - y)).sum() / w.sum()
    assert Boundary()(scores, one_hot(label, 2), weight).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("filled", [0, 1])
def test_an_image_without_a_boundary_says_nothing(filled):
    scores = logits(2).requires_grad_()
    loss = Boundary()(scores, one_hot(torch.full((2, *SIZE), filled), 2), torch.ones(2, *SIZE))
    loss.backward()
    assert loss == 0
    assert (scores.grad == 0).all()


def test_class_weights_are_shares_in_the_mean():
    target, weight = one_hot(blobs(), 3), torch.ones(2, *SIZE)
    alone = [Boundary(class_weights=[float(c == k) for c in range(3)])(logits(), target, weight) for k in range(3)]
    loss = Boundary(class_weights=[1.0, 2.0, 5.0])(logits(), target, weight)
    torch.testing.assert_close(loss, (alone[0] + 2 * alone[1] + 5 * alone[2]) / 8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 16), (16, 17), (33, 20)])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 1.0])
def test_distances_are_scipys_on_both_ways(shape, share):
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(2, 3, *shape, generator=generator) < share
    expected = np.full(mask.shape, np.inf)
    for place in np.ndindex(2, 3):
        if mask[place].any():
            expected[place] = distance_transform_edt(~mask[place].numpy())
    np.testing.assert_allclose(_on_device(mask), expected, rtol=1e-6)
    np.testing.assert_allclose(distance_to(mask), expected, rtol=1e-6)
