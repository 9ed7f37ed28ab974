"""ADELE: when a class begins to be memorised, and what of its labels is then rewritten."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import zoom
from scipy.special import expit
from sklearn.metrics import jaccard_score
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise import EarlyLearningCorrection
from segtrain.noise.early_learning_correction import averaged_probs, corrected
from segtrain.types import Seen, one_hot, to_probs
from tests.noise.fixed_view import FixedView, batch_of

ALL = torch.ones(1, 3, dtype=torch.bool)


def drawn(*shape: int, num_classes: int, seed: int) -> Tensor:
    return torch.randint(0, num_classes, shape, generator=torch.Generator().manual_seed(seed))


def believed(*shape: int, seed: int, axis: int) -> Tensor:
    """Probabilities, of which some are sure and others are not."""
    return (3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))).softmax(axis)


# What is rewritten.


def by_the_papers_rule(
    label: np.ndarray, probs: np.ndarray, counts: np.ndarray, flagged: list[int], sure: float
) -> np.ndarray:
    """Go through one image's pixels, labels (H, W) and probabilities (C, H, W), as the authors' merging does."""
    after, there = label.copy(), {0, *label[counts].tolist()}
    for place in np.ndindex(*label.shape):
        of_pixel = probs[(slice(None), *place)]
        new = int(of_pixel.argmax())
        may_go = label[place] in {0, *flagged}
        may_come = new in {0, *flagged} and new in there
        if of_pixel[new] > sure and may_go and may_come and counts[place]:
            after[place] = new
    return after


@pytest.mark.parametrize("flagged", [[], [1], [3], [1, 3], [1, 2, 3]])
def test_labels_are_rewritten_by_the_papers_rule(flagged: list[int]) -> None:
    label = drawn(3, 12, 12, num_classes=4, seed=0)
    label[1][label[1] == 3] = 0  # nobody drew class 3 in this image
    given = batch_of(one_hot(label, 4), [False, False, True])
    given = given._replace(weight=(torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(1)) > 0.2).float())
    probs = believed(3, 4, 12, 12, seed=2, axis=1)
    mask = torch.tensor([[number in flagged for number in range(4)]])
    after = corrected(given, probs, mask, 0.8)
    for i in (0, 1):
        rule = by_the_papers_rule(label[i].numpy(), probs[i].numpy(), given.weight[i].numpy() > 0, flagged, 0.8)
        assert (rule != label[i].numpy()).any() == any(number in label[i] for number in flagged)
        assert np.array_equal(after[i].argmax(0).numpy(), rule)
    assert torch.equal(after[2], given.target[2])  # it is clean
    assert set(after.unique().tolist()) == {0.0, 1.0}


def test_overlapping_classes_are_rewritten_each_by_itself() -> None:
    planes = drawn(2, 3, 12, 12, num_classes=2, seed=0)
    planes[1, 0] = 0  # nobody drew the first class in the second image
    given = batch_of(one_hot(planes, 2), [False, False])
    probs = believed(2, 3, 2, 12, 12, seed=1, axis=2)
    after = corrected(given, probs, torch.tensor([[False, True], [False, False], [False, True]]), 0.8)
    for i, k in np.ndindex(2, 3):
        rule = by_the_papers_rule(
            planes[i, k].numpy(), probs[i, k].numpy(), np.ones((12, 12), bool), [1] if k != 1 else [], 0.8
        )
        assert np.array_equal(after[i, k].argmax(0).numpy(), rule)
        assert (rule != planes[i, k].numpy()).any() == (k != 1 and (i, k) != (1, 0))


def test_only_sure_pixels_change_and_only_to_classes_that_the_label_has() -> None:
    given = batch_of(one_hot(torch.tensor([[[1, 1, 0, 0]]]), 3), [False])
    probs = torch.tensor([[0.9, 0.6, 0.1, 0.1], [0.05, 0.3, 0.85, 0.0], [0.05, 0.1, 0.05, 0.9]]).view(1, 3, 1, 4)
    after = corrected(given, probs, ALL, 0.8).argmax(1)
    # Sure background; unsure; sure of class 1, which is there; sure of class 2, which nobody drew in this image.
    assert after.flatten().tolist() == [0, 1, 1, 0]
    assert torch.equal(corrected(given, probs, ALL, 0.95), given.target)  # nobody is as sure as that


def test_soft_labels_stay_soft_where_they_are_not_rewritten() -> None:
    target = torch.tensor([[0.2, 0.3], [0.8, 0.7], [0.0, 0.0]]).view(1, 3, 1, 2)
    probs = torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.0, 0.0]]).view(1, 3, 1, 2)
    after = corrected(batch_of(target, [False]), probs, ALL, 0.8)
    assert after.squeeze().T.tolist() == [[1.0, 0.0, 0.0], pytest.approx([0.3, 0.7, 0.0])]


def test_ignored_pixels_do_not_say_what_an_image_has() -> None:
    given = batch_of(one_hot(torch.tensor([[[0, 2]]]), 3), [False])._replace(weight=torch.tensor([[[1.0, 0.0]]]))
    assert torch.equal(corrected(given, one_hot(torch.tensor([[[2, 0]]]), 3), ALL, 0.8), given.target)


# The averaged prediction.


def predict_by_place(image: Tensor) -> Tensor:
    """Believe in brightness, and in what lies to the right."""
    lean = torch.linspace(-2, 2, image.shape[-1])
    return to_probs(torch.stack([torch.zeros_like(image[:, 0]), image[:, 0] + lean], dim=1))


@pytest.mark.parametrize("scales", [[1.0], [0.5, 1.0], [0.5, 1.0, 1.5]])
def test_predictions_are_averaged_over_scales_and_mirror_images(scales: list[float]) -> None:
    """Against the same by SciPy, whose `grid_mode` puts a pixel's value into its middle."""
    image = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = np.zeros((64, 64))
    for scale in scales:
        scaled = zoom(image[0, 0].double().numpy(), scale, order=1, mode="nearest", grid_mode=True)
        lean = np.linspace(-2, 2, scaled.shape[1])
        plain, mirrored = expit(scaled + lean), expit(scaled[:, ::-1] + lean)[:, ::-1]
        for probs in (plain, mirrored):
            expected += zoom(probs, 1 / scale, order=1, mode="nearest", grid_mode=True) / (2 * len(scales))
    found = averaged_probs(predict_by_place, image, scales)[0]
    assert np.abs(found[1].numpy() - expected).max() < 1e-5
    assert torch.allclose(found.sum(0), torch.ones(64, 64))
    assert (found[1] - predict_by_place(image)[0, 1]).abs().max() > 0.1  # more than one prediction


