"""Small-loss selection keeps of each class the labels that a network finds easiest."""

import numpy as np
import pytest
import torch
from torch import Tensor

from segtrain.noise.selection import hardened, label_loss_map, small_loss
from segtrain.types import one_hot

NONE = torch.zeros(1, 3)


def scene(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Give logits (2, 3, 40, 40), labels with a large, a middling and a small class, and targets."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.multinomial(torch.tensor([0.85, 0.12, 0.03]), 2 * 40 * 40, True, generator=generator)
    label = label.view(2, 40, 40)
    return 3 * torch.randn(2, 3, 40, 40, generator=generator), label, one_hot(label, 3)


def everywhere(logits: Tensor) -> Tensor:
    return torch.ones(logits.shape[0], *logits.shape[-2:], dtype=torch.bool)


def test_of_each_class_it_keeps_the_smallest_losses_as_sorting_them_would() -> None:
    logits, label, target = scene()
    drop = torch.tensor([[0.1, 0.3, 0.5]])
    kept = small_loss(logits, target, everywhere(logits), drop, NONE).numpy()
    losses = torch.nn.functional.cross_entropy(logits, label, reduction="none").numpy()
    for number, share in enumerate((0.1, 0.3, 0.5)):
        of_class = label.numpy() == number
        limit = np.quantile(losses[of_class], 1 - share)
        clear = np.abs(np.log(losses / limit)) > 0.02  # outside the one bin that the threshold may be off
        assert (kept == (losses <= limit))[of_class & clear].all()
        assert kept[of_class].mean() == pytest.approx(1 - share, abs=0.02)


def test_no_class_pays_for_another() -> None:
    logits, label, target = scene()
    logits = logits + torch.where(target > 0, 6.0, 0.0) * (label == 0).unsqueeze(1)  # class 0 is easy, others are not
    share = 0.2
    kept = small_loss(logits, target, everywhere(logits), torch.full((1, 3), share), NONE)
    losses = torch.nn.functional.cross_entropy(logits, label, reduction="none")
    over_all = losses <= losses.flatten().quantile(1 - share)  # what selecting over all pixels at once would do
    for number in (1, 2):
        assert kept[label == number].float().mean() == pytest.approx(1 - share, abs=0.02)
        assert over_all[label == number].float().mean() < 0.5


def test_a_rate_of_zero_keeps_everything() -> None:
    logits, _, target = scene()
    assert small_loss(logits, target, everywhere(logits), NONE, NONE).all()


def test_doubted_labels_are_only_those_that_are_less_likely_than_not() -> None:
    logits, label, target = scene()
    kept = small_loss(logits, target, everywhere(logits), NONE, torch.full((1, 3), 0.9))
    likely = (logits.softmax(1) * target).sum(1)  # (B, H, W)
    clear = (likely - 0.5).abs() > 0.01
    assert torch.equal(kept[clear], (likely > 0.5)[clear])
    few = small_loss(logits, target, everywhere(logits), NONE, torch.full((1, 3), 0.05))
    assert few[label == 0].float().mean() == pytest.approx(0.95, abs=0.01)  # more are doubted: only the worst go
    assert few[likely > 0.51].all()


def test_pixels_that_are_not_in_question_are_kept_and_change_no_threshold() -> None:
    logits, label, target = scene()
    drop = torch.full((1, 3), 0.3)
    first = torch.zeros_like(label, dtype=torch.bool)
    first[0] = True
    kept = small_loss(logits, target, first, drop, NONE)
    assert kept[1].all()
    assert torch.equal(kept[:1], small_loss(logits[:1], target[:1], first[:1], drop, NONE))


def test_equal_losses_go_together_so_that_no_class_loses_all_its_pixels() -> None:
    target = one_hot(torch.ones(1, 4, 4, dtype=torch.int64), 2)
    assert small_loss(torch.zeros(1, 2, 4, 4), target, torch.ones(1, 4, 4).bool(), torch.full((1, 2), 0.9),
                      torch.zeros(1, 2)).all()  # fmt: skip


def test_with_overlapping_classes_a_pixel_is_kept_where_each_label_is() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 2, 12, 12, generator=generator)
    label = torch.randint(0, 2, (2, 2, 12, 12), generator=generator)
    target = one_hot(label, 2)
    drop = torch.tensor([[0.0, 0.4], [0.2, 0.0]])
    counts = torch.ones(2, 12, 12, dtype=torch.bool)
    together = small_loss(logits, target, counts, drop, torch.zeros(2, 2))
    apart = [small_loss(logits[:, k], target[:, k], counts, drop[k : k + 1], torch.zeros(1, 2)) for k in range(2)]
    assert torch.equal(together, apart[0] & apart[1])
    assert not together.all()


def test_nothing_is_read_back_from_the_device() -> None:
    logits, _, target = (tensor.to("meta") for tensor in scene())
    drop = NONE.to("meta")
    assert small_loss(logits, target, everywhere(logits).to("meta"), drop, drop).shape == (2, 40, 40)


def test_a_mixed_label_that_is_predicted_as_it_is_has_no_loss() -> None:
    mixed = torch.tensor([0.5, 0.2, 0.3]).view(1, 1, 3, 1, 1)
    hard = torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 3, 1, 1)
    assert label_loss_map(mixed.log(), mixed).item() == pytest.approx(0, abs=1e-6)
    assert label_loss_map(mixed.log(), hard).item() == pytest.approx(np.log(2), abs=1e-6)
    assert torch.equal(hardened(mixed), hard)
