"""What holds of every segmenter in configs/segmenter."""

import importlib
import inspect
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from skimage.measure import label as number_regions

FOLDER = Path(__file__).parents[2] / "configs" / "segmenter"
CONFIGS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yaml"))}
SIZES = [(1, 1), (1, 9), (9, 1), (2, 2), (33, 48)]
KINDS = [(np.uint8, 3), (np.uint8, 1), (np.uint8, 5), (np.uint16, 3), (np.uint16, 1), (np.float32, 3), (np.float64, 2)]


def factory(name):
    module, target = CONFIGS[name]["_target_"].rsplit(".", 1)
    return getattr(importlib.import_module(module), target)


def build(name):
    return factory(name)(**{key: value for key, value in CONFIGS[name].items() if key != "_target_"})


def image_of(size, dtype=np.uint8, channels=3):
    """Blocks of colour and some noise, in the type's usual range."""
    rng = np.random.default_rng(0)
    blocks = rng.random((4, 4, channels))[np.ix_(np.arange(size[0]) // 9 % 4, np.arange(size[1]) // 9 % 4)]
    image = (blocks + rng.normal(0, 0.03, (*size, channels))).clip(0, 1)
    return image.astype(dtype) if np.dtype(dtype).kind == "f" else (image * np.iinfo(dtype).max).astype(dtype)


def assert_regions(label, size, case):
    assert label.shape == size, case
    assert label.dtype.kind == "i", case
    numbers = np.unique(label)
    assert np.array_equal(numbers, np.arange(len(numbers))), case
    assert number_regions(label, background=-1, connectivity=1).max() == len(numbers), f"{case}: not connected"


def test_options_are_there():
    graphs = {"graph_cut", "min_cut", "normalized_cut", "grab_cut"}
    assert {"mean_shift", "kmeans", "slic", "felzenszwalb"} | graphs <= set(CONFIGS)


@pytest.mark.parametrize("name", CONFIGS)
def test_all_parameters_are_listed_with_their_defaults(name):
    parameters = inspect.signature(factory(name)).parameters
    listed = {key: value for key, value in CONFIGS[name].items() if key != "_target_"}
    assert listed == {key: parameter.default for key, parameter in parameters.items()}
    built = build(name)
    assert {key: getattr(built, key) for key in listed} == listed


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_pixel_is_in_a_connected_region(name, size):
    assert_regions(build(name)(image_of(size)), size, name)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_images_of_every_kind(name, dtype, channels):
    assert_regions(build(name)(image_of((33, 48), dtype, channels)), (33, 48), name)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(("dtype", "channels"), KINDS)
def test_a_constant_image_is_one_segment(name, dtype, channels):
    for value in (0, 1, 100):
        assert not build(name)(np.full((40, 61, channels), value, dtype)).any()


@pytest.mark.parametrize("name", CONFIGS)
def test_same_input_same_output_and_the_input_stays(name):
    image = image_of((33, 48))
    before = image.copy()
    segmenter = build(name)
    first = segmenter(image)
    assert np.array_equal(image, before)
    assert np.array_equal(segmenter(image), first)
    assert np.array_equal(build(name)(image), first)
    strided = np.asfortranarray(image)
    strided.setflags(write=False)
    assert np.array_equal(build(name)(strided), first)


@pytest.mark.parametrize("name", CONFIGS)
def test_speckle_does_not_explode_the_run_time(name):
    segmenter = build(name)
    speckle = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    sparse = np.full_like(speckle, 128)
    sparse[::5, ::7] = speckle[::5, ::7]
    segmenter(image_of((20, 20)))  # what is loaded at first use does not count
    plain = _seconds(segmenter, image_of((120, 160)))
    for noise in (speckle, sparse):
        assert _seconds(segmenter, noise) < 10 * plain + 1


def _seconds(segmenter, image):
    start = time.process_time()
    segmenter(image)
    return time.process_time() - start
