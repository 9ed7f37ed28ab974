"""Outlines as polygons and back, against scipy's objects and scikit-image's point-in-polygon test."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label
from skimage.measure import points_in_poly

from segtrain.postprocess.outlines import area, fill, offset, trace


def masks():
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (1, 9), (30, 41)):
        for sigma in (0, 1, 3):
            yield gaussian_filter(rng.normal(size=shape), sigma) > 0
        yield np.zeros(shape, bool)
        yield np.ones(shape, bool)


@pytest.mark.parametrize("mask", list(masks()), ids=lambda mask: str(mask.shape))
def test_there_and_back(mask):
    outlines = trace(mask)
    assert np.array_equal(fill(outlines, mask.shape), mask)
    sizes = np.array([area(outline) for outline in outlines])
    assert sizes.sum() == mask.sum()
    assert (sizes > 0).sum() == label(mask, np.ones((3, 3)))[1]  # by sides and corners
    assert (sizes < 0).sum() == label(np.pad(~mask, 1, constant_values=True))[1] - 1  # by sides, without the outside
    for outline in outlines:
        assert (np.abs(np.roll(outline, -1, axis=0) - outline).sum(1) == 1).all()


@pytest.mark.parametrize("seed", range(5))
def test_fill_takes_the_pixels_whose_centres_lie_within(seed):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 12))
    polygon = 15 + rng.uniform(3, 20, 12)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)  # beyond the frame
    centres = np.stack(np.meshgrid(np.arange(40), np.arange(30)), -1).reshape(-1, 2) + 0.5
    expected = points_in_poly(centres, polygon).reshape(30, 40)
    assert np.array_equal(fill([polygon], (30, 40)), expected)


def test_objects_that_overlap_are_one_and_holes_end_with_the_object():
    square = np.array([(0, 0), (10, 0), (10, 10), (0, 10)])
    assert fill([square, square + 5], (20, 20)).sum() == 175
    assert fill([square, square[::-1] + 5], (20, 20)).sum() == 75


def test_offset_of_a_square_and_a_circle():
    square = np.array([(0, 0), (10, 0), (10, 10), (0, 10)])
    assert area(offset(square, 1.0)) == pytest.approx(144)
    assert area(offset(square[::-1], 1.0)) == pytest.approx(-64)  # a hole shrinks
    angles = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    circle = 20 * np.stack([np.cos(angles), np.sin(angles)], 1)
    assert area(offset(circle, 2.5)) == pytest.approx(np.pi * 22.5**2, rel=1e-3)
