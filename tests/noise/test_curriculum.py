"""The curriculum ranks by disagreement, keeps clean samples, and grows to everything."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise import Curriculum
from segtrain.noise.difficulty import class_balanced_disagreement, difficulty, mean_loss
from segtrain.noise.pacing import pace
from segtrain.types import Batch, Samples, Seen, one_hot


class FixedView:
    """A training set of N images of which the model disagrees with a known number of foreground pixels."""

    def __init__(self, samples: Samples, wrong: list[int]) -> None:
        self.samples = samples
        self.wrong = wrong
        self.passes = 0

    def __iter__(self) -> Iterator[Seen]:
        self.passes += 1
        for index, wrong in enumerate(self.wrong):
            label = torch.zeros(1, 8, 8, dtype=torch.uint8)
            label[:, :4] = 1
            given = label.clone()
            given.view(-1)[:wrong] = 0
            yield Seen(_batch(given, index), one_hot(label, 2))

    def gather(self, table: Tensor) -> Tensor:
        return table

    def relabel(self, index: int, probs: Tensor, weight: Tensor) -> None:
        raise AssertionError("a curriculum rewrites no label")


def _batch(label: Tensor, index: int) -> Batch:
    flag = torch.tensor([False])
    number = torch.tensor([index])
    return Batch(torch.zeros(1, 1, 8, 8), one_hot(label, 2), torch.ones(1, 8, 8), flag, ~flag, number, number, number)


def attached(samples: Samples, **options: object) -> Curriculum:
    curriculum = Curriculum(epochs=10, **options)  # type: ignore[arg-type]
    curriculum.attach(nn.Identity(), samples)
    return curriculum


def test_the_easiest_are_drawn_and_clean_ones_always(samples: Samples) -> None:
    wrong = [0, 9, 1, 8, 2, 7, 3, 6]  # sample 1 is clean and the hardest
    curriculum = attached(samples, start_fraction=0.5, strata=1)
    curriculum.audit(FixedView(samples, wrong), epoch=1)
    drawn = curriculum.sample_weights(samples, epoch=1)
    assert drawn.tolist() == [1, 1, 1, 0, 1, 0, 1, 0]


def test_everything_is_drawn_before_the_first_ranking_and_after_the_growth(samples: Samples) -> None:
    curriculum = attached(samples, full_at=0.5, warmup_epochs=2)
    assert [curriculum.share(epoch) for epoch in (0, 1)] == [1.0, 1.0]
    assert curriculum.share(2) == 0.3
    assert curriculum.share(5) == 1.0
    assert 0.3 < curriculum.share(3) < curriculum.share(4) < 1.0


def test_a_ranking_is_one_pass_and_only_where_needed(samples: Samples) -> None:
    view = FixedView(samples, [0] * 8)
    curriculum = attached(samples, rank_every=2)
    for epoch in range(10):
        curriculum.audit(view, epoch)
    assert view.passes == 3  # epochs 1, 3, 5; from epoch 7 on all samples are drawn


def test_small_objects_are_ranked_among_their_like(samples: Samples) -> None:
    curriculum = attached(samples, start_fraction=0.5, strata=2)
    curriculum.size.copy_(torch.tensor([0.1, 0.1, 0.1, 0.1, 0.5, 0.5, 0.5, 0.5]))
    curriculum.difficulty.copy_(torch.tensor([0.5, 0.6, 0.7, 0.8, 0.1, 0.2, 0.3, 0.4]))
    noisy = samples._replace(clean=torch.zeros(8, dtype=torch.bool))
    assert curriculum.sample_weights(noisy, epoch=1).tolist() == [1, 1, 0, 0, 1, 1, 0, 0]


def test_disagreement_matches_a_plain_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, 3, (2, 6, 5), generator=generator, dtype=torch.uint8)
    probs = torch.rand(2, 3, 6, 5, generator=generator).softmax(dim=1)
    weight = torch.rand(2, 6, 5, generator=generator)
    batch = _batch(torch.zeros(1, 8, 8, dtype=torch.uint8), 0)._replace(target=one_hot(label, 3), weight=weight)
    expected = []
    for b in range(2):
        classes = []
        for c in range(3):
            inside = (label[b] == c).numpy()
            w = weight[b].numpy()[inside]
            classes.append(1 - (w * probs[b, c].numpy()[inside]).sum() / w.sum())
        expected.append(np.mean(classes))
    assert class_balanced_disagreement(Seen(batch, probs)).numpy() == pytest.approx(expected, abs=1e-6)


def test_a_sample_without_a_trusted_pixel_is_hardest() -> None:
    batch = _batch(torch.zeros(1, 8, 8, dtype=torch.uint8), 0)
    unsure = batch._replace(weight=torch.zeros(1, 8, 8))
    assert class_balanced_disagreement(Seen(unsure, batch.target)).item() == 1.0


def test_overlapping_disagreement_is_the_mean_of_the_problems() -> None:
    right = one_hot(torch.ones(1, 8, 8, dtype=torch.uint8), 2)
    target = torch.stack([right, right], dim=1)  # (1, 2, 2, H, W)
    probs = torch.stack([right, 1 - right], dim=1)  # right about the first class, wrong about the second
    batch = _batch(torch.zeros(1, 8, 8, dtype=torch.uint8), 0)._replace(target=target)
    assert class_balanced_disagreement(Seen(batch, probs)).item() == pytest.approx(0.5)


@pytest.mark.parametrize("by", ["disagreement", "loss"])
def test_both_judges_rank_by_the_wrong_pixels(samples: Samples, by: str) -> None:
    noisy = samples._replace(clean=torch.zeros(8, dtype=torch.bool))
    curriculum = attached(noisy, by=by, start_fraction=0.5, strata=1)
    curriculum.audit(FixedView(noisy, [0, 9, 1, 8, 2, 7, 3, 6]), epoch=1)
    assert curriculum.sample_weights(noisy, epoch=1).tolist() == [1, 0, 1, 0, 1, 0, 1, 0]


def test_small_objects_come_last_by_size(samples: Samples) -> None:
    noisy = samples._replace(clean=torch.zeros(8, dtype=torch.bool))
    curriculum = attached(noisy, by="size", start_fraction=0.5)
    curriculum.audit(FixedView(noisy, [20, 0, 19, 1, 18, 2, 17, 3]), epoch=1)  # fewer pixels are left of the object
    assert curriculum.sample_weights(noisy, epoch=1).tolist() == [0, 1, 0, 1, 0, 1, 0, 1]


def test_clean_samples_come_first_by_clean(samples: Samples) -> None:
    mixed = samples._replace(clean=torch.tensor([True, False] * 4))
    seen = next(iter(FixedView(mixed, [0] * 8)))
    batch = Batch(*(torch.cat([column] * 8) for column in seen.batch))._replace(clean=mixed.clean)
    ranks = difficulty("clean", Seen(batch, torch.cat([seen.probs] * 8)))
    assert ranks[mixed.clean].max() < ranks[~mixed.clean].min()
    assert len(set(ranks.tolist())) == 8  # in a random order among their like
    with pytest.raises(ConfigError, match=r"name them by data\.clean"):
        attached(samples._replace(clean=torch.zeros(8, dtype=torch.bool)), by="clean")


def test_the_teacher_judges_by_its_own_belief(samples: Samples) -> None:
    """The model is right about every label; a teacher that knows one class only disagrees where the other is."""
    noisy = samples._replace(clean=torch.zeros(8, dtype=torch.bool))
    curriculum = Curriculum(epochs=10, by="teacher", start_fraction=0.5, strata=1)
    knows_one = nn.Conv2d(1, 2, 1)
    nn.init.zeros_(knows_one.weight)
    with torch.no_grad():
        knows_one.bias.copy_(torch.tensor([5.0, -5.0]))
    curriculum.attach(knows_one, noisy)
    assert curriculum.teacher is not None
    curriculum.audit(FixedView(noisy, [32, 0, 32, 0, 32, 0, 32, 0]), epoch=1)  # 32: nothing but background is given
    assert curriculum.sample_weights(noisy, epoch=1).tolist() == [1, 0, 1, 0, 1, 0, 1, 0]


def test_the_mean_loss_is_that_of_its_trusted_pixels() -> None:
    target = one_hot(torch.ones(1, 8, 8, dtype=torch.uint8), 2)
    probs = torch.full((1, 2, 8, 8), 0.5)
    probs[:, 0, 0], probs[:, 1, 0] = 0.1, 0.9
    weight = torch.zeros(1, 8, 8)
    weight[:, 0], weight[:, 1] = 1.0, 0.5
    batch = _batch(torch.zeros(1, 8, 8, dtype=torch.uint8), 0)._replace(target=target, weight=weight)
    expected = (8 * -np.log(0.9) + 4 * -np.log(0.5)) / 12
    assert mean_loss(Seen(batch, probs)).item() == pytest.approx(expected, rel=1e-5)
    assert mean_loss(Seen(batch._replace(weight=0 * weight), probs)).item() == np.inf


def test_every_value_out_of_range_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        Curriculum(epochs=0, start_fraction=1.5, rank_every=0)
    assert len(error.value.faults) == 3


@pytest.mark.parametrize("kind", ["linear", "root", "step"])
def test_pacing_grows_from_start_to_one(kind: str) -> None:
    values = [pace(kind, 0.2, t / 10) for t in range(11)]  # type: ignore[arg-type]
    assert values[0] == pytest.approx(0.2)
    assert values[-1] == 1.0
    assert values == sorted(values)
