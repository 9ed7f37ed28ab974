"""Smooth outlines: the area stays, roughness goes, holes and small things stay."""

import time

import cv2
import numpy as np
import pytest
from scipy.ndimage import label
from skimage.measure import regionprops

from segtrain.errors import ConfigError
from segtrain.postprocess import Contours
from segtrain.postprocess.outlines import trace
from tests.postprocess.scenes import SHAPE, certain, disc, rough_disc

METHODS = ["fourier", "chaikin", "polygon"]


def smooth(mask, num_classes=2, **options):
    return Contours(**options)(certain(mask, num_classes), np.zeros((*mask.shape, 1), np.uint8)).argmax(0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_the_area_stays(method, seed):
    given = rough_disc(40, by=3, seed=seed) & ~disc(15)  # with a hole
    smoothed = smooth(given, method=method, wavelength=24, tolerance=2.0)
    assert not np.array_equal(smoothed, given)
    for of in (lambda mask: mask, lambda mask: (mask == 0) & disc(25)):  # the object, and its hole by itself
        assert of(smoothed).sum() == pytest.approx(of(given).sum(), rel=0.015)  # pixels round
    assert label(smoothed == 0)[1] == 2


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("radius", [6, 20, 50])
def test_a_disc_stays_a_disc(method, radius):
    given = disc(radius)
    share = 0.0 if method == "fourier" else 0.35  # of the outline: a polygon leaves it by up to its tolerance
    assert (smooth(given, method=method) != given).sum() <= share * 2 * np.pi * radius + 4


@pytest.mark.parametrize("options", [{"harmonics": 4}, {"wavelength": 40}])
def test_roughness_goes(options):
    truth, rng = disc(45), np.random.default_rng(0)
    rim = disc(48) & ~disc(42)
    given = np.where(rim, rng.random(SHAPE) < 0.5, truth)
    given = cv2.medianBlur(given.astype(np.uint8), 3) > 0
    assert (smooth(given, **options) != truth).sum() < 0.5 * (given != truth).sum()


def test_one_harmonic_is_an_ellipse():
    rounded = smooth(disc(30) | disc(25, 60, 85), harmonics=1)
    (found,) = regionprops(rounded)
    (row, column), turn = found.centroid, found.orientation
    y, x = np.indices(SHAPE) - np.reshape([row, column], (2, 1, 1))
    along, across = y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn)
    ellipse = (2 * along / found.axis_major_length) ** 2 + (2 * across / found.axis_minor_length) ** 2 < 1
    assert (rounded != ellipse).sum() < 25
    square = np.zeros(SHAPE, bool)
    square[30:90, 30:90] = True
    rounded = smooth(square, harmonics=1)
    expected = disc(60 / np.sqrt(np.pi), 59.5, 59.5)  # of equal area
    assert (rounded != expected).sum() < 25


@pytest.mark.parametrize("tolerance", [0.5, 1.5, 4.0])
def test_a_polygon_keeps_to_its_tolerance_and_has_fewer_corners(tolerance):
    given = rough_disc(40, by=4)
    polygon = smooth(given, method="polygon", tolerance=tolerance)
    outline, simple = (
        max(cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=len)
        for mask in (given, polygon)
    )
    far = max(-cv2.pointPolygonTest(outline, tuple(map(float, point[0])), True) for point in simple)
    assert far <= tolerance + 1.5  # and a pixel for the grid, half for the area
    corners = Contours(method="polygon", tolerance=tolerance)._smooth(max(trace(given), key=len))
    assert len(corners) <= 60 / tolerance


@pytest.mark.parametrize("method", METHODS)
def test_specks_lines_and_the_frame_stay(method):
    given = np.zeros(SHAPE, bool)
    given[5, 5] = given[10:13, 10:13] = given[20, 10:60] = True
    given[:, 100:] = True  # cut by three sides
    smoothed = smooth(given, method=method)
    assert np.array_equal(smoothed[:15], given[:15])
    assert smoothed[20].sum() >= 40
    assert np.array_equal(smoothed[:, 99:], given[:, 99:])
    full = np.ones(SHAPE, bool)
    assert smooth(full, method=method).all()


def test_classes_that_touch_share_their_outline():
    given = rough_disc(40, by=3).astype(int)
    given[:, 70:] *= 2
    smoothed = smooth(given, 3, wavelength=20)
    inside = disc(30)
    assert (smoothed[inside] > 0).all()
    assert (smoothed[inside & (np.indices(SHAPE)[1] < 69)] == 1).all()


def test_faults_come_all_at_once():
    with pytest.raises(ConfigError) as caught:
        Contours(method="spline", wavelength=1, harmonics=0, tolerance=0)
    assert caught.value.faults == [
        "The 'method' of Contours must be fourier, chaikin or polygon, got spline",
        "The 'wavelength' of Contours must be at least 2 pixels, got 1",
        "The 'harmonics' of Contours must be at least 1, got 0",
        "The 'tolerance' of Contours must be above 0 pixels, got 0",
    ]


def test_large_image_is_fast():
    given = np.tile(rough_disc(40), (8, 7))  # 0.94 megapixels
    start = time.thread_time()
    smooth(given)
    assert time.thread_time() - start < 1.5  # measured 0.3 s of one core