@pytest.mark.parametrize(("size", "sides"), [(64, [32, 64, 96]), (40, [32, 32, 64]), (20, [32, 32, 32])])
def test_scaled_sides_are_multiples_of_32(size: int, sides: list[int]) -> None:
    seen: list[int] = []

    def predict(image: Tensor) -> Tensor:
        seen.append(image.shape[-1])
        return image.expand(1, 2, *image.shape[-2:])

    assert averaged_probs(predict, torch.ones(1, 1, size, size), [0.7, 1.0, 1.5]).shape == (1, 2, size, size)
    assert seen == [side for side in sides for _ in range(2)]  # plain and mirrored


# When.


class Believes(nn.Module):
    """A model that says background everywhere, with a logit of so much."""

    def __init__(self, logit: float = 9.0) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor([logit, 0.0, -9.0]))

    def forward(self, image: Tensor) -> Tensor:
        return self.bias.view(1, 3, 1, 1).expand(len(image), 3, *image.shape[-2:])


LABEL = torch.zeros(2, 64, 64, dtype=torch.long)
LABEL[:, :32, :32], LABEL[:, :32, 32:] = 1, 2
FLATTENING, CLIMBING = [16, 26, 27, 27, 27, 27, 27, 27], [9, 11, 13, 15, 17, 19, 21, 23]
"""Rows of the 32 that the model finds after each epoch: of class 1, and of class 2."""


def view_after(epoch: int, labels: Tensor = LABEL) -> FixedView:
    """A noisy image with an ignored column and a clean one, on which the model finds nothing of what is drawn."""
    probs = torch.zeros_like(LABEL)
    if epoch:
        probs[0, : FLATTENING[epoch - 1], :32] = 1
        probs[0, : CLIMBING[epoch - 1], 32:] = 2
    given = batch_of(one_hot(labels, 3), [False, True])
    given.weight[0, :, 0] = 0
    return FixedView([Seen(given, one_hot(probs, 3) * 0.7 + 0.1)])


