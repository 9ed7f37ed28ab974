"""label_correction: regions that the evidence speaks against take the predicted class, at set moments alone."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segtrain.audit.evidence import Evidence, Look, SelfConfidence
from segtrain.errors import ConfigError
from segtrain.noise import LabelCorrection
from segtrain.types import Seen, one_hot
from tests.noise.fixed_view import FixedView, batch_of

SIDE = 48
ROWS, COLUMNS = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
EPOCHS, MOMENT = 10, 5


def disc(row: float, column: float, radius: float) -> Tensor:
    return (ROWS - row) ** 2 + (COLUMNS - column) ** 2 <= radius**2


def seen(labels: list[Tensor], truths: list[Tensor], clean: list[bool], sure: float = 0.95) -> Seen:
    """Labels (H, W) of two classes, and a model that believes the truth."""
    target, truth = (one_hot(torch.stack(part).long(), 2) for part in (labels, truths))
    return Seen(batch_of(target, clean), truth * sure + (1 - truth) * (1 - sure))


def strategy(**options: object) -> LabelCorrection:
    made = LabelCorrection(EPOCHS, 2, {"self_confidence": SelfConfidence()}, at=[0.5], **options)  # type: ignore[arg-type]
    given = batch_of(one_hot(torch.zeros(1, 4, 4).long(), 2), [False])
    made.attach(nn.Conv2d(3, 2, 1), FixedView([Seen(given, given.target)]).samples)
    return made


TRUTH = disc(16, 16, 8) | disc(34, 34, 8)
MISSING = disc(16, 16, 8)


def test_a_missing_object_is_drawn_and_the_rest_stays() -> None:
    view = FixedView([seen([MISSING], [TRUTH], [False])])
    strategy().audit(view, MOMENT)
    probs, weight = view.revised[0]
    assert torch.equal(probs.argmax(0).bool(), TRUTH)
    assert torch.equal(weight, torch.ones(SIDE, SIDE))


def test_right_labels_and_clean_ones_stay() -> None:
    view = FixedView([seen([TRUTH, MISSING], [TRUTH, TRUTH], [False, True])])
    strategy().audit(view, MOMENT)
    assert not view.revised


@pytest.mark.parametrize("epoch", [0, 4, 6, 9])
def test_it_acts_at_its_moments_alone(epoch: int) -> None:
    view = FixedView([seen([MISSING], [TRUTH], [False])])
    strategy().audit(view, epoch)
    assert not view.revised


def test_a_doubt_below_the_threshold_changes_nothing() -> None:
    for sure, acts in ((0.75, False), (0.85, True)):
        view = FixedView([seen([MISSING], [TRUTH], [False], sure)])
        strategy(least_score=0.8).audit(view, MOMENT)
        assert bool(view.revised) == acts


def test_ignored_pixels_stay_ignored() -> None:
    given = seen([MISSING], [TRUTH], [False])
    given.batch.weight[0, :, 34:] = 0
    view = FixedView([given])
    strategy().audit(view, MOMENT)
    probs, weight = view.revised[0]
    assert torch.equal(weight, given.batch.weight[0])
    assert torch.equal(probs[..., 34:], given.batch.target[0][..., 34:])
    assert torch.equal(probs.argmax(0)[:, :34].bool(), TRUTH[:, :34])


def test_a_soft_label_stays_soft_where_nothing_is_wrong() -> None:
    given = seen([MISSING], [TRUTH], [False])
    soft = given.batch.target * 0.8 + 0.1
    view = FixedView([given._replace(batch=given.batch._replace(target=soft))])
    strategy().audit(view, MOMENT)
    probs, _ = view.revised[0]
    new = disc(34, 34, 8)
    assert torch.equal(probs[:, ~new], soft[0][:, ~new])
    assert set(probs[:, new].unique().tolist()) == {0.0, 1.0}


def test_overlapping_classes_are_mended_one_by_one() -> None:
    planes, truths = torch.stack([MISSING, TRUTH]), torch.stack([TRUTH, TRUTH])  # (K, H, W)
    target, truth = one_hot(planes[None].long(), 2), one_hot(truths[None].long(), 2)
    view = FixedView([Seen(batch_of(target, [False]), truth * 0.9 + 0.05)])
    strategy().audit(view, MOMENT)
    probs, _ = view.revised[0]
    assert torch.equal(probs.argmax(1).bool(), truths)


class Counting(Evidence):
    """Learns how many looks it had."""

    def __init__(self) -> None:
        self.looks = 0

    def learn(self, look: Look) -> None:
        self.looks += 1

    def __call__(self, look: Look) -> np.ndarray:
        assert self.looks == 2  # those of this moment
        return np.ones(look.label.shape, np.float32)


def test_the_evidence_learns_anew_at_each_moment() -> None:
    made = LabelCorrection(EPOCHS, 2, {"counting": Counting()}, at=[0.3, 0.6])
    for epoch in (3, 6):
        view = FixedView([seen([MISSING], [TRUTH], [False]), seen([TRUTH], [TRUTH], [True])])
        made.audit(view, epoch)
        assert 0 in view.revised


class Annotators(Evidence):
    needs = frozenset({"annotations"})


def test_bad_arguments_are_all_told() -> None:
    with pytest.raises(ConfigError) as error:
        LabelCorrection(EPOCHS, 2, {}, at=[1.5], least_score=2, tolerance=-1)
    assert len(error.value.faults) == 4
    with pytest.raises(ConfigError, match="predictions and features"):
        LabelCorrection(EPOCHS, 2, {"annotators": Annotators()})
