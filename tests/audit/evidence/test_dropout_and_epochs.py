"""Evidence by further opinions of the model: passes with dropout, earlier epochs, the averaged weights."""

import numpy as np
import pytest
import torch

from segtrain.audit.evidence import EpochLosses, TeacherDisagreement, Uncertainty, against, uncertainty_of
from segtrain.errors import ConfigError
from segtrain.types import IGNORE
from tests.audit.evidence.looks import another, look_at, probs_of, random_look, scene


def passes(seed: int = 0, count: int = 5) -> np.ndarray:
    return np.stack([random_look(10 * seed + number).probs for number in range(count)])


def test_entropy_and_mutual_information_are_those_of_torch() -> None:
    probs = passes()
    mutual, entropy = uncertainty_of(probs)
    torch_probs = torch.from_numpy(probs).double()
    expected = torch.distributions.Categorical(torch_probs.mean(0).movedim(0, -1)).entropy()
    each = torch.distributions.Categorical(torch_probs.movedim(1, -1)).entropy().mean(0)
    assert np.allclose(entropy, expected.numpy() / np.log(3), atol=1e-5)
    assert np.allclose(mutual, (expected - each).numpy() / np.log(3), atol=1e-5)
    assert ((mutual >= 0) & (mutual <= entropy + 1e-6) & (entropy <= 1)).all()


def test_passes_that_agree_have_no_mutual_information() -> None:
    look = random_look()
    mutual, _ = uncertainty_of(np.stack([look.probs] * 4))
    assert np.allclose(mutual, 0, atol=1e-6)
    doubt = Uncertainty()(look._replace(passes=np.stack([look.probs] * 4)))
    assert np.allclose(doubt, against(look.label, look.probs), atol=1e-5)


def test_disagreement_with_an_unsure_model_is_weak_evidence() -> None:
    """Both models believe the other class equally in the mean; one is of one mind, the other is not."""
    label = np.zeros((2, 2), np.uint8)
    steady = np.stack([probs_of(1 - label, 0.75, 2)] * 4)
    torn = np.stack([probs_of(1 - label, 0.999, 2)] * 3 + [probs_of(label, 0.996, 2)])
    look = look_at(label, steady[0])
    sure, unsure = (Uncertainty()(look._replace(passes=each)) for each in (steady, torn))
    assert np.allclose(steady.mean(0), torn.mean(0), atol=2e-3)
    assert sure == pytest.approx(0.75)
    assert (unsure < 0.3).all()
    entropies = [Uncertainty("entropy")(look._replace(passes=each)) for each in (steady, torn)]
    assert np.allclose(*entropies, atol=5e-3)


@pytest.mark.parametrize("overlapping", [False, True])
def test_the_mean_of_the_epochs_is_the_probability_measure(overlapping: bool) -> None:
    label = scene(overlapping=overlapping)
    snapshots = np.stack([probs_of(label, sure) for sure in (0.4, 0.7, 0.9)])
    doubt = EpochLosses()(look_at(label, snapshots[-1], snapshots=snapshots))
    assert doubt[label != IGNORE] == pytest.approx(1 - np.mean([0.4, 0.7, 0.9]), abs=1e-6)


def test_a_label_that_was_learned_by_heart_is_more_doubtful_than_its_last_epoch_says() -> None:
    label = scene()
    early = [probs_of(another(label), 0.9)] * 3
    look = look_at(label, probs_of(label, 0.9), snapshots=np.stack([*early, probs_of(label, 0.9)]))
    valid = label != IGNORE
    assert (EpochLosses()(look)[valid] > against(label, look.probs)[valid] + 0.3).all()


def test_of_two_classes_margin_and_probability_are_the_same() -> None:
    look = random_look(classes=2)
    look = look._replace(snapshots=np.stack([random_look(seed, 2).probs for seed in range(4)]))
    assert np.allclose(EpochLosses("margin")(look), EpochLosses()(look), atol=1e-6)


def test_the_margin_is_the_area_under_it() -> None:
    look = random_look()
    snapshots = np.stack([random_look(seed).probs for seed in range(4)])
    expected = np.zeros(look.label.shape)
    for row, column in np.ndindex(look.label.shape):
        for probs in snapshots[:, :, row, column]:
            own = probs[look.label[row, column]]
            expected[row, column] += (own - np.delete(probs, look.label[row, column]).max()) / len(snapshots)
    doubt = EpochLosses("margin")(look._replace(snapshots=snapshots))
    assert np.allclose(doubt, (1 - expected) / 2, atol=1e-6)


def test_the_teacher_is_asked_not_the_student() -> None:
    label = scene()
    look = look_at(label, probs_of(label, 0.99), teacher=probs_of(another(label), 0.9))
    assert np.array_equal(TeacherDisagreement()(look), against(label, probs_of(another(label), 0.9)))


@pytest.mark.parametrize("kind", [Uncertainty, EpochLosses])
def test_an_unknown_measure_is_refused(kind: type) -> None:
    with pytest.raises(ConfigError, match=f"The 'measure' of {kind.__name__} must be"):
        kind(measure="loss")
