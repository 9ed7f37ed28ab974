"""Prediction of images of any size, against a plain loop over windows; and its memory."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from segtrain.errors import ConfigError
from segtrain.models import predict_each, predict_probs, stream_probs

SIZES = [(1, 1), (1, 300), (300, 1), (24, 24), (31, 33), (64, 64), (65, 64), (100, 257), (200, 40)]


def pointwise(image: Tensor) -> Tensor:
    """Give the same answer for a pixel wherever its window lies."""
    assert image.shape[-2] % 32 == image.shape[-1] % 32 == 0
    return torch.cat([image, 1 - image], dim=1)


def overlapping(image: Tensor) -> Tensor:
    return torch.stack([pointwise(image), 1 - pointwise(image)], dim=2)


def of_the_window(image: Tensor) -> Tensor:
    """Give an answer that differs from window to window and from pixel to pixel in it."""
    rows, columns = torch.meshgrid(torch.arange(image.shape[-2]), torch.arange(image.shape[-1]), indexing="ij")
    first = (
        0.5 * image.mean(dim=(-2, -1), keepdim=True) + 0.3 * torch.sin(0.1 * rows) * torch.cos(0.2 * columns)
    ).abs()
    return torch.cat([first, 1 - first], dim=1)


@pytest.mark.parametrize("predict", [pointwise, overlapping])
@pytest.mark.parametrize("size", SIZES)
def test_where_windows_agree_the_answer_is_theirs(predict, size: tuple[int, int]) -> None:
    image = torch.rand(2, 1, *size)
    found = predict_probs(predict, image, window=64)
    padded = torch.zeros(2, 1, 320, 320)
    padded[..., : size[0], : size[1]] = image
    torch.testing.assert_close(found, predict(padded)[..., : size[0], : size[1]])


def naive(image: Tensor, window: int, overlap: float) -> np.ndarray:
    """Sum of windows x Gaussian over sum of Gaussians, as nnU-Net's compute_steps_for_sliding_window lays them out."""

    def starts(size: int) -> np.ndarray:
        steps = int(np.ceil((size - window) / (window * (1 - overlap)))) + 1
        return np.round(np.linspace(0, size - window, steps)).astype(int) if steps > 1 else np.zeros(1, int)

    _, _, height, width = image.shape
    centre, sigma = (window - 1) / 2, window / 8
    total, weights = np.zeros((2, height, width)), np.zeros((height, width))
    rows, columns = np.mgrid[:window, :window]
    gaussian = np.exp(-((rows - centre) ** 2 + (columns - centre) ** 2) / (2 * sigma**2))
    for top in starts(height):
        for left in starts(width):
            at = np.s_[..., top : top + window, left : left + window]
            total[at] += of_the_window(image[at])[0].double().numpy() * gaussian
            weights[at] += gaussian
    return total / weights


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.7])
@pytest.mark.parametrize("size", [(64, 65), (150, 64), (131, 203)])
@pytest.mark.parametrize("batch", [1, 3])
def test_windows_are_averaged_by_a_gaussian(size: tuple[int, int], overlap: float, batch: int) -> None:
    image = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    found = predict_probs(of_the_window, image, window=64, overlap=overlap, batch=batch)
    np.testing.assert_allclose(found[0], naive(image, 64, overlap), atol=1e-5)


@pytest.mark.parametrize("size", [*SIZES, (131, 203)])
def test_strips_are_the_whole_in_order(size: tuple[int, int]) -> None:
    image = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    strips = list(stream_probs(of_the_window, image[0], window=64))
    heights = [strip.shape[-2] for _, strip in strips]
    assert [top for top, _ in strips] == list(np.cumsum([0, *heights[:-1]]))
    whole = torch.cat([strip for _, strip in strips], dim=-2)
    torch.testing.assert_close(whole, predict_probs(of_the_window, image, window=64)[0], atol=1e-5, rtol=0)


def test_probabilities_stay_probabilities() -> None:
    probs = predict_probs(of_the_window, torch.rand(1, 1, 131, 203), window=64)
    assert probs.dtype == torch.float32
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(1, 131, 203))


