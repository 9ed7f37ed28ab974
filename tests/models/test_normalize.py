"""Normalisation against numpy, for every stored type."""

import numpy as np
import pytest
import torch

from segtrain.errors import ConfigError
from segtrain.models import Normalize

TYPES = {"uint8": 255, "uint16": 65535, "int32": 65535, "float32": 1, "float16": 1}


@pytest.fixture(params=TYPES)
def stored(request: pytest.FixtureRequest) -> np.ndarray:
    values = np.random.default_rng(0).random((2, 3, 6, 5)) * TYPES[request.param]
    return values.astype(request.param)


def test_image_gives_each_channel_mean_0_and_deviation_1(stored: np.ndarray) -> None:
    found = Normalize("image")(torch.from_numpy(stored))
    exact = stored.astype(np.float64)
    expected = (exact - exact.mean(axis=(2, 3), keepdims=True)) / exact.std(axis=(2, 3), keepdims=True)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_range_divides_by_the_types_greatest_value(stored: np.ndarray) -> None:
    found = Normalize("range")(torch.from_numpy(stored))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, stored.astype(np.float64) / TYPES[stored.dtype.name], rtol=1e-6)


def test_fixed_is_range_then_mean_and_std(stored: np.ndarray) -> None:
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    found = Normalize("fixed", mean=mean, std=std)(torch.from_numpy(stored))
    scaled = stored.astype(np.float64) / TYPES[stored.dtype.name]
    expected = (scaled - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("value", [0, 7, 255, 65535])
def test_a_constant_image_becomes_0(value: int) -> None:
    for image in (torch.full((1, 2, 33, 47), value, dtype=torch.int32), torch.full((1, 2, 33, 47), value / 7)):
        assert (Normalize("image")(image) == 0).all()
    assert (Normalize("image")(torch.full((1, 1, 1, 1), value)) == 0).all()


def test_a_faint_structure_far_from_0_keeps_its_form() -> None:
    image = 60000 + np.random.default_rng(0).integers(0, 3, (1, 1, 64, 64))
    found = Normalize("image")(torch.from_numpy(image.astype(np.uint16)))
    np.testing.assert_allclose(found, (image - image.mean()) / image.std(), atol=1e-4)


def test_the_image_itself_is_left_alone() -> None:
    image = torch.rand(1, 3, 8, 8)
    before = image.clone()
    for method in ("image", "range"):
        Normalize(method)(image)
    Normalize("fixed", mean=[0.5] * 3, std=[0.5] * 3)(image)
    assert torch.equal(image, before)


def test_only_fixed_has_a_state() -> None:
    assert list(Normalize("image").state_dict()) == []
    assert list(Normalize("fixed", mean=[0.5], std=[0.1]).state_dict()) == ["mean", "std"]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="'mean' and 'std' of Normalize must have one value for each channel, got 3 for images with 1"
    ):
        Normalize("fixed", mean=[0.5] * 3, std=[0.5] * 3)(torch.rand(1, 1, 4, 4))
    with pytest.raises(ConfigError, match="must be lists of one length"):
        Normalize("fixed", mean=[0.5, 0.5], std=[0.5])
    with pytest.raises(ConfigError, match="must be lists of one length"):
        Normalize("fixed")
    with pytest.raises(ConfigError, match="belong to method=fixed, got method=image"):
        Normalize("image", mean=[0.5])
    with pytest.raises(ConfigError, match="'std' of Normalize must be above 0"):
        Normalize("fixed", mean=[0.5], std=[0.0])
    with pytest.raises(ConfigError, match="must be image, range or fixed, got 'imagenet'"):
        Normalize("imagenet")  # type: ignore[arg-type]
