"""Objects that touch: counted, parted, and left whole where no neck is narrow enough."""

import time

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, label
from skimage.morphology import h_maxima
from skimage.segmentation import watershed as skimage_watershed

from segtrain.errors import ConfigError
from segtrain.postprocess import Watershed, split_objects
from tests.postprocess.scenes import SHAPE, certain, disc

EIGHT = np.ones((3, 3))
PAIR = disc(20, 60, 45) | disc(20, 60, 78)  # the neck is 22 pixels wide


def part(mask, num_classes=2, **options):
    return Watershed(**options)(certain(mask, num_classes), np.zeros((*mask.shape, 1), np.uint8)).argmax(0)


def test_two_discs_are_two():
    objects = split_objects(PAIR)
    assert objects.dtype == np.int32
    assert np.array_equal(objects > 0, PAIR)
    assert objects.max() == 2
    left, right = objects[60, 45], objects[60, 78]
    columns = np.indices(SHAPE)[1]
    assert (objects[PAIR & (columns < 61)] == left).all()
    assert (objects[PAIR & (columns > 62)] == right).all()


@pytest.mark.parametrize(("height", "count"), [(1, 2), (7, 2), (10, 1)])
def test_the_height_of_the_saddle_decides(height, count):
    """Middles are 20 deep, the neck 11."""
    assert split_objects(PAIR, height=height).max() == count


@pytest.mark.parametrize("seed", range(3))
def test_middles_and_lines_are_scikit_images(seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros(SHAPE, bool)
    for row, column, radius in zip(
        rng.integers(0, 120, 25), rng.integers(0, 140, 25), rng.integers(8, 16, 25), strict=True
    ):
        mask |= disc(radius, row, column)
    landscape = np.rint(4 * distance_transform_edt(mask)).astype(np.int64)  # whole numbers: h_maxima rounds others
    middles = label(h_maxima(landscape, 6, footprint=EIGHT), EIGHT)[0]
    expected = skimage_watershed(-landscape, middles, mask=mask, connectivity=2)
    assert len(np.unique(middles)) > 5
    objects = split_objects(mask, landscape.astype(np.float32), height=5.5)
    assert objects.max() == expected.max()
    for number in range(1, middles.max() + 1):
        ours = objects[expected == number]
        assert (ours == np.bincount(ours).argmax()).mean() > 0.95


def test_objects_that_do_not_touch_are_never_one_and_none_is_lost():
    rng = np.random.default_rng(0)
    for mask in (
        rng.random(SHAPE) < 0.1,
        rng.random(SHAPE) < 0.5,
        disc(3),
        np.zeros(SHAPE, bool),
        np.ones(SHAPE, bool),
    ):
        for landscape in (None, np.zeros(SHAPE, np.float32), rng.random(SHAPE).astype(np.float32)):
            objects, whole = split_objects(mask, landscape, height=100), label(mask, EIGHT)[0]
            assert np.array_equal(objects > 0, mask)
            assert len(np.unique(objects * (whole.max() + 1) + whole)) == len(np.unique(whole))  # the same parts
            assert objects.max() == whole.max()


def test_the_line_falls_to_the_background():
    parted = part(PAIR)
    assert label(parted, EIGHT)[1] == 2
    assert not parted[~PAIR].any()
    assert PAIR.sum() - parted.sum() < 30  # a line of the neck's width
    assert np.array_equal(part(PAIR, height=10), PAIR)


def test_the_line_falls_to_the_class_that_it_meets():
    mask = np.where(PAIR, 1, 2)
    parted = part(mask, 3, classes=[1])
    assert label(parted == 1, EIGHT)[1] == 2
    assert (parted[~PAIR] == 2).all()
    assert not (parted == 0).any()


def test_a_model_that_is_less_sure_between_objects():
    mask = np.zeros(SHAPE, bool)
    mask[40:80, 20:120] = True  # a bar: its shape tells nothing
    probs = certain(mask)
    probs[1, 40:80, 68:72], probs[0, 40:80, 68:72] = 0.6, 0.4
    image = np.zeros((*SHAPE, 1), np.uint8)
    assert label(Watershed()(probs, image).argmax(0), EIGHT)[1] == 1
    assert label(Watershed(landscape="probability", height=0.1)(probs, image).argmax(0), EIGHT)[1] == 2
    assert label(Watershed(landscape="probability", height=0.4)(probs, image).argmax(0), EIGHT)[1] == 1


def test_faults_come_all_at_once():
    with pytest.raises(ConfigError) as caught:
        Watershed(landscape="edges", height=0)
    assert caught.value.faults == [
        "The 'landscape' of Watershed must be distance or probability, got edges",
        "The 'height' of Watershed must be above 0, got 0",
    ]


def test_large_image_is_fast():
    given = np.tile(PAIR, (8, 7))  # 0.94 megapixels
    start = time.thread_time()
    part(given)
    assert time.thread_time() - start < 3.0  # measured 0.6 s of one core
