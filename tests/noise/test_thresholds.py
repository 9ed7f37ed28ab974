"""Thresholds follow each class's own distribution of confidences."""

import numpy as np
import pytest
import torch
from torch import Tensor

from segtrain.errors import ConfigError
from segtrain.noise.thresholds import (
    BINS,
    MOST_PIXELS,
    ClassThresholds,
    Threshold,
    agreement,
    class_rows,
    least,
    subsample,
)

BIN = 1 / BINS


def thresholds(kind: Threshold, level: float = 0.8, drop: float = 0.2, memory: float = 0.9) -> ClassThresholds:
    made = ClassThresholds(kind, level, drop, memory)
    made.attach(3)
    return made


def drawn(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Give confidences, classes and counted pixels; class 2 is rare and less sure than the others."""
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(2, 40, 50, generator=generator)
    classes = (uniform > 0.5).long() + (uniform > 0.95).long()
    sure = torch.rand(2, 40, 50, generator=generator) ** torch.tensor([0.1, 0.4, 2.0])[classes]
    return sure, classes, torch.rand(2, 40, 50, generator=generator) > 0.3


def test_fixed_is_the_same_for_all() -> None:
    assert (thresholds("fixed", level=0.7)(*drawn(0)) == 0.7).all()


def test_adaptive_is_relative_to_the_surest_class_and_fades() -> None:
    part = thresholds("adaptive", level=0.8, memory=0.5)
    batches = [drawn(0), drawn(1), drawn(2)]
    batches[0][0].mul_(torch.tensor([0.2, 1.0, 1.0])[batches[0][1]])  # class 0 was less sure then
    for batch in batches:
        given = part(*batch)
    sums, counts = np.zeros(3), np.zeros(3)
    for age, (sure, classes, counted) in zip((2, 1, 0), batches, strict=True):
        for value, c, counts_here in zip(sure.flatten(), classes.flatten(), counted.flatten(), strict=True):
            sums[c] += 0.5**age * float(value) * bool(counts_here)
            counts[c] += 0.5**age * bool(counts_here)
    mean = sums / counts
    expected = 0.8 * mean / mean.max()
    assert part.table()[:3].numpy() == pytest.approx(expected, abs=BIN)
    assert given.numpy() == pytest.approx(expected[batches[-1][1].numpy()], abs=BIN)
    assert expected[2] < 0.5 * expected[0]  # the rare class gets a threshold that it can reach


def test_percentile_is_the_quantile_of_each_class() -> None:
    part = thresholds("percentile", drop=0.3, memory=0.0)
    sure, classes, counted = drawn(0)
    table = part(sure, classes, counted)
    for c in range(3):
        of_class = sure[(classes == c) & counted].numpy()
        assert part.table()[c].item() == pytest.approx(np.quantile(of_class, 0.3), abs=2 * BIN + 2 / len(of_class))
        assert (of_class < part.table()[c].item()).mean() <= 0.3
    assert torch.equal(table, part.table()[classes])


@pytest.mark.parametrize("kind", ["fixed", "adaptive", "percentile"])
def test_the_kept_share_is_that_of_the_counted_pixels(kind: Threshold) -> None:
    part = thresholds(kind, level=0.5, memory=0.0)
    sure, classes, counted = drawn(0)
    given = part(sure, classes, counted)
    for c in range(3):
        reached = (sure >= given)[(classes == c) & counted].float().mean().item()
        assert part.kept()[c].item() == pytest.approx(reached, abs=0.02)
    assert (part.kept()[3:] == 0).all()


def test_pixels_that_do_not_count_teach_nothing() -> None:
    sure, classes, counted = drawn(0)
    part, other = thresholds("adaptive"), thresholds("adaptive")
    part(sure, classes, counted)
    other(torch.where(counted, sure, 1 - sure), classes, counted)
    assert torch.equal(part.histogram, other.histogram)


def test_a_class_that_is_gone_keeps_its_threshold() -> None:
    part = thresholds("adaptive")
    part(*drawn(0))
    before = part.table()
    sure, classes, counted = drawn(0)
    part(sure, classes, counted & (classes != 2))
    assert part.table()[2].item() == pytest.approx(before[2].item(), rel=1e-5)


def test_overlapping_classes_have_rows_of_their_own() -> None:
    classes = torch.tensor([0, 1]).repeat(2, 3, 8, 4)  # (B, K, H, W)
    assert class_rows(classes).unique().tolist() == [0, 1, 2, 3, 4, 5]
    sure = torch.where(class_rows(classes) == 3, 0.25, 1.0)
    part = thresholds("adaptive", level=1.0)
    given = part(sure, classes, torch.ones(2, 8, 8, dtype=torch.bool))
    assert part.table().numpy() == pytest.approx([1, 1, 1, 0.25, 1, 1], abs=2 * BIN)
    assert given[0, 1, 0].numpy() == pytest.approx([1, 0.25] * 4, abs=2 * BIN)


def test_statistics_look_at_a_part_of_a_large_batch_in_every_column() -> None:
    pixels = torch.arange(1024).expand(1024, 1024)
    seen = subsample(pixels)
    assert MOST_PIXELS / 2 < len(seen) <= MOST_PIXELS
    assert len(seen.unique()) == 1024
    assert torch.equal(subsample(pixels[:2]), pixels[:2].flatten())


def test_agreement_is_the_probability_of_a_hard_label() -> None:
    generator = torch.Generator().manual_seed(0)
    probs = torch.rand(2, 3, 4, 5, generator=generator).softmax(dim=1)
    label = torch.randint(3, (2, 4, 5), generator=generator)
    hard = torch.nn.functional.one_hot(label, 3).movedim(-1, 1).float()
    for b, h, w in np.ndindex(2, 4, 5):
        assert agreement(probs, hard)[b, h, w].item() == pytest.approx(probs[b, label[b, h, w], h, w].item(), abs=1e-6)
    assert agreement(probs, probs).min() > 1 - 1e-6


def test_a_pixel_is_worth_its_least_label() -> None:
    pixels = torch.tensor([[0.1, 0.9], [0.8, 0.3]]).view(1, 2, 1, 2)  # (B, K, H, W)
    assert least(pixels).view(-1).tolist() == pytest.approx([0.1, 0.3])
    assert torch.equal(least(pixels[0]), pixels[0])


def test_every_value_out_of_range_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        ClassThresholds("otsu", level=0.0, drop=1.0, memory=1.0)  # type: ignore[arg-type]
    assert len(error.value.faults) == 4
