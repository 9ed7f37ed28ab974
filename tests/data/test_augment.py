"""Augmentation: decided by its seed alone, masks on their pixels, any dtype and depth."""

import inspect
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import yaml
from torch.utils.data import DataLoader, Dataset

from segtrain.data.augment import Augment
from segtrain.errors import ConfigError
from segtrain.types import IGNORE

GROUP = Path(__file__).parents[2] / "configs" / "augmentation"
LEVELS = sorted(path.stem for path in GROUP.glob("*.yaml"))
KINDS = [(np.uint8, 1), (np.uint8, 2), (np.uint8, 3), (np.uint8, 12), (np.uint16, 1), (np.uint16, 5), (np.float32, 4)]
ALL = {
    "flip": True, "rotate90": True, "rotate": 30.0, "scale": 0.3, "translate": 0.1, "distort": 0.3, "brightness": 0.3,
    "contrast": 0.3, "gamma": 0.3, "noise": 0.05, "blur": 1.5,
}  # fmt: skip
GEOMETRY = ("flip", "rotate90", "rotate", "scale", "translate", "distort")


def level(name):
    settings = yaml.safe_load((GROUP / f"{name}.yaml").read_text())
    assert settings.pop("_target_") == "segtrain.data.Augment"
    return Augment(**settings)


def only(knob):
    return Augment(chance=1.0, **{knob: ALL[knob]})


def sample(depth=3, dtype=np.uint8, size=64):
    rng = np.random.default_rng(0)
    mask = np.zeros((size, size), np.uint8)
    mask[10:34, 14:50] = 1
    mask[40:56, 30:44] = 2
    most = {np.uint8: 255, np.uint16: 4095, np.float32: 1}[dtype]
    image = 0.15 + 0.25 * mask[..., None] + 0.1 * rng.random((size, size, depth))
    return (image * most).astype(dtype), mask


@pytest.mark.parametrize("dtype_depth", KINDS, ids=lambda kind: f"{kind[0].__name__}x{kind[1]}")
@pytest.mark.parametrize("name", LEVELS)
class TestLevels:
    def test_shape_dtype_range_and_classes_stay(self, name, dtype_depth):
        image, mask = sample(dtype_depth[1], dtype_depth[0])
        augment = level(name)
        for seed in range(12):
            changed, (label, stack) = augment(image, [mask, np.stack([mask] * 3)], seed)
            assert changed.shape == image.shape
            assert changed.dtype == image.dtype
            assert np.isfinite(changed).all()
            assert changed.flags.c_contiguous
            assert label.flags.c_contiguous
            assert label.dtype == np.uint8
            assert set(np.unique(label)) <= {0, 1, 2, IGNORE}
            assert all(np.array_equal(plane, label) for plane in stack)

    def test_the_seed_alone_decides(self, name, dtype_depth):
        image, mask = sample(dtype_depth[1], dtype_depth[0])
        augment, other = level(name), level(name)
        first = [augment(image, [mask], seed) for seed in range(6)]
        second = [other(image, [mask], seed) for seed in (5, 4, 3, 2, 1, 0)][::-1]
        for (image_1, (mask_1,)), (image_2, (mask_2,)) in zip(first, second, strict=True):
            assert np.array_equal(image_1, image_2)
            assert np.array_equal(mask_1, mask_2)
        if name != "none":
            assert len({image.tobytes() for image, _ in first}) >= 4

    def test_input_is_not_changed(self, name, dtype_depth):
        image, mask = sample(dtype_depth[1], dtype_depth[0])
        before = image.copy(), mask.copy()
        augment = level(name)
        for seed in range(6):
            augment(image, [mask], seed)
        assert np.array_equal(image, before[0])
        assert np.array_equal(mask, before[1])


@pytest.mark.parametrize("name", LEVELS)
def test_the_config_lists_every_knob(name):
    settings = yaml.safe_load((GROUP / f"{name}.yaml").read_text())
    knobs = {key: parameter.default for key, parameter in inspect.signature(Augment).parameters.items()}
    assert set(settings) == {"_target_", *knobs}
    if name == "none":
        assert settings == {"_target_": "segtrain.data.Augment", **knobs}


class Augmented(Dataset):
    """Eight samples, each augmented from its own number."""

    def __init__(self):
        self.augment = level("strong")

    def __len__(self):
        return 8

    def __getitem__(self, index):
        image, (mask,) = self.augment(*[sample()[0], [sample()[1]]], seed=1000 + index)
        return image, mask


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_change_nothing(start):
    data = Augmented()
    plain = [data[index] for index in (3, 1, 0, 2, 7, 6, 5, 4)]
    loader = DataLoader(
        data,
        batch_size=None,
        num_workers=2,
        sampler=[3, 1, 0, 2, 7, 6, 5, 4],
        multiprocessing_context=multiprocessing.get_context(start),
    )
    for (image, mask), (image_here, mask_here) in zip(loader, plain, strict=True):
        assert np.array_equal(image, image_here)
        assert np.array_equal(mask, mask_here)


def test_nothing_is_changed_by_none():
    image, mask = sample(5, np.float32)
    changed, (label,) = level("none")(image, [mask], seed=3)
    assert np.array_equal(changed, image)
    assert np.array_equal(label, mask)


@pytest.mark.parametrize("knob", ALL)
def test_each_knob_changes_what_it_says(knob):
    image, mask = sample()
    augment = only(knob)
    changed = [augment(image, [mask], seed) for seed in range(20)]
    assert any(not np.array_equal(new, image) for new, _ in changed)
    assert any(not np.array_equal(label, mask) for _, (label,) in changed) == (knob in GEOMETRY)


