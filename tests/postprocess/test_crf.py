"""The fully connected CRF against sums over all pairs of pixels, against the authors' code, and on known objects."""

import sys

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from segtrain.errors import ConfigError
from segtrain.postprocess import Crf

NEAR = {"bilateral_sigma": 8.0, "colour_sigma": 30.0, "spatial_weight": 1.0, "bilateral_weight": 2.0}


def natural(size=(24, 30), channels=3, seed=0, sigma=3.0):
    """An image (H, W, D) uint8 that uses all of its range."""
    rng = np.random.default_rng(seed)
    image = np.stack([gaussian_filter(rng.normal(size=size), sigma) for _ in range(channels)], axis=-1)
    return ((image - image.min()) / np.ptp(image) * 255).round().astype(np.uint8)


def unsure(size=(24, 30), num_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(num_classes), size).transpose(2, 0, 1).astype(np.float32)


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def over_all_pairs(crf, probs, image):
    """Mean field with every kernel a table of all pairs (N, N)."""
    num_classes, height, width = probs.shape
    place = np.stack(np.mgrid[:height, :width], axis=-1).reshape(-1, 2).astype(float)
    colour = image.reshape(len(place), -1).astype(float)
    near, alike = (((f[:, None] - f[None]) ** 2).sum(-1) / 2 for f in (place, colour))
    exponents = [
        (crf.spatial_weight, near / crf.spatial_sigma**2),
        (crf.bilateral_weight, near / crf.bilateral_sigma**2 + alike / crf.colour_sigma**2),
    ]
    kernel = np.zeros_like(near)
    for weight, exponent in exponents:
        table = np.exp(-exponent)
        sums = table.sum(1)
        kernel += weight * table / {
            "symmetric": np.sqrt(np.outer(sums, sums)), "before": sums[None], "after": sums[:, None]
        }[crf.normalization]  # fmt: skip
    penalty = 1 - np.eye(num_classes) if crf.compatibility is None else np.array(crf.compatibility)
    log_probs = np.log(np.maximum(probs, crf.min_prob)).reshape(num_classes, -1).T.astype(float)
    refined = softmax(log_probs)
    for _ in range(crf.iterations):
        refined = softmax(log_probs - kernel @ refined @ penalty)
    return refined.T.reshape(probs.shape)


@pytest.mark.parametrize(
    "options",
    [
        {"bilateral_weight": 0.0},
        NEAR | {"spatial_weight": 0.0},
        NEAR,
        NEAR | {"iterations": 1, "normalization": "before"},
        NEAR | {"normalization": "after", "bilateral_sigma": 20.0},
        NEAR | {"compatibility": [[0, 1, 3], [1, 0, 0.5], [3, 0.5, 0]], "min_prob": 0.05},
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_near_the_sums_over_all_pairs(options, channels):
    probs, image, crf = unsure(), natural(channels=channels), Crf(**options)
    result, expected = crf(probs, image), over_all_pairs(crf, probs, image)
    assert np.abs(result - expected).max() < 0.06
    assert np.abs(result - expected).mean() < 0.005
    assert (result.argmax(0) == expected.argmax(0)).mean() > 0.98
    assert (expected.argmax(0) == probs.argmax(0)).mean() < 0.97


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"iterations": 10, "spatial_sigma": 1.5, "bilateral_sigma": 30.0, "min_prob": 0.1},
        {"normalization": "before"},
        {"normalization": "after", "bilateral_weight": 0.0},
        {"normalization": "none", "spatial_weight": 0.05, "bilateral_weight": 0.002},
        NEAR | {"compatibility": [[0, 1, 3], [1, 0, 0.5], [3, 0.5, 0]]},
    ],
)
def test_as_the_authors_code(options):
    pytest.importorskip("pydensecrf", reason="pip install pydensecrf2")
    probs, image = unsure((70, 90)), natural((70, 90), sigma=4.0)
    ours, theirs = Crf(**options)(probs, image), Crf(**options, backend="pydensecrf")(probs, image)
    assert (ours.argmax(0) == theirs.argmax(0)).mean() > 0.995
    assert np.abs(ours - theirs).mean() < 1e-3
    assert (theirs.argmax(0) == probs.argmax(0)).mean() < 0.97


def test_the_parameters_are_those_of_pydensecrf():
    densecrf = pytest.importorskip("pydensecrf.densecrf", reason="pip install pydensecrf2")
    probs, image = unsure((70, 90)), natural((70, 90), sigma=4.0)
    crf = densecrf.DenseCRF2D(90, 70, 3)
    crf.setUnaryEnergy(np.ascontiguousarray(-np.log(np.maximum(probs.reshape(3, -1), 1e-5))))
    crf.addPairwiseGaussian(sxy=3, compat=3)
    crf.addPairwiseBilateral(sxy=80, srgb=13, rgbim=np.ascontiguousarray(image), compat=10)
    expected = np.array(crf.inference(5)).reshape(probs.shape)
    for backend in ("torch", "pydensecrf"):
        result = Crf(backend=backend)(probs, image)
        assert (result.argmax(0) == expected.argmax(0)).mean() > 0.995
        assert np.abs(result - expected).mean() < 1e-3


