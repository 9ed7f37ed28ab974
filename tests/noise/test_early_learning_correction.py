"""ADELE: when a class begins to be memorised, and what of its labels is then rewritten."""

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise import EarlyLearningCorrection
from segtrain.noise.early_learning_correction import averaged_probs, corrected
from segtrain.noise.learning_curve import rise, slope_drop
from segtrain.types import Seen, one_hot
from tests.noise.fixed_view import FixedView, batch_of

ALL = torch.ones(1, 3, dtype=torch.bool)


@pytest.mark.parametrize(("b", "c"), [(0.7, 1.0), (1.0, 2.0), (0.5, 0.8)])
def test_the_slope_of_a_curve_of_the_papers_form_is_found(b: float, c: float) -> None:
    times = np.arange(1.0, 13)
    curve = rise(times, 0.9, b, c)
    first, now = (approx_fprime([t], lambda x: rise(x, 0.9, b, c)[0], 1e-6)[0] for t in (1.0, 12.0))
    if curve[0] >= 0.25:  # from where on a class counts as learned
        assert slope_drop(curve.tolist()) == pytest.approx(1 - now / first, abs=0.02)


def test_a_curve_that_still_climbs_has_not_flattened() -> None:
    assert slope_drop([0.26, 0.34, 0.42, 0.5, 0.58, 0.66]) < 0.9
    assert slope_drop([0.5, 0.7, 0.75, 0.76, 0.762, 0.763]) > 0.9


def test_few_or_ragged_points_raise_nothing() -> None:
    for curve in ([], [0.3], [0.3, 0.5], [0.0] * 9, [0.5, 0.3, 0.6, 0.2, 0.7]):
        assert -1.0 <= slope_drop(curve) <= 1.0
    assert slope_drop([0.1] * 20) == 0  # never learned, so never memorised


def labels(rows: list[list[int]]) -> Tensor:
    return torch.tensor([rows])


def test_only_sure_pixels_change_and_only_to_classes_that_the_label_has() -> None:
    given = batch_of(one_hot(labels([[1, 1, 0, 0]]), 3), [False])
    probs = torch.tensor([[0.9, 0.6, 0.1, 0.1], [0.05, 0.3, 0.85, 0.0], [0.05, 0.1, 0.05, 0.9]]).view(1, 3, 1, 4)
    after = corrected(given, probs, ALL, 0.8).argmax(1)
    # Sure background; unsure; sure of class 1, which is there; sure of class 2, which nobody drew in this image.
    assert after.flatten().tolist() == [0, 1, 1, 0]
    assert torch.equal(corrected(given, probs, ALL, 0.95), given.target)  # nobody is as sure as that


def test_a_class_that_is_not_flagged_stays() -> None:
    given = batch_of(one_hot(labels([[1, 1, 2, 2]]), 3), [False])
    probs = one_hot(labels([[0, 2, 0, 1]]), 3)
    flagged = torch.tensor([[False, True, False]])
    assert corrected(given, probs, flagged, 0.8).argmax(1).flatten().tolist() == [0, 1, 2, 2]


def test_clean_samples_and_ignored_pixels_stay() -> None:
    label = one_hot(labels([[1, 1]]), 3)
    wrong = one_hot(labels([[0, 0]]), 3)
    clean = batch_of(label, [True])
    assert torch.equal(corrected(clean, wrong, ALL, 0.8), label)
    ignored = batch_of(label, [False])._replace(weight=torch.tensor([[[0.0, 1.0]]]))
    assert corrected(ignored, wrong, ALL, 0.8).argmax(1).flatten().tolist() == [1, 0]


def test_predictions_are_averaged_over_scales_and_mirror_images() -> None:
    """A model that sees only where in the picture a pixel lies: mirrored back, both halves are one half."""
    image = torch.zeros(1, 1, 64, 64)
    sides: list[int] = []

    def predict(scaled: Tensor) -> Tensor:
        sides.append(scaled.shape[-1])
        left = (torch.arange(scaled.shape[-1]) < scaled.shape[-1] // 2).float().expand(1, 1, *scaled.shape[-2:])
        return torch.cat([left, 1 - left], dim=1)

    probs = averaged_probs(predict, image, [0.5, 1.0, 1.5])
    assert sides == [32, 32, 64, 64, 96, 96]
    assert torch.allclose(probs, torch.full((1, 2, 64, 64), 0.5), atol=1e-5)


class Believes(nn.Module):
    """A model that always says background."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor([9.0, 0.0]))

    def forward(self, image: Tensor) -> Tensor:
        return self.bias.view(1, 2, 1, 1).expand(len(image), 2, *image.shape[-2:])


def memorising(epoch: int) -> FixedView:
    """IoU with the given label of class 1 rises fast and then hardly: 0.5, 0.8, 0.86, 0.87, 0.872, ..."""
    label = torch.zeros(1, 64, 64, dtype=torch.long)
    label[:, :32] = 1
    hit = [0, 16, 26, 27, 27, 27, 27, 27, 27][min(epoch, 8)]
    believed = torch.zeros_like(label)
    believed[:, :hit] = 1
    given = batch_of(one_hot(label, 2), [False])
    return FixedView([Seen(given, one_hot(believed, 2))])


def audited(**options: object) -> tuple[EarlyLearningCorrection, list[int]]:
    strategy = EarlyLearningCorrection(**options)  # type: ignore[arg-type]
    strategy.attach(Believes(), memorising(0).samples)
    rewritten = []
    for epoch in range(9):
        view = memorising(epoch)
        strategy.audit(view, epoch)
        rewritten += [epoch] if view.revised else []
    return strategy, rewritten


def test_labels_are_rewritten_when_a_class_begins_to_be_memorised_and_not_before() -> None:
    _, rewritten = audited(correct_every=100)
    assert len(rewritten) == 1
    assert rewritten[0] >= 3
    assert audited(correct_every=2)[1][:2] == [rewritten[0], rewritten[0] + 2]
    assert audited(slope_drop=0.9999999, correct_every=2)[1] == []  # its mechanism off: nothing is ever flagged
    assert audited(measure_every=100)[1] == []


def test_its_memory_survives_a_checkpoint() -> None:
    first, _ = audited()
    second = EarlyLearningCorrection()
    second.attach(Believes(), memorising(0).samples)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.history_, first.history_)


def test_values_out_of_range_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        EarlyLearningCorrection(slope_drop=1.0, confidence=0.0, scales=[])
    assert len(error.value.faults) == 3
