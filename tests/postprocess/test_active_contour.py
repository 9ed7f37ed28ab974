"""Active contours against scikit-image's morphological Chan-Vese, and outlines that are wrong by a known amount."""

import time

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from skimage.segmentation import morphological_chan_vese

from segtrain.errors import ConfigError
from segtrain.postprocess import ActiveContour
from tests.postprocess.scenes import SHAPE, certain, disc, picture, rough_disc

TRUTH = disc(40)


def settle(mask, image, **options):
    return ActiveContour(**options)(certain(mask), image).argmax(0)


def test_it_ends_where_chan_vese_does():
    image = picture(TRUTH, noise=25)
    given = rough_disc(38, by=3)
    settled = settle(given, image, radius=12, window=100, iterations=50)
    expected = morphological_chan_vese(image[..., 0] / 255, 50, init_level_set=given.astype(np.int8), smoothing=1)
    assert (settled != expected).sum() < 30
    assert (settled != TRUTH).sum() < 0.15 * (given != TRUTH).sum()


@pytest.mark.parametrize("by", [-3, -1, 0, 1, 3])
def test_an_uneven_background_is_no_hindrance(by):
    ramp = np.indices(SHAPE)[1] * 1.5  # as high as the object at the other side of the image
    image = (picture(TRUTH, dtype=float)[..., 0] / 2 + ramp)[..., None]
    given = disc(40 + by)
    settled = settle(given, image, radius=4, iterations=30)
    assert (settled != TRUTH).sum() <= max(0.25 * (given != TRUTH).sum(), 25)


@pytest.mark.parametrize("radius", [1, 3])
def test_pixels_beyond_the_radius_never_change(radius):
    given = rough_disc(40, by=3)
    image = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    changed = settle(given, image, radius=radius) != given
    outside = np.where(given, distance_transform_edt(given), distance_transform_edt(~given)) - 0.5
    assert changed.any()
    assert (outside[changed] <= radius).all()


def test_a_constant_image_moves_nothing_without_smoothing():
    given = rough_disc(40)
    assert np.array_equal(settle(given, np.full((*SHAPE, 3), 9, np.uint16), smoothing=0), given)


def test_faults_come_all_at_once():
    with pytest.raises(ConfigError) as caught:
        ActiveContour(radius=0, window=1, iterations=0, smoothing=-1)
    assert [fault.split("'")[1] for fault in caught.value.faults] == ["radius", "window", "iterations", "smoothing"]


def test_large_image_is_fast():
    given, image = np.tile(rough_disc(40), (8, 7)), np.tile(picture(TRUTH), (8, 7, 1))  # 0.94 megapixels
    start = time.thread_time()
    settle(given, image)
    assert time.thread_time() - start < 4.0  # measured 0.7 s of one core
