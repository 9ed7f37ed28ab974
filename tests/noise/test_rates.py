"""Estimated noise rates against a simulated truth."""

import numpy as np
import pytest
import torch
from torch import Tensor

from segtrain.noise.rates import (
    ClassSums,
    _class_sums,
    _joints,
    area_rates,
    confident_joint,
    disagreement_rates,
    estimate_joint,
    estimate_rates,
    sum_over,
)
from segtrain.types import Seen, one_hot
from tests.noise.fixed_view import FixedView, batch_of

FREQUENCY = torch.tensor([0.8, 0.15, 0.05])
MISTAKES = torch.tensor([[0.96, 0.03, 0.01], [0.15, 0.80, 0.05], [0.05, 0.25, 0.70]])
"""[true, given]."""


def drawn_true(num_samples: int, generator: torch.Generator) -> Tensor:
    return torch.multinomial(FREQUENCY, num_samples * 32 * 32, True, generator=generator).view(num_samples, 32, 32)


def mistaken(true: Tensor, generator: torch.Generator) -> Tensor:
    return torch.multinomial(MISTAKES[true.flatten()], 1, generator=generator).view_as(true)


def beliefs(true: Tensor, generator: torch.Generator) -> Tensor:
    """What a network that learned the labels' common part says: their distribution, where it is not a bit unsure."""
    logits = MISTAKES[true].log() + 0.5 * torch.randn(*true.shape, 3, generator=generator)
    return logits.softmax(-1).movedim(-1, 1)


def random_mistakes(num_samples: int = 16, num_clean: int = 0, seed: int = 0) -> tuple[FixedView, np.ndarray]:
    """Give a view, and the share of wrong labels among those of each class."""
    generator = torch.Generator().manual_seed(seed)
    true = drawn_true(num_samples, generator)
    given = mistaken(true, generator)
    clean = torch.arange(num_samples) < num_clean
    given[clean] = true[clean]
    probs = beliefs(true, generator)
    noisy = ~clean
    rates = [float((true[noisy] != given[noisy])[given[noisy] == c].float().mean()) for c in range(3)]
    halves = [slice(i, i + 4) for i in range(0, num_samples, 4)]
    seen = [Seen(batch_of(one_hot(given[i], 3), clean[i].tolist(), first=i.start), probs[i]) for i in halves]
    return FixedView(seen), np.array(rates)


def test_labels_that_a_sure_network_denies_are_the_wrong_ones() -> None:
    view, truth = random_mistakes()
    in_common, doubted = estimate_rates(view).numpy()
    assert doubted[0] == pytest.approx(truth, abs=0.05)
    assert truth.max() > 0.25
    assert (in_common == 0).all()  # nobody knows, without clean samples
    assert view.passes == 2


def test_what_the_network_gets_wrong_itself_is_told_by_clean_samples() -> None:
    generator = torch.Generator().manual_seed(1)
    true = drawn_true(16, generator)
    clean = torch.arange(16) < 8
    believed = mistaken(true, generator)  # the labels are right, and the network is not
    probs = 0.9 * one_hot(believed, 3) + 0.1 / 3
    flagged = FixedView([Seen(batch_of(one_hot(true, 3), clean.tolist()), probs)])
    unknown = FixedView([Seen(batch_of(one_hot(true, 3), [False] * 16), probs)])
    taken_for_mistakes = estimate_rates(unknown)[1].max()
    assert taken_for_mistakes > 0.2
    assert estimate_rates(flagged)[1].max() < 0.3 * taken_for_mistakes


class Process(FixedView):
    """One process's share of a view; what the others gather is known beforehand."""

    def __init__(self, seen: list[Seen], others: list[Tensor]) -> None:
        super().__init__(seen)
        self.others = others

    def gather(self, table: Tensor) -> Tensor:
        return table + self.others.pop(0)


def test_processes_that_share_the_samples_agree_with_one_that_has_all() -> None:
    view, _ = random_mistakes(num_clean=4)
    alone = estimate_rates(view)
    rest = FixedView(view.seen[1:])
    whole = ClassSums(*sum_over(view, _class_sums))
    threshold = whole.confidence / whole.given
    tables = [sum_over(rest, _class_sums), sum_over(rest, lambda seen: _joints(seen, threshold, 0))]
    assert torch.allclose(estimate_rates(Process(view.seen[:1], tables)), alone, atol=1e-5)


def squares(sides: list[int]) -> Tensor:
    label = torch.zeros(len(sides), 64, 64, dtype=torch.int64)
    for image, side in zip(label, sides, strict=True):
        image[8 : 8 + side, 8 : 8 + side] = 1
    return label


SIDES = [20, 24, 28, 32, 22, 26, 30, 21]


