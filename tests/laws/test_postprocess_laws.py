"""What holds of every post-processor in configs/postprocess."""

import importlib
import inspect
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from segtrain.postprocess import Pipeline

FOLDER = Path(__file__).parents[2] / "configs" / "postprocess"
CONFIGS = {path.stem: yaml.safe_load(path.read_text()) or {} for path in sorted(FOLDER.glob("*.yaml"))}
STEPS = {name: config[name] for name, config in CONFIGS.items() if config and name != "auto"}  # auto belongs to a run

SIZES = [(1, 1), (1, 9), (24, 24), (37, 50)]


def factory(node):
    module, name = node["_target_"].rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


def build(name):
    node = STEPS[name]
    return factory(node)(**{key: value for key, value in node.items() if key != "_target_"})


def maps(num_classes, size):
    """Probabilities of every kind: unsure, sure, empty, full, one pixel, a draw."""
    rng = np.random.default_rng(num_classes)
    yield "random", rng.dirichlet(np.full(num_classes, 0.5), size).transpose(2, 0, 1).astype(np.float32)
    yield "draw", np.full((num_classes, *size), 1 / num_classes, np.float32)
    masks = {"empty": np.zeros(size, int), "full": np.full(size, num_classes - 1), "one pixel": np.zeros(size, int)}
    masks["one pixel"][size[0] // 2, size[1] // 2] = 1
    masks["all but one"] = 1 - masks["one pixel"]
    masks["blocks"] = (np.indices(size).sum(0) // 7) % num_classes
    for name, mask in masks.items():
        hard = (np.arange(num_classes).reshape(-1, 1, 1) == mask).astype(np.float32)
        yield name, hard
        yield f"{name}, unsure", (0.7 * hard + 0.3 / num_classes).astype(np.float32)


def cases():
    for size in SIZES:
        for num_classes in (2, 5):
            for name, probs in maps(num_classes, size):
                yield f"{name} {probs.shape}", probs


def image_of(probs, channels=3):
    return np.random.default_rng(0).integers(0, 256, (*probs.shape[-2:], channels), dtype=np.uint8)


def assert_probabilities(result, probs, case):
    assert result.dtype == np.float32, case
    assert result.shape == probs.shape, case
    assert (result >= 0).all(), case
    np.testing.assert_allclose(result.sum(-3), 1, atol=1e-5, err_msg=case)


def test_options_are_there():
    assert {"none", "threshold", "morphology", "opening", "fill_holes", "edges", "contours", "refine"} <= set(CONFIGS)
    assert CONFIGS["none"] == {}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_file_is_one_key_of_its_own_name_after_a_comment(name):
    assert (FOLDER / f"{name}.yaml").read_text().startswith("# ")
    assert list(CONFIGS[name]) in ([], [name])


@pytest.mark.parametrize("name", STEPS)
def test_all_parameters_are_listed_with_their_defaults(name):
    parameters = inspect.signature(factory(STEPS[name])).parameters
    listed = {key: value for key, value in STEPS[name].items() if key != "_target_"}
    assert listed == {key: parameter.default for key, parameter in parameters.items()}
    built = build(name)
    assert {key: getattr(built, key) for key in listed} == listed


@pytest.mark.parametrize("name", STEPS)
def test_probabilities_stay_probabilities(name):
    step = build(name)
    for case, probs in cases():
        before, image = probs.copy(), image_of(probs)
        image_before = image.copy()
        assert_probabilities(step(probs, image), probs, f"{name}: {case}")
        assert np.array_equal(probs, before), f"{name} changes its input: {case}"
        assert np.array_equal(image, image_before), f"{name} changes the image: {case}"


@pytest.mark.parametrize("name", STEPS)
def test_read_only_and_strided_input(name):
    probs = next(maps(3, (24, 30)))[1]
    image = image_of(probs)
    expected = build(name)(probs, image)
    strided = np.ascontiguousarray(probs.transpose(1, 2, 0)).transpose(2, 0, 1)
    strided.setflags(write=False)
    assert np.array_equal(build(name)(strided, image), expected)


@pytest.mark.parametrize("name", STEPS)
def test_twice_is_once_where_claimed(name):
    step = build(name)
    assert isinstance(step.idempotent, bool)
    if not step.idempotent:
        pytest.skip(f"{name} does not claim it")
    for case, probs in cases():
        image = image_of(probs)
        once = step(probs, image)
        assert np.array_equal(step(once, image), once), f"{name}: {case}"


@pytest.mark.parametrize("name", STEPS)
def test_same_input_same_output(name):
    """To the bit, wherever in memory the input lies: a tie that is broken by chance would show in whole regions."""
    moved = []
    for case, probs in maps(3, (37, 50)):
        image = image_of(probs)
        expected = build(name)(probs, image)
        for size in (1, 100, 2000):
            moved.append(np.empty(size))
            assert np.array_equal(build(name)(probs.copy(), image.copy()), expected), f"{name}: {case}"


@pytest.mark.parametrize("name", STEPS)
def test_images_of_other_kinds(name):
    probs = next(maps(2, (24, 24)))[1]
    for image in (image_of(probs, 1), image_of(probs, 5).astype(np.uint16) * 200, image_of(probs).astype(np.float32)):
        assert_probabilities(build(name)(probs, image), probs, name)


@pytest.mark.parametrize("name", STEPS)
def test_overlapping_classes_through_the_pipeline(name):
    pipeline = Pipeline({name: build(name)})
    for size in SIZES:
        for case, probs in maps(2, size):
            both = np.stack([probs, probs[::-1], probs])  # (K, 2, H, W)
            result = pipeline(both, image_of(both))
            assert_probabilities(result, both, f"{name}: {case}")
            assert np.array_equal(result[0], pipeline(probs, image_of(probs))), f"{name}: {case}"


@pytest.mark.parametrize("first", STEPS)
@pytest.mark.parametrize("second", STEPS)
def test_any_order_composes(first, second):
    pipeline = Pipeline({"first": build(first), "second": build(second)})
    for num_classes in (2, 5):
        for case, probs in maps(num_classes, (24, 24)):
            assert_probabilities(pipeline(probs, image_of(probs)), probs, f"{first}, {second}: {case}")


EXTREMES = {
    "empty": lambda shape: np.zeros(shape, int),
    "full": lambda shape: np.ones(shape, int),
    "one pixel": lambda shape: (np.indices(shape) == np.reshape([5, 2], (2, 1, 1))).all(0).astype(int),
    "stripes": lambda shape: np.indices(shape)[1] // 50 % 2,
    "line": lambda shape: (np.indices(shape)[0] == shape[0] // 2).astype(int),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("shape", [(10, 10_000), (10_000, 3)])
def test_strips_of_ten_thousand_pixels(name, shape):
    step = build(name)
    for case, make in EXTREMES.items():
        probs = (0.8 * np.stack([1 - make(shape), make(shape)]) + 0.1).astype(np.float32)
        image = (200 * make(shape)[..., None] + np.zeros(3)).astype(np.uint8)
        start = time.thread_time()
        result = step(probs, image)
        assert time.thread_time() - start < 3, f"{name}: {case}"  # measured 0.2 s at most
        assert_probabilities(result, probs, f"{name}: {case}")
        if case in ("empty", "full"):
            assert np.array_equal(result.argmax(0), make(shape)), f"{name}: {case}"


@pytest.mark.parametrize("name", STEPS)
def test_nothing_known_stays_nothing_known(name):
    """An ignored pixel becomes uniform: an image of nothing else is no reason to make something up."""
    probs = np.full((4, 30, 40), 0.25, np.float32)
    for image in (image_of(probs), np.full((30, 40, 1), 9, np.uint16)):
        result = build(name)(probs, image)
        assert_probabilities(result, probs, name)
        assert not result.argmax(0).any(), name


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_speckle_does_not_explode_the_time(name, share):
    """Noise on a constant image, and a prediction that is noise, too: as many objects and outlines as there can be."""
    rng = np.random.default_rng(0)
    mask = rng.random((256, 256)) < share
    probs = (0.8 * np.stack([~mask, mask]) + 0.1).astype(np.float32)
    image = np.where(rng.random((256, 256, 1)) < share, 255, 90).astype(np.uint8)
    start = time.thread_time()
    result = build(name)(probs, image)
    assert time.thread_time() - start < 5, name  # measured 0.4 s at most
    assert_probabilities(result, probs, name)
