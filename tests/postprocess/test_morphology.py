"""Morphology against scikit-image and loops over regions, and what becomes of the pixels in dispute."""

import time

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter
from skimage import measure
from skimage import morphology as skimage_morphology

from segtrain.errors import ConfigError
from segtrain.postprocess import Closing, Dilation, Erosion, FillHoles, Morphology, Opening, RemoveSmall, binary

OFF = {"max_hole_area": 0, "min_object_area": 0}


def textured(side=60, seed=0, sigma=1.5):
    rng = np.random.default_rng(seed)
    return gaussian_filter(rng.normal(size=(side, side)), sigma) > 0


def certain(mask, num_classes, confidence=0.9):
    """Probabilities (C, H, W) that are `confidence` sure of a mask."""
    probs = np.full((num_classes, *mask.shape), (1 - confidence) / (num_classes - 1), np.float32)
    np.put_along_axis(probs, mask[None].astype(int), np.float32(confidence), axis=0)
    return probs


def clean(mask, num_classes=2, **options):
    return Morphology(**options)(certain(mask, num_classes), np.zeros((*mask.shape, 3), np.uint8)).argmax(0)


@pytest.mark.parametrize("radius", [1, 2, 3, 6])
@pytest.mark.parametrize("seed", range(3))
def test_opening_and_closing_are_scikit_images(radius, seed):
    mask, disk = textured(seed=seed), skimage_morphology.disk(radius)
    expected = skimage_morphology.opening(mask, disk, mode="ignore")
    assert np.array_equal(binary.opening(mask, radius), expected)
    expected = skimage_morphology.closing(np.pad(mask, 20), disk, mode="ignore")[20:-20, 20:-20]
    assert np.array_equal(binary.closing(mask, radius), expected)
    assert np.array_equal(binary.opening(binary.opening(mask, radius), radius), binary.opening(mask, radius))


@pytest.mark.parametrize("radius", [1, 4, 7])
def test_erosion_and_dilation_are_distances(radius):
    mask = np.pad(textured(), ((12, 0), (0, 0)))  # cut by three sides of the frame
    assert np.array_equal(binary.dilation(mask, radius), distance_transform_edt(~mask) <= radius)
    assert np.array_equal(binary.erosion(mask, radius), distance_transform_edt(mask) > radius)


@pytest.mark.parametrize("seed", range(3))
def test_all_holes_are_scipys(seed):
    mask = textured(seed=seed)
    expected = binary_fill_holes(mask)
    assert np.array_equal(binary.fill_holes(mask), expected)
    assert expected.sum() > mask.sum()


@pytest.mark.parametrize("max_area", [1, 10, 40])
def test_small_holes_region_by_region(max_area):
    mask = textured()
    expected, filled = mask.copy(), 0
    for region in measure.regionprops(measure.label(~mask, connectivity=1)):
        top, left, bottom, right = region.bbox
        inside = top > 0 and left > 0 and bottom < mask.shape[0] and right < mask.shape[1]
        if inside and region.area <= max_area:
            expected[tuple(region.coords.T)] = True
            filled += 1
    assert np.array_equal(binary.fill_holes(mask, max_area), expected)
    assert filled


@pytest.mark.parametrize("min_area", [1, 5, 50])
def test_small_objects_region_by_region(min_area):
    mask = textured(sigma=1.0)
    expected = np.zeros_like(mask)
    regions = measure.regionprops(measure.label(mask, connectivity=2))
    for region in regions:
        if region.area >= min_area:
            expected[tuple(region.coords.T)] = True
    assert np.array_equal(binary.keep_objects(mask, min_area), expected)
    largest = max(regions, key=lambda region: region.area)
    only = np.zeros_like(mask)
    only[tuple(largest.coords.T)] = True
    assert np.array_equal(binary.keep_objects(mask, largest=True), only)
    assert not binary.keep_objects(mask, min_area=mask.size, largest=True).any()


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"opening_radius": 2} | OFF, [lambda m: binary.opening(m, 2)]),
        ({"closing_radius": 2} | OFF, [lambda m: binary.closing(m, 2)]),
        ({"fill_holes": True} | OFF, [binary.fill_holes]),
        ({"max_hole_area": 9, "min_object_area": 0}, [lambda m: binary.fill_holes(m, 9)]),
        ({"max_hole_area": 0, "min_object_area": 30}, [lambda m: binary.keep_objects(m, 30)]),
        ({"keep_largest": True} | OFF, [lambda m: binary.keep_objects(m, largest=True)]),
        (
            {"opening_radius": 1, "closing_radius": 3, "fill_holes": True, "min_object_area": 30},
            [
                lambda m: binary.opening(m, 1),
                lambda m: binary.closing(m, 3),
                binary.fill_holes,
                lambda m: binary.keep_objects(m, 30),
            ],
        ),
    ],
)
@pytest.mark.parametrize("frame", [0, 7])  # the mask reaches the frame, or its bounding box lies inside
def test_steps_of_two_classes_in_order(options, steps, frame):
    mask = textured()
    mask = np.pad(mask[frame:, frame:], ((frame, 0), (frame, 0)))
    expected = mask
    for step in steps:
        expected = step(expected)
    assert np.array_equal(clean(mask, **options), expected)
    assert not np.array_equal(expected, mask)


