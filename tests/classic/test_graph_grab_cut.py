"""GrabCut against OpenCV's, and its mixtures against SciPy's densities."""

import cv2
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from segtrain.classic.grab_cut import GrabCut, grab_cut, seeded_cut
from segtrain.classic.mixture import UNSEEN, Mixture, split_colours
from segtrain.errors import ConfigError


def scene(size=(70, 90), noise=18, seed=0):
    """Give an ellipse of two colours (H, W) before a background of two."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    mask = ((rows - 36) / 22) ** 2 + ((columns - 44) / 28) ** 2 < 1
    colours = np.where((columns > 44)[..., None], [200, 60, 50], [220, 140, 40]) * mask[..., None]
    colours = colours + np.where((rows > 30)[..., None], [60, 130, 70], [90, 150, 200]) * ~mask[..., None]
    noisy = colours + np.random.default_rng(seed).normal(0, noise, (*size, 3))
    return mask, np.clip(noisy, 0, 255).astype(np.uint8)


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def test_the_object_is_opencvs():
    mask, image = scene()
    box = (8, 10, 66, 80)
    found = grab_cut(image, box)
    theirs = np.zeros(mask.shape, np.uint8)
    rectangle = (box[1], box[0], box[3] - box[1], box[2] - box[0])
    cv2.grabCut(image, theirs, rectangle, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_RECT)
    expected = theirs % 2 == 1
    assert overlap(expected, mask) > 0.95
    assert overlap(found, mask) > 0.97
    assert overlap(found, expected) > 0.95
    assert np.array_equal(grab_cut(image, box), found)


def test_nothing_lies_outside_the_box():
    _, image = scene()
    found = grab_cut(image, (30, 30, 50, 50))
    found[30:50, 30:50] = False
    assert not found.any()
    with pytest.raises(ConfigError, match="A box must hold a part of the image, not all of it"):
        grab_cut(image, (0, 0, 70, 90))
    with pytest.raises(ConfigError, match="A box must hold a part of the image"):
        grab_cut(image, (20, 20, 20, 30))


def test_the_segmenter_cuts_out_the_middle():
    mask, image = scene()
    found = GrabCut()(image)
    inside = found == found[36, 44]
    assert overlap(inside, mask) > 0.95
    for flat in (np.zeros((20, 20, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)):
        assert not GrabCut()(flat).any()
    with pytest.raises(ConfigError) as error:
        GrabCut(box=1.0, gaussians=0, smoothness=-1, neighbours=5, iterations=0, solver="x")  # type: ignore[arg-type]
    assert str(error.value).count("of GrabCut must be") == 6


@pytest.mark.parametrize("num_labels", [2, 3])
def test_seeds_keep_their_labels_and_spread(num_labels):
    mask, image = scene()
    truth = mask.astype(int)
    if num_labels == 3:
        truth[(np.arange(70) <= 30)[:, None] & ~mask] = 2
    seeds = np.full(mask.shape, -1)
    chosen = np.random.default_rng(0).random(mask.shape) < 0.03
    seeds[chosen] = truth[chosen]
    found = seeded_cut(image, seeds)
    assert np.array_equal(found[chosen], truth[chosen])
    assert (found == truth).mean() > 0.98


def test_a_label_without_a_seed_is_refused():
    seeds = np.full((9, 9), -1)
    image = np.zeros((9, 9, 3), np.uint8)
    with pytest.raises(ConfigError, match=r"Each label from 0 to 0 needs a seed"):
        seeded_cut(image, seeds)
    seeds[0, 0] = 2
    with pytest.raises(ConfigError, match=r"Each label from 0 to 2 needs a seed, got \[0, 0, 1\] of them"):
        seeded_cut(image, seeds)


def test_costs_are_minus_the_log_densities():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(300, 3)).astype(np.float32) @ rng.normal(size=(3, 3)).astype(np.float32)
    holders = rng.integers(0, 4, 300)
    holders[holders == 2] = 3  # one holds none
    mixture = Mixture.fitted(points, holders)
    assert len(mixture.shares) == 3
    costs = mixture.costs(points)
    for number, holder in enumerate((0, 1, 3)):
        own = points[holders == holder].astype(float)
        covariance = np.cov(own.T, bias=True) + UNSEEN * np.eye(3)
        density = multivariate_normal(own.mean(0), covariance).logpdf(points)
        expected = -np.log(len(own) / 300) - density - 1.5 * np.log(2 * np.pi)
        assert costs[:, number] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_colours_are_split_where_they_lie_apart():
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [100, 0], [0, 60], [100, 60]])
    owners = rng.integers(0, 4, 400)
    groups = split_colours((centres[owners] + rng.normal(0, 3, (400, 2))).astype(np.float32), 4)
    assert len(np.unique(groups)) == len(set(zip(groups.tolist(), owners.tolist(), strict=True))) == 4
    assert split_colours(np.ones((5, 3), np.float32), 4).tolist() == [0] * 5
    assert set(split_colours(np.array([[0.0], [1.0], [1.0]], np.float32), 4).tolist()) == {0, 1}
