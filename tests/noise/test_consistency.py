"""The student's prediction of a changed view is drawn to the teacher's of the plain one."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.losses import CrossEntropy
from segtrain.noise import Consistency
from segtrain.noise.consistency import kl_map, mse_map
from segtrain.types import Batch, Progress, Samples, to_probs

LATE = Progress(9, 100, 10, 100)


class Counting(nn.Module):
    """A model that works pixel by pixel, so that it commutes with turns, and counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(1, 3, 1)
        nn.init.normal_(self.layer.weight, std=3.0)
        self.seen: list[Tensor] = []

    def forward(self, image: Tensor) -> Tensor:
        self.seen.append(image)
        return self.layer(image)


def attached(samples: Samples, model: nn.Module | None = None, **options: Any) -> Consistency:
    strategy = Consistency(**options)
    strategy.attach(model or Counting(), samples)
    return strategy


def terms(strategy: Consistency, model: nn.Module, batch: Batch, progress: Progress = LATE) -> dict[str, Tensor]:
    seen = strategy.prepare(batch, model, progress)
    return strategy.loss_terms(model(seen.image), seen, CrossEntropy(), progress)


def test_distances_match_plain_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 3, 4, 5, generator=generator)
    q = torch.randn(2, 1, 3, 4, 5, generator=generator).softmax(dim=2)
    p = to_probs(logits)
    mse, kl = mse_map(logits, q), kl_map(logits, q)
    for b, h, w in np.ndindex(2, 4, 5):
        ours, theirs = p[b, 0, :, h, w].double().numpy(), q[b, 0, :, h, w].double().numpy()
        assert mse[b, 0, h, w].item() == pytest.approx(np.mean((ours - theirs) ** 2), abs=1e-6)
        assert kl[b, 0, h, w].item() == pytest.approx(entropy(theirs, ours), abs=1e-6)


def test_kl_takes_a_teacher_that_is_certain() -> None:
    certain = torch.tensor([1.0, 0.0]).view(1, 1, 2, 1, 1)
    logits = torch.zeros(1, 1, 2, 1, 1, requires_grad=True)
    loss = kl_map(logits, certain)
    loss.sum().backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("measure", ["mse", "kl"])
