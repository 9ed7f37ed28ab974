"""The teacher labels what it is sure of; what people know stays."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.losses import CrossEntropy
from segtrain.noise import PseudoLabel
from segtrain.types import Batch, Progress, Samples, one_hot

EARLY, LATE = Progress(0, 0, 10, 100), Progress(9, 90, 10, 100)
PLAIN: dict[str, Any] = {"threshold": "fixed", "level": 0.9, "strength": 0.0}


class Pixelwise(nn.Module):
    """Reads a pixel's class off its brightness: classes 0 and 1 below and above 0; sure where that is far from 0."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(5.0))
        self.classes = classes
        self.seen: list[Tensor] = []

    def forward(self, image: Tensor) -> Tensor:
        self.seen.append(image)
        logits = torch.full((len(image), self.classes, *image.shape[-2:]), -20.0)
        logits[:, 0] = 0
        logits[:, 1] = self.slope * image[:, 0]
        return logits


def attached(samples: Samples, model: nn.Module | None = None, **options: Any) -> PseudoLabel:
    strategy = PseudoLabel(**({"num_classes": 3, "epochs": 10} | options))
    strategy.attach(model or Pixelwise(), samples)
    return strategy


@pytest.fixture
def mixed() -> Batch:
    """A clean, a noisy and an unlabelled image, each with the same pixels; the labels say class 2 everywhere."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 1, 8, 8, generator=generator).repeat(3, 1, 1, 1)
    labelled = torch.tensor([True, True, False])
    target = torch.where(labelled[:, None, None, None], one_hot(torch.full((3, 8, 8), 2), 3), 1 / 3)
    weight = labelled.float()[:, None, None].repeat(1, 8, 8)
    weight[:2, 0] = 0  # the first row is ignored
    number = torch.arange(3)
    return Batch(image, target, weight, torch.tensor([True, False, False]), labelled, number, number, number)


def sure_pixels(batch: Batch) -> Tensor:
    """Where sigmoid(5 |x|) >= 0.9."""
    return 5 * batch.image[0, 0].abs() >= torch.logit(torch.tensor(0.9))


def test_where_unsure_given_labels_stay(mixed: Batch, samples: Samples) -> None:
    seen = attached(samples, given="where_unsure", **PLAIN).prepare(mixed, nn.Identity(), LATE)
    sure, label = sure_pixels(mixed), one_hot((mixed.image[0, 0] > 0).long(), 3)
    assert 0.1 < sure.float().mean() < 0.9
    assert torch.equal(seen.target[1][:, 1:], torch.where(sure, label, mixed.target[1])[:, 1:])
    assert torch.equal(seen.weight[1], mixed.weight[1])
    assert torch.equal(seen.target[2], torch.where(sure, label, mixed.target[2]))
    assert torch.equal(seen.weight[2], sure.float())


def test_replaced_labels_are_ignored_where_unsure(mixed: Batch, samples: Samples) -> None:
    seen = attached(samples, given="replace", **PLAIN).prepare(mixed, nn.Identity(), LATE)
    assert torch.equal(seen.weight[1], sure_pixels(mixed) * mixed.weight[1])
    assert torch.equal(seen.weight[2], sure_pixels(mixed).float())


def test_kept_labels_are_not_touched_and_unlabelled_images_are_labelled(mixed: Batch, samples: Samples) -> None:
    seen = attached(samples, given="keep", **PLAIN).prepare(mixed, nn.Identity(), LATE)
    assert torch.equal(seen.target[:2], mixed.target[:2])
    assert torch.equal(seen.weight[:2], mixed.weight[:2])
    assert torch.equal(seen.weight[2], sure_pixels(mixed).float())


@pytest.mark.parametrize("given", ["keep", "replace", "where_unsure"])
@pytest.mark.parametrize("threshold", ["fixed", "adaptive", "percentile"])
def test_clean_samples_are_left_alone(given: Any, threshold: Any, mixed: Batch, samples: Samples) -> None:
    seen = attached(samples, given=given, threshold=threshold).prepare(mixed, nn.Identity(), LATE)
    for ours, theirs in zip(seen, mixed, strict=True):
        assert torch.equal(ours[0], theirs[0])


def test_ignored_pixels_stay_ignored(mixed: Batch, samples: Samples) -> None:
    seen = attached(samples, threshold="fixed", level=0.1).prepare(mixed, nn.Identity(), LATE)
    assert (seen.weight[1, 0] == 0).all()
    assert (seen.weight[1, 1:] == 1).all()


def test_thresholds_learn_from_the_pixels_that_may_be_labelled(mixed: Batch, samples: Samples) -> None:
    strategy = attached(samples)
    strategy.prepare(mixed, nn.Identity(), LATE)
    assert strategy.thresholds.histogram.sum() == 56 + 64  # of the noisy image and of the unlabelled one


def test_soft_labels_are_the_teachers_probabilities(mixed: Batch, samples: Samples) -> None:
    seen = attached(samples, soft=True, **PLAIN).prepare(mixed, nn.Identity(), LATE)
    p = torch.sigmoid(5 * mixed.image[0, 0])
    sure = sure_pixels(mixed)
    assert torch.allclose(seen.target[2, 1][sure], p[sure], atol=1e-6)


def test_labels_stay_as_given_before_the_warmup_ends(mixed: Batch, samples: Samples) -> None:
    strategy = attached(samples, warmup_fraction=0.3)
    assert strategy.prepare(mixed, nn.Identity(), Progress(2, 29, 10, 100)) is mixed
    assert strategy.prepare(mixed, nn.Identity(), Progress(3, 30, 10, 100)) is not mixed
    some = samples._replace(labelled=torch.arange(8) < 3)
    assert strategy.sample_weights(some, 2).tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    assert strategy.sample_weights(some, 3).tolist() == [1] * 8


def test_three_pixels_do_not_push_like_a_full_image(samples: Samples) -> None:
    """The gradient of a kept pixel does not depend on how many others are kept."""
    slopes = []
    for kept in (3, 64):
        image = torch.zeros(1, 1, 8, 8)
        image.view(-1)[:kept] = 5.0
        flag = torch.zeros(1, dtype=torch.bool)
        number = torch.zeros(1, dtype=torch.long)
        batch = Batch(image, torch.full((1, 3, 8, 8), 1 / 3), torch.zeros(1, 8, 8), flag, flag, number, number, number)
        strategy = attached(samples, **PLAIN)
        seen = strategy.prepare(batch, nn.Identity(), LATE)
        assert seen.weight.sum() == kept
        logits = torch.zeros(1, 3, 8, 8, requires_grad=True)
        strategy.loss_terms(logits, seen, CrossEntropy(), LATE)["supervised"].backward()
        assert logits.grad is not None
        slopes.append(logits.grad[0, :, 0, 0].tolist())
    assert slopes[0] == pytest.approx(slopes[1])
    assert slopes[0] == pytest.approx([1 / 3 / 64, -2 / 3 / 64, 1 / 3 / 64])


def test_the_share_belongs_to_one_batch(mixed: Batch, samples: Samples) -> None:
    strategy = attached(samples, given="replace", **PLAIN)
    seen = strategy.prepare(mixed, nn.Identity(), LATE)
    loss = strategy.loss_terms(mixed.target, seen, CrossEntropy(), LATE)["supervised"]
    share = seen.weight.sum() / (56 + 56 + 64)  # of what the clean, the noisy and the unlabelled image have
    assert loss.item() == pytest.approx((share * CrossEntropy()(mixed.target, seen.target, seen.weight)).item())
    assert strategy.share is None


def test_a_batch_without_a_sure_pixel_still_trains(mixed: Batch, samples: Samples) -> None:
    batch = mixed._replace(image=torch.zeros_like(mixed.image), clean=torch.zeros(3, dtype=torch.bool))
    strategy = attached(samples, given="replace", **PLAIN)
    seen = strategy.prepare(batch, nn.Identity(), LATE)
    logits = torch.zeros(3, 3, 8, 8, requires_grad=True)
    loss = strategy.loss_terms(logits, seen, CrossEntropy(), LATE)["supervised"]
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None


def test_the_teacher_sees_the_plain_image_and_the_student_another(mixed: Batch, samples: Samples) -> None:
    strategy = attached(samples)
    seen = strategy.prepare(mixed, nn.Identity(), LATE)
    (by_teacher,) = strategy.teacher.seen  # type: ignore[misc]
    assert torch.equal(by_teacher, mixed.image)
    assert not torch.equal(seen.image[1:], mixed.image[1:])


def test_labels_turn_with_the_students_view(mixed: Batch, samples: Samples) -> None:
    torch.manual_seed(1)
    seen = attached(samples, turn=True, threshold="fixed", level=0.1, strength=0.0).prepare(mixed, nn.Identity(), LATE)
    assert not torch.equal(seen.image, mixed.image)
    taught = seen.weight[1:] > 0
    assert torch.equal(seen.target[1:].argmax(1)[taught], (seen.image[1:, 0] > 0).long()[taught])
    for before, after in zip(mixed.image, seen.image, strict=True):
        assert torch.equal(before.flatten().sort().values, after.flatten().sort().values)


def test_thresholds_adapt_to_a_class_that_is_less_sure(mixed: Batch, samples: Samples) -> None:
    """Class 1 is never surer than 0.8: a fixed threshold loses it, its own keeps it."""
    image = torch.where(mixed.image > 0, 0.26, -2.0)  # sigmoid(5 * 0.26) = 0.786
    batch = mixed._replace(image=image)
    kept = {
        kind: attached(samples, threshold=kind, strength=0.0).prepare(batch, nn.Identity(), LATE).weight[2]
        for kind in ("fixed", "adaptive")
    }
    assert torch.equal(kept["fixed"] == 1, image[2, 0] < 0)
    assert (kept["adaptive"] == 1).all()


def test_overlapping_classes_are_labelled_where_all_are_sure(samples: Samples) -> None:
    class Overlapping(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return torch.stack([torch.zeros_like(image), 5 * image], dim=2)  # (B, K, 2, H, W)

    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, 3, 8, 8, generator=generator)
    flag = torch.zeros(2, dtype=torch.bool)
    number = torch.zeros(2, dtype=torch.long)
    target = torch.full((2, 3, 2, 8, 8), 0.5)
    batch = Batch(image, target, torch.zeros(2, 8, 8), flag, flag, number, number, number)
    seen = attached(samples, Overlapping(), **PLAIN).prepare(batch, nn.Identity(), LATE)
    sure = (5 * image.abs() >= torch.logit(torch.tensor(0.9))).all(dim=1)
    assert 0 < sure.sum() < sure.numel()
    assert torch.equal(seen.weight, sure.float())
    label = one_hot((image > 0).long(), 2)
    assert torch.equal(seen.target, torch.where(sure[:, None, None], label, target))


def test_a_step_costs_one_pass_of_the_teacher(mixed: Batch, samples: Samples) -> None:
    student = Pixelwise()
    strategy = attached(samples, student)
    seen = strategy.prepare(mixed, student, LATE)
    strategy.trust(mixed.target, seen, LATE)
    strategy.loss_terms(mixed.target, seen, CrossEntropy(), LATE)
    strategy.after_step(student)
    assert len(strategy.teacher.seen) == 1  # type: ignore[arg-type]
    assert not student.seen


def test_the_teacher_follows(samples: Samples) -> None:
    student = Pixelwise()
    strategy = attached(samples, student)
    nn.init.zeros_(student.slope)
    strategy.after_step(student)
    assert strategy.teacher.slope.item() < 5


def test_it_needs_some_labels(samples: Samples) -> None:
    with pytest.raises(ConfigError, match=r"data\.masks"):
        attached(samples._replace(labelled=torch.zeros(8, dtype=torch.bool)))


def test_every_value_out_of_range_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        PseudoLabel(3, epochs=0, given="drop", warmup_fraction=1.0, strength=-1.0)  # type: ignore[arg-type]
    assert len(error.value.faults) == 4