def test_half_precision_answers_are_averaged_in_fp32() -> None:
    probs = predict_probs(lambda image: pointwise(image).half(), torch.rand(1, 1, 100, 200), window=64)
    assert probs.dtype == torch.float32


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (20, 40), (40, 20)])
def test_padding_is_numpys_reflection(size: tuple[int, int]) -> None:
    image = torch.rand(1, 2, *size)
    seen = []
    predict_probs(lambda view: (seen.append(view), view)[1], image, window=64)
    bottom, right = -size[0] % 32, -size[1] % 32
    expected = np.pad(image.numpy(), ((0, 0), (0, 0), (0, bottom), (0, right)), mode="reflect")
    np.testing.assert_array_equal(seen[0], expected)


def test_no_gradient_is_kept_and_batches_are_bounded() -> None:
    weight = torch.ones((), requires_grad=True)
    counts = []

    def predict(view: Tensor) -> Tensor:
        counts.append(len(view))
        return pointwise(view) * weight

    assert not predict_probs(predict, torch.rand(5, 1, 40, 40), window=64, batch=2).requires_grad
    assert counts == [2, 2, 1]
    predict_probs(predict, torch.rand(1, 1, 40, 200), window=64, batch=2)
    assert counts[3:] == [2, 2, 2]  # six windows at most half a window apart


def test_what_cannot_be_is_refused() -> None:
    image = torch.zeros(1, 1, 8, 8)
    with pytest.raises(ConfigError, match="'window' of a prediction must be a multiple of 32 pixels, got 100"):
        predict_probs(pointwise, image, window=100)
    with pytest.raises(ConfigError, match=r"'overlap' .* in \[0, 1\), got 1"):
        predict_probs(pointwise, image, window=64, overlap=1.0)
    with pytest.raises(ConfigError, match=r"'batch' .* at least 1, got 0"):
        next(stream_probs(pointwise, image[0], window=64, batch=0))


def peak_megabytes(height: int) -> float:
    """Stream an image that takes no memory itself, and give how far the process grew meanwhile."""
    image = torch.zeros(1, 1, 1).expand(1, height, 1024)
    Path("/proc/self/clear_refs").write_text("5")  # forget the greatest size so far
    before = resident("VmRSS")
    for _ in stream_probs(pointwise, image, window=256, overlap=0.25):
        pass
    return resident("VmHWM") - before


def resident(key: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) / 1024


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the process's peak memory is read from Linux's /proc"
)
def test_memory_does_not_grow_with_the_height() -> None:
    peak_megabytes(512)  # the allocator's own first growth
    low, high = peak_megabytes(1024), peak_megabytes(16384)
    whole = 2 * 1024 * 16384 * 4 / 2**20  # the answer alone, in MiB
    assert high < low + 0.15 * whole
    assert high < 0.5 * whole


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 10000), (10000, 33), (10000, 10000)])
def test_ten_thousand_pixels(size: tuple[int, int]) -> None:
    image = torch.rand(1, *size)
    rows = 0
    for top, strip in stream_probs(pointwise, image, window=1024, overlap=0.25):
        torch.testing.assert_close(strip[:1], image[:, top : top + strip.shape[-2]])
        rows += strip.shape[-2]
    assert rows == size[0]


def test_images_of_many_sizes_are_predicted_together_as_they_would_be_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = [(20, 30), (96, 96), (17, 31), (40, 90), (130, 50), (1, 1)]
    images = [torch.rand(1, *size, generator=generator) for size in sizes]
    asked: list[int] = []

    def predict(image: Tensor) -> Tensor:
        asked.append(len(image))
        return torch.cat([image, 1 - image], dim=1) * image.mean(dim=(-2, -1), keepdim=True)

    together = predict_each(predict, images, window=96)
    assert max(asked) > 1
    for image, probs in zip(images, together, strict=True):
        assert torch.allclose(probs, predict_probs(predict, image[None], window=96)[0], atol=1e-6)
