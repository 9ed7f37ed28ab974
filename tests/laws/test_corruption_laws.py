"""Laws that every simulated mistake obeys: each runs over every option of configs/corruption."""

import inspect
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra.utils import instantiate

from segtrain.errors import ConfigError
from segtrain.types import IGNORE

GROUP = Path(__file__).parents[2] / "configs" / "corruption"
OPTIONS = sorted(path.stem for path in GROUP.glob("*.yaml"))
CLASSES = 4


def read(option):
    return yaml.safe_load((GROUP / f"{option}.yaml").read_text()) or {}


def nodes(tree):
    """Every part of a config that has a `_target_`."""
    if isinstance(tree, dict):
        if "_target_" in tree:
            yield tree
        for value in tree.values():
            yield from nodes(value)


def built(option, **override):
    tree = read(option)
    for node in nodes(tree):
        node.update({key: value for key, value in override.items() if key in node})
    chain = {"_target_": "segtrain.data.CorruptionChain", "steps": tree}
    return instantiate(chain, _convert_="all")


def scene(shape=(64, 72), seed=0):
    """Rectangles of several classes, some of which touch, cut by the border, and with ignored pixels."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, np.uint8)
    for number in range(14):
        top, left = rng.integers(-4, shape[0]), rng.integers(-4, shape[1])
        rows, columns = slice(max(0, top), top + rng.integers(5, 14)), slice(max(0, left), left + rng.integers(5, 14))
        mask[rows, columns] = number % (CLASSES - 1) + 1
    mask[rng.random(shape) < 0.03] = IGNORE
    return mask


def planes(seed=0):
    rng = np.random.default_rng(seed)
    stack = np.stack([scene(seed=seed + number) for number in range(3)])
    stack[stack != IGNORE] = stack[stack != IGNORE] > 0
    stack[:, rng.random(stack.shape[1:]) < 0.02] = IGNORE
    return stack


def apply(option, mask, seed=0, **override):
    return built(option, **override)(mask, CLASSES, np.random.default_rng(seed))


@pytest.mark.parametrize("option", OPTIONS)
def test_one_key_of_its_own_name(option):
    assert list(read(option)) == ([] if option == "none" else [option])
    assert (GROUP / f"{option}.yaml").read_text().startswith("# ")


@pytest.mark.parametrize("option", OPTIONS)
def test_lists_every_parameter_with_its_default(option):
    for node in nodes(read(option)):
        module, name = node.pop("_target_").rsplit(".", 1)
        constructor = getattr(import_module(module), name)
        assert set(node) == set(inspect.signature(constructor).parameters)
        if "steps" not in node and option != "mixed":
            plain = constructor()
            assert node == {key: getattr(plain, key) for key in node}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("stack", [False, True], ids=["exclusive", "overlapping"])
@pytest.mark.parametrize("option", OPTIONS)
class TestLaws:
    def test_shape_dtype_and_classes_stay(self, option, stack, seed):
        mask = planes(seed) if stack else scene(seed=seed)
        changed = apply(option, mask, seed)
        assert changed.shape == mask.shape
        assert changed.dtype == np.uint8
        assert set(np.unique(changed)) <= ({0, 1, IGNORE} if stack else {*range(CLASSES), IGNORE})

    def test_ignored_pixels_stay(self, option, stack, seed):
        mask = planes(seed) if stack else scene(seed=seed)
        assert np.array_equal(apply(option, mask, seed) == IGNORE, mask == IGNORE)

    def test_input_is_not_changed(self, option, stack, seed):
        mask = planes(seed) if stack else scene(seed=seed)
        before = mask.copy()
        changed = apply(option, mask, seed)
        assert np.array_equal(mask, before)
        assert not np.shares_memory(changed, mask)

    def test_same_rng_same_mask(self, option, stack, seed):
        mask = planes(seed) if stack else scene(seed=seed)
        assert np.array_equal(apply(option, mask, seed), apply(option, mask, seed))

    def test_rate_0_is_identity(self, option, stack, seed):
        mask = planes(seed) if stack else scene(seed=seed)
        assert np.array_equal(apply(option, mask, seed, rate=0.0), mask)

    def test_rate_1_changes_something(self, option, stack, seed):
        mask = planes(seed) if stack else scene(seed=seed)
        assert np.array_equal(apply(option, mask, seed, rate=1.0), mask) == (option == "none")

    def test_another_rng_another_mask(self, option, stack, seed):
        mask = planes(seed) if stack else scene(seed=seed)
        others = [apply(option, mask, other) for other in range(8)]
        same = all(np.array_equal(other, others[0]) for other in others)
        assert same == (option == "none")


@pytest.mark.parametrize("per", ["sample", "object"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (24, 24)])
@pytest.mark.parametrize("option", OPTIONS)
def test_empty_full_and_tiny_masks_survive(option, shape, per):
    lone = np.zeros(shape, np.uint8)
    lone[shape[0] // 2, shape[1] // 2] = 2
    corner = np.zeros(shape, np.uint8)
    corner[-1, -1] = 1
    ignored = np.full(shape, IGNORE, np.uint8)
    for mask in (np.zeros(shape, np.uint8), np.full(shape, 3, np.uint8), lone, corner, ignored):
        for seed in range(3):
            changed = apply(option, mask, seed, rate=1.0, per=per)
            assert changed.shape == mask.shape
            assert set(np.unique(changed)) <= {*range(CLASSES), IGNORE}
        stack = np.stack([np.where(mask == IGNORE, IGNORE, mask > 0).astype(np.uint8)] * 2)
        assert apply(option, stack, rate=1.0, per=per).shape == stack.shape


@pytest.mark.parametrize("option", OPTIONS)
def test_binary_planes_are_corrupted_as_binary_masks(option):
    """An object of one plane never reaches another plane, except where it is moved there on purpose."""
    stack = np.zeros((2, 40, 40), np.uint8)
    stack[0, 12:26, 12:26] = 1
    changed = apply(option, stack, rate=1.0)
    moved = changed[1].any()
    assert moved == (option in ("swap_class", "class_flip"))


@pytest.mark.parametrize("option", [option for option in OPTIONS if option != "none"])
@pytest.mark.parametrize("override", [{"rate": 1.5}, {"rate": -0.1}, {"per": "nobody"}])
def test_values_out_of_range_are_refused(option, override):
    with pytest.raises(Exception, match=next(iter(override))) as caught:
        built(option, **override)
    assert isinstance(caught.value.__cause__ or caught.value, ConfigError)
