"""Pixels whose label the model does not believe are ignored, class by class."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.losses import CrossEntropy
from segtrain.noise import Confidence
from segtrain.types import Batch, Progress, Samples, one_hot

EARLY, LATE = Progress(0, 0, 10, 100), Progress(9, 90, 10, 100)


def attached(samples: Samples, model: nn.Module | None = None, **options: Any) -> Confidence:
    strategy = Confidence(num_classes=3, **options)
    strategy.attach(model or nn.Identity(), samples)
    return strategy


def believing(label: Tensor, p: float, classes: int = 3) -> Tensor:
    """Give logits of a model that gives `label` the probability p and shares out the rest."""
    hard = one_hot(label, classes)
    return (hard * p + (1 - hard) * (1 - p) / (classes - 1)).log()


def noisy(batch: Batch) -> Batch:
    return batch._replace(clean=torch.zeros(2, dtype=torch.bool))


def test_wrong_labels_are_ignored_and_right_ones_kept(batch: Batch, samples: Samples) -> None:
    truth = batch.target.argmax(1)
    wrong = torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(1)) < 0.2
    given = noisy(batch)._replace(target=one_hot(torch.where(wrong, (truth + 1) % 3, truth), 3))
    trust = attached(samples).trust(believing(truth, 0.9), given, LATE)
    assert torch.equal(trust == 0, wrong)
    assert torch.equal(trust == 1, ~wrong)


def test_nothing_happens_before_the_warmup_ends(batch: Batch, samples: Samples) -> None:
    logits = believing(2 - batch.target.argmax(1), 0.99)
    strategy = attached(samples, warmup_fraction=0.5, threshold="fixed")
    assert (strategy.trust(logits, noisy(batch), Progress(4, 49, 10, 100)) == 1).all()
    assert (strategy.trust(logits, noisy(batch), Progress(5, 50, 10, 100)) == 0).any()


def test_clean_samples_are_left_alone(batch: Batch, samples: Samples) -> None:
    logits = believing((batch.target.argmax(1) + 1) % 3, 0.99)
    for options in ({}, {"mode": "weight"}, {"threshold": "fixed"}):
        trust = attached(samples, **options).trust(logits, batch, LATE)
        assert (trust[0] == 1).all()
        assert (trust[1] < 0.1).any()


def test_a_class_that_is_learned_less_is_not_lost(batch: Batch, samples: Samples) -> None:
    """One threshold for all would throw a whole class away; its own keeps its better part."""
    label = batch.target.argmax(1)
    torch.manual_seed(0)
    sure = torch.tensor([0.95, 0.95, 0.4])[label] + 0.04 * torch.rand(2, 16, 16)
    hard = batch.target
    logits = (hard * sure[:, None] + (1 - hard) * (1 - sure[:, None]) / 2).log()
    kept = {
        kind: attached(samples, threshold=kind, level=0.6).trust(logits, noisy(batch), LATE)[label == 2].mean()
        for kind in ("fixed", "adaptive", "percentile")
    }
    assert kept["fixed"] == 0
    assert kept["adaptive"] == 1
    assert 0.7 < kept["percentile"] < 0.9


def test_weights_fall_with_confidence_under_the_threshold(batch: Batch, samples: Samples) -> None:
    strategy = attached(samples, mode="weight", threshold="fixed", level=0.5)
    for p, weight in ((0.9, 1.0), (0.5, 1.0), (0.4, 0.8), (0.1, 0.2)):
        trust = strategy.trust(believing(batch.target.argmax(1), p), noisy(batch), LATE)
        assert trust.numpy() == pytest.approx(weight, abs=1e-5)


def test_a_soft_label_that_the_model_shares_is_kept(batch: Batch, samples: Samples) -> None:
    soft = (batch.target * 0.4 + 0.2).contiguous()  # 0.6, 0.2, 0.2
    mixed = noisy(batch)._replace(target=soft)
    assert (attached(samples, threshold="fixed", level=0.9).trust(soft.log(), mixed, LATE) == 1).all()


def test_overlapping_labels_are_trusted_as_far_as_the_least_believed(samples: Samples) -> None:
    label = torch.zeros(1, 3, 8, 8, dtype=torch.long)
    believed = label.clone()
    believed[0, 1, :4] = 1  # the model contradicts the second class's label in the upper half
    number = torch.zeros(1, dtype=torch.long)
    flag = torch.zeros(1, dtype=torch.bool)
    batch = Batch(torch.zeros(1, 1, 8, 8), one_hot(label, 2), torch.ones(1, 8, 8), flag, ~flag, number, number, number)
    trust = attached(samples).trust(believing(believed, 0.95, classes=2), batch, LATE)
    assert trust.shape == (1, 8, 8)
    assert (trust[0, :4] == 0).all()
    assert (trust[0, 4:] == 1).all()


def test_the_kept_share_of_each_class_can_be_read(batch: Batch, samples: Samples) -> None:
    label = batch.target.argmax(1)
    strategy = attached(samples, threshold="fixed")
    strategy.trust(believing(torch.where(label == 2, 0, label), 0.9), noisy(batch), LATE)
    assert strategy.thresholds.kept()[:3].tolist() == [1, 1, 0]


def test_a_teacher_judges_by_its_own_prediction(batch: Batch, samples: Samples) -> None:
    torch.manual_seed(0)
    model = nn.Conv2d(1, 3, 1)
    strategy = attached(samples, model, predict_from="teacher", threshold="fixed", mode="weight", level=1.0)
    teacher = copy.deepcopy(model)
    nn.init.zeros_(model.weight)  # the student has forgotten everything since
    batch = noisy(batch)._replace(weight=torch.full((2, 16, 16), 0.5))
    seen = strategy.prepare(batch, model, LATE)
    p_given = (teacher(batch.image).softmax(1) * batch.target).sum(1)
    assert torch.allclose(seen.weight, 0.5 * p_given, atol=1e-6)
    assert (strategy.trust(model(batch.image), batch, LATE) == 1).all()
    assert strategy.prepare(batch, model, EARLY) is batch


def test_the_teacher_follows_and_is_delivered(samples: Samples) -> None:
    model = nn.Conv2d(1, 3, 1)
    strategy = attached(samples, model, predict_from="teacher")
    before = strategy.teacher.weight.clone()  # type: ignore[union-attr]
    nn.init.ones_(model.weight)
    strategy.after_step(model)
    assert not torch.equal(strategy.teacher.weight, before)  # type: ignore[union-attr]
    assert attached(samples).teacher is None


def test_a_batch_that_nobody_believes_still_trains(batch: Batch, samples: Samples) -> None:
    logits = believing((batch.target.argmax(1) + 1) % 3, 1 - 1e-6).requires_grad_()
    strategy = attached(samples, threshold="fixed")
    seen = noisy(batch)._replace(weight=strategy.trust(logits.detach(), noisy(batch), LATE))
    loss = strategy.loss_terms(logits, seen, CrossEntropy(), LATE)["supervised"]
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_every_value_out_of_range_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        Confidence(3, mode="drop", predict_from="peer", warmup_fraction=1.0)  # type: ignore[arg-type]
    assert len(error.value.faults) == 3
