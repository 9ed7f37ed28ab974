"""Canny against scikit-image, and outlines that are drawn wrong by a known amount."""

import time

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, distance_transform_edt, label
from skimage.feature import canny as skimage_canny

from segtrain.errors import ConfigError
from segtrain.postprocess import Edges
from segtrain.postprocess.edges import canny
from tests.postprocess.scenes import SHAPE, certain, disc, picture, rough_disc

TRUTH = disc(40)


def pull(mask, image, num_classes=2, **options):
    return Edges(**options)(certain(mask, num_classes), image).argmax(0)


def test_edges_are_scikit_images():
    image = picture(rough_disc(40, by=4) + disc(15).astype(int))
    found = canny(image, 1.5, 0.1, 0.2).edges
    # Ours count steps in units of the image's contrast, theirs slopes in units of 255 (times 4 by Sobel's weights).
    contrast = np.ptp(np.percentile(image, (1, 99)))
    slope = 4 * contrast / 255 / (1.5 * np.sqrt(2 * np.pi))
    expected = skimage_canny(image[..., 0] / 255, 1.5, 0.1 * slope, 0.2 * slope)
    assert expected.sum() > 300
    near = np.ones((3, 3))
    assert (binary_dilation(expected, near)[found]).mean() > 0.98
    assert (binary_dilation(found, near)[expected]).mean() > 0.98


def test_the_strongest_channel_counts():
    image = np.repeat(picture(TRUTH), 3, axis=2)
    image[..., 0] = 100
    image[..., 2] = 255 - image[..., 1]  # the mean of the channels is constant
    assert np.array_equal(canny(image, 1, 0.1, 0.2).edges, canny(image[..., 1:2], 1, 0.1, 0.2).edges)


@pytest.mark.parametrize("by", [-3, -2, -1, 0, 1, 2, 3])
def test_outlines_too_wide_or_tight_are_mended(by):
    given = disc(40 + by)
    pulled = pull(given, picture(TRUTH))
    assert (pulled != TRUTH).sum() <= max(0.35 * (given != TRUTH).sum(), 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_rough_outline_gets_closer_whatever_the_numbers(dtype):
    given = rough_disc(40)
    image = (picture(TRUTH, dtype=float) * (200 if dtype == np.uint16 else 1)).astype(dtype)
    assert (pull(given, image) != TRUTH).sum() < 0.5 * (given != TRUTH).sum()


def test_two_classes_that_meet_are_pulled_together():
    truth = TRUTH.astype(int)
    truth[:, 70:] *= 2  # the two meet at column 70
    given = np.roll(truth, 2, axis=1)
    assert (pull(given, picture(truth), 3) != truth).sum() < 0.4 * (given != truth).sum()


def test_no_edge_no_move():
    given = rough_disc(40)
    for image in (np.full((*SHAPE, 3), 7, np.uint8), picture(disc(20))):  # constant; or its edge is far away
        assert np.array_equal(pull(given, image), given)


def test_an_edge_that_crosses_the_outline_does_not_count():
    stripes = (np.indices(SHAPE)[1] // 6) % 2
    given = np.zeros(SHAPE, bool)
    given[60:] = True
    assert np.array_equal(pull(given, picture(stripes, noise=0)), given)


@pytest.mark.parametrize("radius", [1, 2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_pixels_beyond_the_radius_never_change(radius, seed):
    rng = np.random.default_rng(seed)
    given = rough_disc(40, by=3, seed=seed)
    image = rng.integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    changed = pull(given, image, radius=radius, agreement=0.1) != given
    outside = np.where(given, distance_transform_edt(given), distance_transform_edt(~given)) - 0.5
    assert (outside[changed] <= radius).all()


def test_thin_objects_and_gaps_survive():
    given = np.zeros(SHAPE, bool)
    for row, width in ((10, 1), (20, 2), (30, 3), (45, 6)):
        given[row : row + width, 10:120] = True
    given[60:80, 10:60] = given[60:80, 62:120] = True  # a gap of two columns
    image = np.random.default_rng(0).integers(0, 256, (*SHAPE, 1), dtype=np.uint8)
    pulled = pull(given, image, radius=6, agreement=0.05)
    assert not np.array_equal(pulled, given)
    assert set(np.unique(label(given, np.ones((3, 3)))[0][pulled > 0])) >= {1, 2, 3, 4, 5, 6}
    assert label(pulled[60:80, 10:120], np.ones((3, 3)))[1] >= 2


def test_faults_come_all_at_once():
    with pytest.raises(ConfigError) as caught:
        Edges(radius=0, sigma=0, high=0.1, low=0.3, agreement=0)
    assert caught.value.faults == [
        "The 'radius' of Edges must be at least 1 pixel, got 0",
        "The 'sigma' of Edges must be above 0 pixels, got 0",
        "The 'low' of Edges must be above 0 and at most 'high', 0.1, got 0.3",
        "The 'agreement' of Edges must be in (0, 1], got 0",
    ]


def test_large_image_is_fast():
    given, image = np.tile(rough_disc(40), (8, 7)), np.tile(picture(TRUTH), (8, 7, 1))  # 0.94 megapixels
    start = time.thread_time()
    pull(given, image)
    assert time.thread_time() - start < 3.0  # measured 0.6 s of one core
