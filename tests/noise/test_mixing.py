"""Blending and pasting treat image, target and weight alike."""

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import beta, kstest

from segtrain.losses import BinaryCrossEntropy, CrossEntropy
from segtrain.noise.mixing import beta_shares, blend, paste, shuffled
from segtrain.types import IGNORE, to_probs
from tests.noise.batches import batch_of, random_labels, same


def test_under_cross_entropy_a_blend_is_the_blend_of_both_losses() -> None:
    """lambda CE(first) + (1 - lambda) CE(second), ignored pixels of either left out, by torch's own loss on indices."""
    labels = random_labels(2, 4, 9, 7, ignored=0.2)
    first, second = batch_of(labels[0]), batch_of(labels[1])
    share = torch.tensor([0.9, 0.5, 0.0, 1.0])
    logits = torch.randn(4, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    mixed = blend(first, second, share)
    losses = torch.stack(
        [F.cross_entropy(logits, label.long(), ignore_index=IGNORE, reduction="none") for label in labels]
    )
    shares = torch.stack([share, 1 - share]).view(2, 4, 1, 1)
    expected = (shares * losses).sum() / (shares * (labels != IGNORE)).sum()
    torch.testing.assert_close(CrossEntropy()(logits, mixed.target, mixed.weight), expected)


def test_of_overlapping_classes_too() -> None:
    planes = random_labels(2, 2, 3, 6, 5, num_classes=2)
    first, second = batch_of(planes[0]), batch_of(planes[1])
    share = torch.tensor([0.7, 0.2])
    logits = torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(1))  # one sigmoid for each class
    mixed = blend(first, second, share)
    losses = [F.binary_cross_entropy_with_logits(logits, label.float(), reduction="none") for label in planes]
    expected = (share.view(2, 1, 1, 1) * losses[0] + (1 - share).view(2, 1, 1, 1) * losses[1]).mean()
    pairs = torch.stack([torch.zeros_like(logits), logits], dim=2)
    torch.testing.assert_close(BinaryCrossEntropy()(pairs, mixed.target, mixed.weight), expected)


def test_trust_between_0_and_1_weighs_each_target() -> None:
    first, second = batch_of(torch.zeros(1, 1, 1).byte()), batch_of(torch.ones(1, 1, 1).byte())
    first, second = (
        first._replace(weight=torch.full((1, 1, 1), 0.2)),
        second._replace(weight=torch.full((1, 1, 1), 0.6)),
    )
    mixed = blend(first, second, torch.tensor([0.75]))
    assert mixed.weight.item() == pytest.approx(0.75 * 0.2 + 0.25 * 0.6)
    assert mixed.target.flatten().tolist() == pytest.approx([0.5, 0.5, 0])  # 0.15 of class 0 to 0.15 of class 1


def test_an_ignored_pixel_takes_its_target_from_the_other_alone() -> None:
    first = batch_of(torch.tensor([[[0, IGNORE, 0, IGNORE]]]).byte())
    second = batch_of(torch.tensor([[[1, 1, IGNORE, IGNORE]]]).byte())
    mixed = blend(first, second, torch.tensor([0.8]))
    assert mixed.weight.flatten().tolist() == pytest.approx([1.0, 0.2, 0.8, 0.0])
    by_pixel = mixed.target[0, :, 0].T  # (4, 3)
    assert by_pixel[:3].flatten().tolist() == pytest.approx([0.8, 0.2, 0, 0, 1, 0, 1, 0, 0])
    assert mixed.target.sum(1).flatten().tolist() == pytest.approx([1] * 4)


def test_an_image_without_a_label_gives_no_target() -> None:
    labels = random_labels(2, 3, 4, 4)
    first = batch_of(labels[0], labelled=[True, False, False])
    second = batch_of(labels[1], labelled=[False, True, False])
    mixed = blend(first, second, torch.full((3,), 0.6))
    assert torch.allclose(mixed.target[0], first.target[0])
    assert torch.allclose(mixed.target[1], second.target[1])
    assert [weight.unique().item() for weight in mixed.weight] == pytest.approx([0.6, 0.4, 0.0])
    assert mixed.labelled.tolist() == [True, True, False]


def test_what_is_not_mixed_stays_bitwise() -> None:
    labels = random_labels(2, 3, 4, 4, ignored=0.3)
    first = batch_of(labels[0], clean=[True, False, True])
    first = first._replace(weight=first.weight * 0.3, target=to_probs(first.target))
    second = batch_of(labels[1])
    assert same(blend(first, second, torch.ones(3)), first)
    assert same(paste(first, second, torch.zeros(3, 4, 4, dtype=torch.bool)), first)


@pytest.mark.parametrize("how", ["blend", "paste"])
def test_a_mixed_image_is_clean_if_both_are_and_keeps_the_name_of_the_first(how: str) -> None:
    labels = random_labels(2, 4, 4, 4)
    first, second = batch_of(labels[0], clean=[True, True, False, False]), batch_of(labels[1], clean=[True, False] * 2)
    mask = torch.zeros(4, 4, 4, dtype=torch.bool)
    mask[:, 0, 0] = True
    mixed = blend(first, second, torch.full((4,), 0.5)) if how == "blend" else paste(first, second, mask)
    assert mixed.clean.tolist() == [True, False, False, False]
    for name in ("index", "group", "annotator"):
        assert torch.equal(getattr(mixed, name), getattr(first, name))


def test_pasted_pixels_are_the_seconds_and_the_others_the_firsts() -> None:
    labels = random_labels(2, 2, 3, 5, 5, num_classes=2, ignored=0.1)
    first, second = batch_of(labels[0]), batch_of(labels[1])
    second = second._replace(image=second.image + 10)
    mask = torch.rand(2, 5, 5, generator=torch.Generator().manual_seed(0)) < 0.4
    mixed = paste(first, second, mask)
    for name in ("image", "target", "weight"):
        ours, theirs, got = (getattr(batch, name) for batch in (first, second, mixed))
        for image in range(2):
            assert torch.equal(got[image][..., mask[image]], theirs[image][..., mask[image]])
            assert torch.equal(got[image][..., ~mask[image]], ours[image][..., ~mask[image]])


@pytest.mark.parametrize("alpha", [0.4, 1.0, 5.0])
def test_shares_are_drawn_from_the_beta_distribution(alpha: float) -> None:
    torch.manual_seed(0)
    many = batch_of(torch.zeros(4000, 1, 1).byte())
    shares = beta_shares(many, alpha, fold=False)
    assert kstest(shares.numpy(), beta(alpha, alpha).cdf).pvalue > 1e-3
    folded = beta_shares(many, alpha, fold=True)
    assert folded.min() >= 0.5
    assert kstest(folded.numpy(), lambda share: 2 * beta(alpha, alpha).cdf(share) - 1).pvalue > 1e-3


def test_only_some_are_mixed() -> None:
    torch.manual_seed(0)
    shares = beta_shares(batch_of(torch.zeros(4000, 1, 1).byte()), 1.0, fold=False, probability=0.3)
    assert (shares < 1).float().mean() == pytest.approx(0.3, abs=0.03)


def test_partners_are_the_batch_in_another_order() -> None:
    torch.manual_seed(0)
    batch = batch_of(random_labels(8, 4, 4))
    partners = shuffled(batch)
    assert sorted(partners.index.tolist()) == list(range(8))
    assert partners.index.tolist() != list(range(8))
    assert torch.equal(partners.target, batch.target[partners.index])
    assert torch.equal(partners.image[:, 0, 0, 0], partners.index.float())