@pytest.mark.parametrize(
    ("step", "options"),
    [
        (Opening(radius=2), {"opening_radius": 2} | OFF),
        (Closing(radius=3), {"closing_radius": 3} | OFF),
        (FillHoles(max_area=9), {"max_hole_area": 9, "min_object_area": 0}),
        (FillHoles(max_area=None), {"fill_holes": True} | OFF),
        (RemoveSmall(min_area=30), {"max_hole_area": 0, "min_object_area": 30}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_step_by_its_own_name_is_that_step_of_morphology(step, options):
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(4), (60, 60)).transpose(2, 0, 1)
    probs = gaussian_filter(probs, (0, 2, 2)).astype(np.float32)
    image = np.zeros((60, 60, 3), np.uint8)
    assert np.array_equal(step(probs, image), Morphology(**options)(probs, image))
    assert not np.array_equal(step(probs, image), probs)


@pytest.mark.parametrize("frame", [0, 7])
def test_rims_of_two_classes(frame):
    mask = textured()
    mask = np.pad(mask[frame:, frame:], ((frame, 0), (frame, 0)))
    probs, image = certain(mask, 2), np.zeros((60, 60, 1), np.uint8)
    assert np.array_equal(Erosion(radius=2)(probs, image).argmax(0), binary.erosion(mask, 2))
    assert np.array_equal(Dilation(radius=5)(probs, image).argmax(0), binary.dilation(mask, 5))


def test_objects_grow_to_each_other_and_no_further():
    mask = np.zeros((20, 30), int)
    mask[5:15, 2:12], mask[5:15, 14:24] = 1, 2
    grown = Dilation(radius=4)(certain(mask, 3), np.zeros((20, 30, 1), np.uint8)).argmax(0)
    assert (grown[mask > 0] == mask[mask > 0]).all()
    assert set(grown[10, 12:14]) <= {1, 2}
    over = Dilation(radius=4, classes=[1])(certain(mask, 3), np.zeros((20, 30, 1), np.uint8)).argmax(0)
    assert (over[10, 2:16] == 1).all()  # class 2 is not listed and gives way


def test_signed_distance_is_the_same_to_the_bit_wherever_it_is_computed():
    """Ties decide about middles and lines; OpenCV's transform broke them by where its memory lay."""
    mask = np.ones((37, 50), bool)
    mask[18, 25] = False
    first, kept = binary.signed_distance(mask), []
    for size in range(1, 200):
        kept.append(np.empty(size))
        assert np.array_equal(binary.signed_distance(mask.copy()), first)
    y, x = np.indices(mask.shape)
    np.testing.assert_allclose(first[mask], 0.5 - np.hypot(y - 18, x - 25)[mask], rtol=1e-6)
    assert first[18, 25] == 0.5


def test_hole_and_speck_sizes():
    mask = np.zeros((40, 40), int)
    mask[5:25, 5:25] = 1
    mask[10:18, 10:18] = 0  # a hole of 64: filled
    mask[30:37, 30:39] = 1  # 63 pixels: too small
    cleaned = clean(mask)
    assert cleaned[14, 14] == 1
    assert not cleaned[28:].any()
    mask[10:18, 10] = mask[10:18, 9] = 0  # now 72
    mask[30:37, 30:39] = 0
    mask[30:38, 30:38] = 1  # 64
    assert np.array_equal(clean(mask), mask)


def test_released_speck_joins_the_object_around_it():
    """Not the background, and not the second most probable class, if that is elsewhere."""
    mask = np.zeros((40, 40), int)
    mask[5:35, 5:35] = 3
    mask[15:19, 15:19] = 1
    probs = certain(mask, 5)
    probs[:, 15:19, 15:19] = np.array([0.15, 0.4, 0.25, 0.12, 0.08], np.float32).reshape(-1, 1, 1)
    options = {"max_hole_area": 0, "min_object_area": 20}
    cleaned = Morphology(**options)(probs, np.zeros((40, 40, 3), np.uint8)).argmax(0)
    expected = np.where(mask == 1, 3, mask)
    assert np.array_equal(cleaned, expected)


def test_pixels_let_go_amid_their_own_class_go_back():
    mask = np.zeros((30, 30), int)
    mask[5:25, 5:25] = 1
    mask[[14, 16, 15, 15], [16, 16, 15, 17]] = 2  # a ring: the pixel of class 1 in it is opened away, and so is it
    cleaned = clean(mask, 3, opening_radius=1, **OFF)
    assert (cleaned[14:17, 15:18] == 1).all()


def test_released_pixels_between_classes_go_to_the_more_probable():
    mask = np.zeros((20, 20), int)
    mask[:, 10:] = 2
    mask[9:11, 9:11] = 1  # half in 0, half in 2
    probs = certain(mask, 3)
    probs[:, 9:11, 9] = np.array([0.2, 0.5, 0.3], np.float32).reshape(-1, 1)
    probs[:, 9:11, 10] = np.array([0.3, 0.5, 0.2], np.float32).reshape(-1, 1)
    cleaned = Morphology(classes=[1])(probs, np.zeros((20, 20, 3), np.uint8)).argmax(0)
    assert cleaned[9:11, 9:11].tolist() == [[2, 0], [2, 0]]


def test_claims_of_two_classes_go_to_the_more_probable():
    mask = np.zeros((30, 30), int)
    mask[5:25, 3:13] = 1
    mask[5:25, 15:25] = 2  # a gap of two columns that both closings fill
    probs = certain(mask, 3)
    probs[:, :, 13] = np.array([0.5, 0.2, 0.3], np.float32).reshape(-1, 1)
    probs[:, :, 14] = np.array([0.5, 0.3, 0.2], np.float32).reshape(-1, 1)
    mask = probs.argmax(0)
    # each class gets a second half beyond the gap, so that closing bridges it
    probs[:, 15, 3:25] = np.array([0.1, 0.5, 0.4], np.float32).reshape(-1, 1)
    only_1 = binary.closing(probs.argmax(0) == 1, 4)
    only_2 = binary.closing(probs.argmax(0) == 2, 4)
    disputed = only_1 & only_2
    assert disputed.any()
    cleaned = Morphology(closing_radius=4, **OFF)(probs, np.zeros((30, 30, 3), np.uint8)).argmax(0)
    assert np.array_equal(cleaned[disputed], np.where(probs[1] >= probs[2], 1, 2)[disputed])
    assert set(cleaned[disputed]) == {1, 2}


def test_a_class_that_is_not_cleaned_gives_way():
    mask = np.zeros((40, 40), int)
    mask[5:35, 5:35] = 1
    mask[15:18, 15:18] = 2  # in a hole of class 1
    assert clean(mask, 3, classes=[1])[16, 16] == 1
    assert clean(mask, 3, classes=[2])[16, 16] == 1  # let go by 2
    assert clean(mask, 3, classes=[1], **OFF)[16, 16] == 2
    both = clean(mask, 3, max_hole_area=64, min_object_area=0)
    assert both[16, 16] == 2  # both claim it, and 2 is the more probable


def test_all_classes_can_be_cleaned():
    mask = np.zeros((30, 30), int)
    mask[:, 15:] = 1
    mask[3:5, 3:5], mask[3:5, 20:22] = 1, 0
    cleaned = clean(mask, classes=[0, 1], max_hole_area=0)
    expected = np.zeros_like(mask)
    expected[:, 15:] = 1
    assert np.array_equal(cleaned, expected)


def test_nothing_left_goes_to_the_next_best():
    mask = np.ones((3, 3), int)
    probs = np.array([0.1, 0.6, 0.3], np.float32).reshape(3, 1, 1).repeat(9, 2).reshape(3, 3, 3)
    assert probs.argmax(0).tolist() == mask.tolist()
    assert (Morphology()(probs, np.zeros((3, 3, 1), np.uint8)).argmax(0) == 2).all()


def test_two_classes_cleaned_by_area_stay_clean():
    probs = certain(textured(), 2)
    once = Morphology()(probs, np.zeros((60, 60, 1), np.uint8))
    assert np.array_equal(Morphology()(once, np.zeros((60, 60, 1), np.uint8)), once)
    assert not np.array_equal(once, probs)


def test_faults_come_all_at_once():
    with pytest.raises(ConfigError) as caught:
        Morphology(opening_radius=-1, min_object_area=-2, classes=[1, -3])
    assert caught.value.faults == [
        "The 'opening_radius' of Morphology must be at least 0 pixels, got -1",
        "The 'min_object_area' of Morphology must be at least 0 pixels, got -2",
        "The 'classes' of Morphology must be class numbers, 0 or more, got -3",
    ]
    with pytest.raises(ConfigError, match="must be among the classes 0 to 1, got"):
        clean(np.zeros((5, 5), int), classes=[2])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Opening(radius=0), "The 'radius' of Opening must be at least 1 pixel, got 0"),
        (lambda: FillHoles(max_area=0), "The 'max_area' of FillHoles must be at least 1 pixel, got 0"),
        (lambda: RemoveSmall(min_area=0), "The 'min_area' of RemoveSmall must be at least 1 pixel, got 0"),
        (lambda: Erosion(classes=[-1]), "The 'classes' of Erosion must be class numbers, 0 or more, got -1"),
    ],
)
def test_faults_of_steps(make, sentence):
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.faults == [sentence]


def test_the_heading_names_the_option():
    with pytest.raises(ConfigError, match=r"postprocess\.fill_holes cannot be built"):
        FillHoles(max_area=-1)


def test_large_image_is_fast():
    probs = certain(textured(side=1000, sigma=20), 2)
    morphology = Morphology(opening_radius=3, closing_radius=3, fill_holes=True, keep_largest=True)
    start = time.thread_time()
    morphology(probs, np.zeros((1000, 1000, 3), np.uint8))
    assert time.thread_time() - start < 1.0  # measured 0.2 s of one core