def test_the_term_is_the_mean_distance_from_the_teacher(measure: Any, batch: Batch, samples: Samples) -> None:
    student = Counting()
    strategy = attached(samples, student, measure=measure, weight=2.0, strength=0.0)
    nn.init.zeros_(student.layer.weight)
    p, q = student(batch.image).softmax(1), strategy.teacher(batch.image).softmax(1)
    if measure == "mse":
        expected = 2 * torch.nn.functional.mse_loss(p, q)
    else:
        expected = 2 * torch.nn.functional.kl_div(p.log(), q, reduction="none").sum(1).mean()
    assert terms(strategy, student, batch)["consistency"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_term_grows_as_published(batch: Batch, samples: Samples) -> None:
    student = Counting()
    strategy = attached(samples, student, rampup_fraction=0.5)
    nn.init.zeros_(student.layer.weight)
    values = [terms(strategy, student, batch, Progress(0, step, 10, 100))["consistency"].item() for step in (0, 25, 50)]
    late = terms(strategy, student, batch)["consistency"].item()
    # The student predicts the same of any view, so that only the ramp differs.
    assert values == pytest.approx([late * math.exp(-5), late * math.exp(-5 / 4), late])


def test_the_teacher_sees_the_plain_image_and_the_student_another(batch: Batch, samples: Samples) -> None:
    student = Counting()
    strategy = attached(samples, student)
    seen = strategy.prepare(batch, student, LATE)
    assert not torch.equal(seen.image, batch.image)
    strategy.loss_terms(student(seen.image), seen, CrossEntropy(), LATE)
    (by_teacher,) = strategy.teacher.seen  # type: ignore[misc]
    assert torch.equal(by_teacher, batch.image)


def test_predictions_are_compared_where_they_belong(batch: Batch, samples: Samples) -> None:
    """A model that commutes with turns agrees with itself, in whatever way the views are turned."""
    student = Counting()
    torch.manual_seed(1)
    strategy = attached(samples, student, turn=True, strength=0.0, weight=1.0)
    seen = strategy.prepare(batch, student, LATE)
    assert not torch.equal(seen.image, batch.image)
    logits = student(seen.image)
    assert strategy.loss_terms(logits, seen, CrossEntropy(), LATE)["consistency"].item() < 1e-12
    assert mse_map(logits, student(batch.image).softmax(1)).mean() > 1e-3  # not turned along, it would show


def test_the_supervised_term_is_the_loss_on_the_students_view(batch: Batch, samples: Samples) -> None:
    student = Counting()
    torch.manual_seed(1)
    strategy = attached(samples, student, turn=True, strength=0.0)
    given = batch._replace(weight=torch.rand(2, 16, 16))
    supervised = terms(strategy, student, given)["supervised"].item()
    assert supervised == pytest.approx(CrossEntropy()(student(batch.image), batch.target, given.weight).item())


def test_unlabelled_pixels_count_and_ignored_ones_do_not(batch: Batch, samples: Samples) -> None:
    student = Counting()
    strategy = attached(samples, student, weight=1.0, strength=0.0)
    nn.init.zeros_(student.layer.weight)
    weight = torch.ones(2, 16, 16)
    weight[0, :8] = 0
    weight[1] = 0
    given = batch._replace(weight=weight, labelled=torch.tensor([True, False]))
    apart = mse_map(student(batch.image), strategy.teacher(batch.image).softmax(1))  # (B, H, W)
    expected = (apart[0, 8:].sum() + apart[1].sum()) / (128 + 256)
    assert terms(strategy, student, given)["consistency"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_pixel_that_another_strategy_distrusts_still_counts(batch: Batch, samples: Samples) -> None:
    student = Counting()
    strategy = attached(samples, student, weight=1.0)
    seen = strategy.prepare(batch, student, LATE)
    nn.init.zeros_(student.layer.weight)
    distrusted = seen._replace(weight=torch.zeros_like(seen.weight))
    given = strategy.loss_terms(student(seen.image), distrusted, CrossEntropy(), LATE)
    assert given["supervised"].item() == 0
    assert given["consistency"].item() > 0


def test_images_mixed_afterwards_are_shown_to_the_teacher(batch: Batch, samples: Samples) -> None:
    student = Counting()
    strategy = attached(samples, student, weight=1.0)
    seen = strategy.prepare(batch, student, LATE)
    mixed = seen._replace(image=(seen.image + seen.image.flip(0)) / 2)
    given = strategy.loss_terms(student(mixed.image), mixed, CrossEntropy(), LATE)
    (by_teacher,) = strategy.teacher.seen  # type: ignore[misc]
    assert torch.equal(by_teacher, mixed.image)
    assert given["consistency"].item() < 1e-12


def test_only_the_student_learns_and_a_step_costs_one_pass_of_the_teacher(batch: Batch, samples: Samples) -> None:
    student = Counting()
    strategy = attached(samples, student)
    sum(terms(strategy, student, batch).values()).backward()  # type: ignore[union-attr]
    assert student.layer.weight.grad is not None
    assert all(parameter.grad is None for parameter in strategy.parameters())
    assert not any(parameter.requires_grad for parameter in strategy.parameters())
    assert len(student.seen) == len(strategy.teacher.seen) == 1  # type: ignore[arg-type]
    assert strategy.views is None


def test_the_teacher_follows(samples: Samples) -> None:
    student = Counting()
    strategy = attached(samples, student)
    before = strategy.teacher.layer.weight.clone()  # type: ignore[union-attr]
    nn.init.zeros_(student.layer.weight)
    strategy.after_step(student)
    assert not torch.equal(strategy.teacher.layer.weight, before)  # type: ignore[union-attr]


def test_overlapping_classes_are_compared_too(samples: Samples) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, image = torch.randn(2, 3, 2, 8, 8, generator=generator), torch.randn(2, 6, 8, 8, generator=generator)

    class Overlapping(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return image.view(len(image), 3, 2, *image.shape[-2:])

    strategy = attached(samples, Overlapping(), weight=1.0, strength=0.0)
    flag, number = torch.zeros(2, dtype=torch.bool), torch.zeros(2, dtype=torch.long)
    target = torch.full((2, 3, 2, 8, 8), 0.5)
    batch = Batch(image, target, torch.ones(2, 8, 8), flag, ~flag, number, number, number)
    seen = strategy.prepare(batch, nn.Identity(), LATE)
    expected = torch.nn.functional.mse_loss(logits.softmax(2), image.view(2, 3, 2, 8, 8).softmax(2))
    given = strategy.loss_terms(logits, seen, CrossEntropy(), LATE)["consistency"]
    assert given.item() == pytest.approx(expected.item(), rel=1e-5)


def test_it_needs_some_labels(samples: Samples) -> None:
    with pytest.raises(ConfigError, match=r"data\.masks"):
        attached(samples._replace(labelled=torch.zeros(8, dtype=torch.bool)))


def test_every_value_out_of_range_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        Consistency("js", weight=-1.0, rampup_fraction=2.0, strength=-1.0)  # type: ignore[arg-type]
    assert len(error.value.faults) == 4
