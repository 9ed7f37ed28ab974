"""The guided filter against ridge regressions in every window."""

import time

import numpy as np
import pytest

from segtrain.errors import ConfigError
from segtrain.postprocess import Refine
from segtrain.postprocess.refine import guided_filter
from tests.postprocess.scenes import certain, disc, picture, rough_disc


def by_loop(guide, plane, radius, epsilon):
    """Fit each window, minimising sum((a . I + b - p)^2 + epsilon |a|^2), and average what windows say."""
    depth, height, width = guide.shape
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for y, x in np.ndindex(height, width):
        window = np.s_[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
        colours = guide[:, *window].reshape(depth, -1).T  # (P, D)
        values = plane[window].ravel()
        ridge = np.hstack([np.sqrt(epsilon * len(values)) * np.eye(depth), np.zeros((depth, 1))])
        design = np.vstack([np.hstack([colours, np.ones((len(values), 1))]), ridge])
        fit = np.linalg.lstsq(design, np.concatenate([values, np.zeros(depth)]), rcond=None)[0]
        said = colours @ fit[:-1] + fit[-1]
        total[window] += said.reshape(total[window].shape)
        count[window] += 1
    return total / count


@pytest.mark.parametrize("depth", [1, 3, 5])
@pytest.mark.parametrize(("radius", "epsilon"), [(1, 0.1), (3, 0.001)])
def test_every_window_is_a_ridge_regression(depth, radius, epsilon):
    rng = np.random.default_rng(0)
    guide, planes = rng.normal(size=(depth, 9, 13)), rng.random((2, 9, 13))
    filtered = guided_filter(guide, planes, radius, epsilon)
    for plane, result in zip(planes, filtered, strict=True):
        np.testing.assert_allclose(result, by_loop(guide, plane, radius, epsilon), atol=1e-5)


def test_large_values_do_not_drown_the_variance():
    rng = np.random.default_rng(0)
    guide, planes = rng.normal(size=(2, 30, 30)), rng.random((2, 30, 30))
    np.testing.assert_allclose(
        guided_filter(guide + 1000, planes, 3, 0.01), guided_filter(guide, planes, 3, 0.01), atol=1e-5
    )


def test_outlines_follow_the_image():
    truth, given = disc(40), rough_disc(40)
    for image in (picture(truth), np.repeat(picture(truth), 3, axis=2), picture(truth, dtype=float) * 1e-4):
        refined = Refine()(certain(given), image).argmax(0)
        assert (refined != truth).sum() < 0.6 * (given != truth).sum()


def test_a_constant_image_only_smooths():
    given = certain(disc(40), 3)
    refined = Refine(radius=2)(given, np.full((*disc(40).shape, 3), 200, np.uint8))
    assert np.abs(refined - given)[:, disc(30)].max() < 1e-6
    assert (refined.argmax(0) != given.argmax(0)).sum() < 40


def test_grey_is_the_mean_of_the_channels():
    rng = np.random.default_rng(0)
    image = rng.random((40, 40, 4)).astype(np.float32)
    probs = rng.dirichlet(np.ones(3), (40, 40)).transpose(2, 0, 1).astype(np.float32)
    grey = image.mean(2, keepdims=True)
    scale = np.ptp(np.percentile(grey, (1, 99))) / np.ptp(np.percentile(image, (1, 99)))
    expected = Refine(epsilon=0.01 / scale**2)(probs, grey)
    np.testing.assert_allclose(Refine(epsilon=0.01, guide="grey")(probs, image), expected, atol=1e-4)


def test_faults_come_all_at_once():
    with pytest.raises(ConfigError) as caught:
        Refine(radius=0, epsilon=0, guide="red")
    assert caught.value.faults == [
        "The 'radius' of Refine must be at least 1 pixel, got 0",
        "The 'epsilon' of Refine must be above 0, got 0",
        "The 'guide' of Refine must be colour or grey, got red",
    ]


def test_large_image_is_fast_whatever_the_radius():
    given, image = certain(np.tile(disc(40), (5, 5))), np.tile(picture(disc(40)), (5, 5, 3))  # 0.42 megapixels
    for radius in (2, 50):
        start = time.thread_time()
        Refine(radius=radius)(given, image)
        assert time.thread_time() - start < 2.0  # measured 0.3 s of one core