def test_a_disc_is_found_again():
    rows, columns = np.mgrid[:80, :80]
    disc = np.hypot(rows - 38, columns - 43) < 22
    rng = np.random.default_rng(0)
    grey = np.where(disc, 150, 90) + rng.normal(0, 4, disc.shape)
    image = grey.round().clip(0, 255).astype(np.uint8)[..., None]
    believed = np.where(np.roll(disc, 5, axis=1), 0.7, 0.3) + rng.normal(0, 0.15, disc.shape)
    foreground = believed.clip(0.02, 0.98).astype(np.float32)
    probs = np.stack([1 - foreground, foreground])
    assert (probs.argmax(0) == disc).mean() < 0.9
    assert (Crf(bilateral_sigma=20.0)(probs, image).argmax(0) == disc).mean() > 0.995


def test_pixels_alike_agree_and_a_constant_image_is_smoothed():
    probs = unsure((40, 40), 4)
    result = Crf()(probs, np.full((40, 40, 3), 7, np.uint8))
    assert np.isfinite(result).all()
    assert len(np.unique(result.argmax(0))) < 4


def test_potts_is_a_penalty_of_one():
    probs, image = unsure(), natural()
    table = (1 - np.eye(3)).tolist()
    np.testing.assert_allclose(Crf()(probs, image), Crf(compatibility=table)(probs, image), atol=1e-4)


def test_many_classes_and_few_are_one_formula():
    probs = unsure(num_classes=20)
    probs[3:] *= 1e-12  # below the least probability
    few, many = Crf(**NEAR)(probs[:3], natural()), Crf(**NEAR)(probs, natural())
    assert (few.argmax(0) == many.argmax(0)).mean() > 0.99


def test_a_batch_is_its_images_one_by_one():
    probs, images = [unsure(seed=n) for n in range(3)], [natural(seed=n) for n in range(3)]
    colours = torch.tensor(np.stack(images)).permute(0, 3, 1, 2).float()
    together = Crf().refine(torch.tensor(np.stack(probs)), colours)
    for result, one, image in zip(together, probs, images, strict=True):
        np.testing.assert_allclose(result, Crf()(one, image), atol=1e-5)


def test_number_types_are_brought_to_one_scale():
    probs, image = unsure(), natural()
    first = Crf()(probs, image.astype(np.uint16) * 16 + 1000)
    np.testing.assert_allclose(first, Crf()(probs, image.astype(np.float32) / 255), atol=1e-3)
    np.testing.assert_allclose(first, Crf()(probs, image.astype(np.float64) * 1e6), atol=1e-3)
    outlier = image.astype(np.uint16)
    outlier[0, 0] = 65535  # a hot pixel
    assert (Crf()(probs, outlier).argmax(0) == first.argmax(0)).mean() > 0.98
    spread = np.where(image < 128, 0, 255).astype(np.uint8)  # is its own stretch
    np.testing.assert_allclose(Crf()(probs, spread), Crf()(probs, spread.astype(np.float32)), atol=1e-5)


def test_all_faults_at_once():
    with pytest.raises(ConfigError) as raised:
        Crf(
            spatial_sigma=0, bilateral_sigma=-1, colour_sigma=float("nan"), spatial_weight=-1, iterations=0, min_prob=0,
            normalization="both", backend="numpy", device="gpu", max_gigabytes=0, compatibility=[[0, 1], [2, 0]],
        )  # fmt: skip
    told = str(raised.value)
    assert told.count("\n") == 12
    for key in ("spatial_sigma", "bilateral_sigma", "colour_sigma", "spatial_weight", "iterations", "min_prob"):
        assert f"'{key}'" in told
    assert "symmetric, before, after, none" in told
    assert "torch, pydensecrf" in told
    assert "symmetric table" in told


@pytest.mark.parametrize("rows", [[[0, 1]], [[0, 1, 2], [1, 0, 2]], [[0], [1]], []])
def test_a_compatibility_is_a_square_table(rows):
    with pytest.raises(ConfigError, match="C rows of C numbers"):
        Crf(compatibility=rows)


def test_without_a_kernel_there_is_nothing_to_do():
    with pytest.raises(ConfigError, match="both are 0"):
        Crf(spatial_weight=0.0, bilateral_weight=0.0)


def test_refuses_other_classes_and_images_too_large():
    with pytest.raises(ConfigError, match="row for each of the 3 classes, got 2"):
        Crf(compatibility=[[0, 1], [1, 0]])(unsure(), natural())
    probs, image = np.zeros((2, 4000, 4000), np.float32), np.zeros((4000, 4000, 3), np.uint8)
    with pytest.raises(ConfigError, match=r"4000 x 4000 pixels and 2 classes needs about 15.3 GB"):
        Crf()(probs, image)


def test_says_how_to_install_pydensecrf(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    with pytest.raises(ConfigError, match="pip install pydensecrf2"):
        Crf(backend="pydensecrf")(unsure(), natural())


def test_pydensecrf_is_not_imported_by_default():
    assert "pydensecrf" not in vars(sys.modules[Crf.__module__])