def attached(logit: float = 9.0, **options: object) -> EarlyLearningCorrection:
    strategy = EarlyLearningCorrection(**options)  # type: ignore[arg-type]
    strategy.attach(Believes(logit), view_after(0).samples)
    return strategy


def audited(strategy: EarlyLearningCorrection, first: int = 0, last: int = 8) -> dict[int, FixedView]:
    """Give the training set as it was left after those epochs in which labels were rewritten."""
    views = {epoch: view_after(epoch) for epoch in range(first, last + 1)}
    for epoch, view in views.items():
        strategy.audit(view, epoch)
    return {epoch: view for epoch, view in views.items() if view.revised}


def test_the_agreement_is_the_iou_with_the_given_labels_of_noisy_samples() -> None:
    strategy = attached()
    audited(strategy, last=3)
    for epoch in (1, 2, 3):
        batch, probs = view_after(epoch).seen[0]
        pixels = batch.weight[0].numpy() > 0
        drawn_, found = LABEL[0].numpy()[pixels], probs[0].argmax(0).numpy()[pixels]
        expected = jaccard_score(drawn_, found, average=None)
        assert strategy.history_[epoch, 0].tolist() == pytest.approx(expected.tolist())


def test_the_class_that_begins_to_be_memorised_is_corrected_and_no_other() -> None:
    strategy = attached(correct_every=100)
    rewritten = audited(strategy)
    (epoch,) = rewritten
    assert epoch >= 4  # a fit needs so many points
    assert strategy.history_[0].tolist() == [[np.inf, epoch, np.inf]]
    ((index, (target, weight)),) = rewritten[epoch].revised.items()
    assert index == 0  # and not the clean sample
    expected = torch.where(LABEL[0] == 1, 0, LABEL[0])
    expected[:, 0] = LABEL[0, :, 0]  # ignored
    assert torch.equal(target, one_hot(expected, 3))
    assert torch.equal(weight, rewritten[epoch].seen[0].batch.weight[0])


def test_corrections_are_repeated() -> None:
    (first,) = audited(attached(correct_every=100))
    assert list(audited(attached(correct_every=2))) == list(range(first, 9, 2))
    assert list(audited(attached(correct_every=1))) == list(range(first, 9))


@pytest.mark.parametrize(
    "made",
    [
        lambda: attached(slope_drop=1 - 1e-9),  # no slope drops so far
        lambda: attached(measure_every=3),  # two points
        lambda: attached(confidence=0.9999),  # sigmoid(9) = 0.99988
        lambda: attached(logit=1.0),  # sigmoid(1) = 0.73
    ],
    ids=["never_flagged", "measured_twice", "never_confident", "never_sure"],
)
def test_with_its_mechanism_off_nothing_is_rewritten(made: Callable[[], EarlyLearningCorrection]) -> None:
    assert audited(made()) == {}


def test_the_averaged_teacher_corrects_and_not_the_model() -> None:
    strategy, student = attached(decay=0.5), Believes(-9.0)  # sure of class 1, everywhere
    for _ in range(30):
        strategy.after_step(student)
    rewritten = audited(strategy)
    target, _ = rewritten[min(rewritten)].revised[0]
    assert torch.equal(target.argmax(0)[:, 1:], torch.where(LABEL[0] == 0, 1, LABEL[0])[:, 1:])


def test_what_it_remembers_survives_a_checkpoint() -> None:
    unbroken = attached(correct_every=3)
    epochs = list(audited(unbroken))
    for stop in range(9):
        before = attached(correct_every=3)
        begun = audited(before, last=stop)
        after = attached(correct_every=3)
        after.load_state_dict(before.state_dict())
        assert [*begun, *audited(after, first=stop + 1)] == epochs
        assert torch.equal(after.history_, unbroken.history_)


def test_values_out_of_range_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        EarlyLearningCorrection(slope_drop=1.0, confidence=0.0, scales=[], measure_every=0, correct_every=0)
    assert len(error.value.faults) == 5