@pytest.mark.parametrize("knob", GEOMETRY)
@pytest.mark.parametrize("dtype_depth", KINDS, ids=lambda kind: f"{kind[0].__name__}x{kind[1]}")
def test_masks_stay_on_their_pixels(knob, dtype_depth):
    dtype, depth = dtype_depth
    mask = sample()[1]
    image = np.repeat(mask[..., None] * 100, depth, axis=2).astype(dtype)
    augment = only(knob)
    agreement = []
    for seed in range(30):
        moved, (label,) = augment(image, [mask], seed)
        seen = np.digitize(moved.astype(float), [50, 150])
        inside = label != IGNORE
        agreement.append((seen == label[..., None])[inside].mean())
    assert np.mean(agreement) > 0.985
    assert min(agreement) > 0.95


def test_flips_and_quarter_turns_come_in_all_combinations():
    """Under albumentations' own set_random_seed both flips come together or not at all."""
    image = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)

    def seen(seeds, **knobs):
        augment = Augment(**knobs)
        return [augment(image, [], seed)[0].tobytes() for seed in range(seeds)]

    flips = seen(400, flip=True)
    expected = {image[::down, ::right].tobytes() for down in (1, -1) for right in (1, -1)}
    assert set(flips) == expected
    assert all(abs(flips.count(one) - 100) < 4 * np.sqrt(400 * 0.25 * 0.75) for one in expected)
    assert len(set(seen(60, rotate90=True))) == 4
    assert len(set(seen(200, flip=True, rotate90=True))) == 8


def test_what_has_an_up_keeps_it():
    image, mask = np.arange(8 * 6 * 1, dtype=np.uint8).reshape(8, 6, 1), np.arange(48, dtype=np.uint8).reshape(8, 6)
    seen = {Augment(flip="horizontal")(image, [mask], seed)[1][0].tobytes() for seed in range(40)}
    assert seen == {mask.tobytes(), mask[:, ::-1].tobytes()}


def test_an_oblong_image_turns_with_its_mask():
    image = np.arange(24, dtype=np.uint8).reshape(4, 6, 1)
    augment = Augment(rotate90=True)
    for seed in range(12):
        turned, (label,) = augment(image, [image[..., 0]], seed)
        assert any(np.array_equal(label, np.rot90(image[..., 0], turn)) for turn in range(4))
        assert np.array_equal(turned[..., 0], label)


def test_flips_are_exact_for_every_dtype():
    for dtype, depth in KINDS:
        image, mask = sample(depth, dtype)
        flips = [(image[::down, ::right], mask[::down, ::right]) for down in (1, -1) for right in (1, -1)]
        for seed in range(8):
            changed, (label,) = Augment(flip=True)(image, [mask], seed)
            assert any(np.array_equal(changed, one) and np.array_equal(label, other) for one, other in flips)


def test_what_comes_from_outside_is_mirrored_and_ignored():
    image, mask = np.full((64, 64, 1), 90, np.uint8), np.ones((64, 64), np.uint8)
    augment = Augment(rotate=45.0, chance=1.0)
    labels = []
    for seed in range(10):
        changed, (label,) = augment(image, [mask], seed)
        assert (np.abs(changed.astype(int) - 90) <= 1).all()
        labels.append(label)
    assert any((label == IGNORE).any() for label in labels)
    assert set(np.unique(labels)) == {1, IGNORE}


def test_brightness_and_contrast_keep_to_their_limits():
    image = np.full((32, 32, 1), 100, np.uint8)
    augment = Augment(brightness=0.2, chance=1.0)
    changes = np.array([augment(image, [], seed)[0].mean() - 100 for seed in range(300)])
    assert np.abs(changes).max() <= 0.2 * 255 + 1
    assert np.abs(changes).max() > 0.18 * 255
    assert abs(changes.mean()) < 4 * 0.2 * 255 / np.sqrt(3 * 300)


def test_chance_is_the_share_of_images_changed():
    image, mask = sample()
    augment = Augment(blur=1.5, chance=0.3)
    same = sum(np.array_equal(augment(image, [mask], seed)[0], image) for seed in range(300))
    assert abs(same - 210) < 4 * np.sqrt(300 * 0.3 * 0.7) + 25  # the slightest blurs change nothing


@pytest.mark.parametrize(("dtype", "depth"), [(np.uint16, 2), (np.float32, 2)])
def test_each_channel_has_its_own_range(dtype, depth):
    """A 12-bit channel beside a 16-bit one, or reflectance beside height: both are changed, neither is flattened."""
    rng = np.random.default_rng(0)
    image = (rng.random((32, 32, depth)) * [40, 60000] + 100).astype(dtype)
    augment = Augment(contrast=0.3, chance=1.0)
    for seed in range(10):
        changed, _ = augment(image, [], seed)
        for channel in range(depth):
            correlation = np.corrcoef(changed[..., channel].ravel(), image[..., channel].ravel())[0, 1]
            assert correlation > 0.97
            assert changed[..., channel].min() >= image[..., channel].min() - 1
            assert changed[..., channel].max() <= image[..., channel].max() + 1
    assert not np.array_equal(changed, image)


def test_a_constant_image_stays_finite():
    for dtype in (np.uint8, np.uint16, np.float32):
        changed, _ = level("strong")(np.full((32, 32, 2), 7, dtype), [], seed=1)
        assert np.isfinite(changed).all()
        assert abs(float(changed.mean()) - 7) < 90


def test_values_out_of_range_are_refused_all_at_once():
    with pytest.raises(ConfigError) as caught:
        Augment(rotate=-3, noise=2, chance=0)
    assert len(caught.value.faults) == 3
    assert "The 'noise' of Augment must be in [0, 1], got 2" in str(caught.value)