def wide_outlines(rim: int, own: int = 0, num_clean: int = 4) -> FixedView:
    """Labels that are `rim` pixels too wide, learned by a network that adds `own` pixels itself."""
    true, wide = squares(SIDES), squares([side + rim for side in SIDES])
    clean = torch.arange(8) < num_clean
    given = torch.where(clean[:, None, None], true, wide)
    probs = 0.98 * one_hot(squares([side + rim + own for side in SIDES]), 2) + 0.01
    return FixedView([Seen(batch_of(one_hot(given, 2), clean.tolist()), probs)])


@pytest.mark.parametrize("own", [0, 2, -2])
def test_outlines_that_are_all_too_wide_are_told_by_clean_samples_whatever_the_network_adds(own: int) -> None:
    area = (np.array(SIDES) ** 2).sum() / ((np.array(SIDES) + 4) ** 2).sum()
    in_common, _ = estimate_rates(wide_outlines(rim=4, own=own)).numpy()
    assert in_common[0, 1] == pytest.approx(1 - area, abs=0.05)
    assert in_common[0, 0] == 0  # too little background was drawn, and what was drawn is right


def test_outlines_that_are_all_too_tight_make_labels_of_the_background_wrong() -> None:
    in_common, _ = estimate_rates(wide_outlines(rim=-4)).numpy()
    assert in_common[0, 1] == 0
    assert in_common[0, 0] > 0.02


def test_right_labels_have_no_rate() -> None:
    rates = estimate_rates(wide_outlines(rim=0))
    assert rates.max() < 0.01


def test_one_clean_sample_tells_nothing_of_what_errs_in_common() -> None:
    assert estimate_rates(wide_outlines(rim=4, num_clean=1))[0].max() == 0
    assert estimate_rates(wide_outlines(rim=4, num_clean=2))[0].max() > 0.1


def test_the_ratio_is_taken_less_its_standard_error() -> None:
    given, predicted = np.array([100.0, 200.0, 150.0, 120.0]), np.array([140.0, 230.0, 210.0, 150.0])
    slope = predicted.sum() / given.sum()
    error = np.sqrt(4 / 3 * ((predicted - slope * given) ** 2).sum()) / given.sum()
    each = [1000.0, 900.0, 1000.0, given.sum(), predicted.sum(), 4.0]
    each += [(given**2).sum(), (given * predicted).sum(), (predicted**2).sum()]
    sums = ClassSums(*(torch.tensor([[float(value)]]) for value in each))
    assert area_rates(sums).item() == pytest.approx(1 - 1 / (slope - error), abs=1e-5)


def test_a_class_that_the_network_has_not_learned_has_no_rate() -> None:
    joint = torch.tensor([[[90.0, 10.0, 0.0], [80.0, 20.0, 0.0], [0.0, 0.0, 0.0]]])
    assert disagreement_rates(joint).tolist() == [[pytest.approx(0.1), 0.0, 0.0]]


def test_the_joint_matches_a_plain_loop_and_leaves_ignored_pixels_out() -> None:
    generator = torch.Generator().manual_seed(0)
    probs = torch.rand(2, 3, 6, 5, generator=generator).softmax(1)
    label = torch.randint(0, 3, (2, 6, 5), generator=generator)
    counts = torch.rand(2, 6, 5, generator=generator) > 0.3
    threshold = torch.tensor([[0.3, 0.35, 0.4]])
    expected = np.zeros((3, 3))
    for b, y, x in np.ndindex(2, 6, 5):
        sure = [c for c in range(3) if probs[b, c, y, x] >= threshold[0, c]]
        if counts[b, y, x] and sure:
            expected[label[b, y, x], max(sure, key=lambda c: float(probs[b, c, y, x]))] += 1
    assert confident_joint(probs, one_hot(label, 3), counts, threshold)[0].numpy() == pytest.approx(expected)


def test_overlapping_classes_are_problems_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    probs = torch.rand(2, 2, 2, 8, 8, generator=generator).softmax(2)
    target = one_hot(torch.randint(0, 2, (2, 2, 8, 8), generator=generator), 2)
    together = estimate_joint(FixedView([Seen(batch_of(target, [False, False]), probs)]))[0]
    for k in range(2):
        apart = estimate_joint(FixedView([Seen(batch_of(target[:, k], [False, False]), probs[:, k])]))[0]
        assert torch.equal(together[:, k], apart[:, 0])


def test_each_annotator_has_a_joint_and_unknown_ones_are_in_that_of_all() -> None:
    view, _ = random_mistakes()
    batch, probs = view.seen[0]
    who = torch.tensor([0, 1, -1, 0])
    clean = torch.tensor([False, False, False, True])
    seen = FixedView([Seen(batch._replace(annotator=who, clean=clean), probs)])
    by_annotator, of_clean, _ = estimate_joint(seen, num_annotators=2)
    assert by_annotator.shape == (3, 1, 3, 3)
    assert (by_annotator[-1] > by_annotator[0] + by_annotator[1]).any()
    assert by_annotator[0].sum() > 0
    assert by_annotator[1].sum() > 0
    assert of_clean.sum() > 0
