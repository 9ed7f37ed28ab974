"""Confident learning beside cleanlab's, on the same labels and probabilities."""

import numpy as np
import pytest
from cleanlab.count import compute_confident_joint, get_confident_thresholds
from cleanlab.filter import find_label_issues
from cleanlab.segmentation.filter import find_label_issues as find_pixel_issues

from segtrain.audit.evidence import ConfidentLearning, Look
from segtrain.types import IGNORE
from tests.audit.evidence.looks import another, look_at, probs_of, random_look, scene


def learned(looks: list[Look]) -> ConfidentLearning:
    evidence = ConfidentLearning()
    for look in looks:
        evidence.learn(look)
    evidence.settle()
    return evidence


def flat(looks: list[Look]) -> tuple[np.ndarray, np.ndarray]:
    """Give all pixels' labels (n,) and probabilities (n, C), as cleanlab takes them."""
    return (
        np.concatenate([look.label.ravel() for look in looks]),
        np.concatenate([look.probs.reshape(len(look.probs), -1).T for look in looks]),
    )


def single(probs: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Tell the pixels whose likeliest class is confident if any is.

    For the others cleanlab takes the likeliest class, though it is not confident, where the paper takes the likeliest
    confident one.
    """
    confident = probs >= thresholds - 1e-6
    return ~confident.any(1) | confident[np.arange(len(probs)), probs.argmax(1)] | (confident.sum(1) == 1)


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_thresholds_are_those_of_cleanlab(classes: int) -> None:
    looks = [random_look(seed, classes) for seed in range(4)]
    assert np.allclose(learned(looks).thresholds, get_confident_thresholds(*flat(looks)), atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_the_confident_joint_is_that_of_cleanlab(classes: int) -> None:
    looks = [random_look(seed, classes) for seed in range(4)]
    evidence = learned(looks)
    labels, probs = flat(looks)
    alike = single(probs, evidence.thresholds)
    assert alike.all() if classes == 2 else alike.mean() > 0.95
    for look, fine in zip(looks, np.split(alike, len(looks)), strict=True):
        evidence(look._replace(label=np.where(fine.reshape(look.label.shape), look.label, IGNORE).astype(np.uint8)))
    expected = compute_confident_joint(
        labels[alike], probs[alike], thresholds=get_confident_thresholds(labels, probs), calibrate=False
    )
    assert np.array_equal(evidence.joint, expected)


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_doubtful_pixels_are_the_issues_that_cleanlab_finds_by_confident_learning(classes: int) -> None:
    looks = [random_look(seed, classes) for seed in range(4)]
    evidence = learned(looks)
    labels, probs = flat(looks)
    doubtful = np.concatenate([evidence(look).ravel() for look in looks]) > 0
    issues = find_label_issues(labels, probs, filter_by="confident_learning", n_jobs=1)
    alike = single(probs, evidence.thresholds)
    own = probs[np.arange(len(labels)), labels]
    confident = np.where(probs >= evidence.thresholds - 1e-6, probs, -1).max(1)
    unsure = (confident >= 0) & (own > confident)  # the label is likelier than the confident class: no doubt
    compared = alike & ~(unsure & (probs.argmax(1) != labels))
    assert np.array_equal(doubtful[compared], issues[compared])
    assert not doubtful[unsure].any()
    assert compared.all() if classes == 2 else compared.mean() > 0.9


def test_of_two_classes_as_many_are_doubtful_as_cleanlab_estimates_for_segmentation() -> None:
    """It counts the same, and takes the so many least believed labels for the issues."""
    looks = [random_look(seed, 2) for seed in range(4)]
    evidence = learned(looks)
    doubtful = np.stack([evidence(look) for look in looks]) > 0
    labels, probs = np.stack([look.label for look in looks]), np.stack([look.probs for look in looks])
    issues = find_pixel_issues(labels, probs, downsample=1, n_jobs=1, verbose=False)
    assert doubtful.sum() == issues.sum()
    assert (doubtful & issues).sum() > 0.9 * issues.sum()


def test_the_margin_grades_the_doubt() -> None:
    label = np.array([[0, 0, 1, 1]], np.uint8)
    probs = np.array([[0.9, 0.2, 0.3, 0.05], [0.1, 0.8, 0.7, 0.95]], np.float32)[:, None]
    doubt = learned([look_at(label, probs)])(look_at(1 - label, probs))
    assert doubt[0] == pytest.approx([0.9, 0, 0, 0.95])  # thresholds 0.55 and 0.825; those between are of neither
    assert doubt.dtype == np.float32


def test_a_rare_class_that_is_little_believed_has_a_low_threshold() -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[:4, :4] = 1
    probs = probs_of(truth, 0.9, 2)
    probs[:, :4, :4] = np.array([0.55, 0.45])[:, None, None]
    evidence = learned([look_at(truth, probs)])
    assert evidence.thresholds == pytest.approx([0.9, 0.45])


def test_noise_rates_are_the_shares_that_were_swapped() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (200, 200)).astype(np.uint8)
    swapped = (truth == 0) & (rng.random(truth.shape) < 0.3)
    look = look_at(np.where(swapped, 1, truth).astype(np.uint8), probs_of(truth, 0.9))
    evidence = learned([look])
    evidence(look)
    rates = evidence.noise_rates
    share = float(swapped.sum() / (look.label == 1).sum())
    assert rates[1][0] == pytest.approx(share)
    assert rates[0] == {1: 0.0, 2: 0.0}
    assert rates[2] == {0: 0.0, 1: 0.0}


def test_overlapping_classes_are_problems_of_two() -> None:
    truth = scene(overlapping=True)
    label = truth.copy()
    label[0, :6, :6] = 1
    look = look_at(label, probs_of(truth, 0.9))
    evidence = learned([look, look_at(truth, probs_of(truth, 0.9))])
    doubt = evidence(look)
    assert evidence.joint.shape == (2, 2, 2)
    assert np.array_equal(doubt > 0, (label != truth))
    drawn = (label[0] == 1).sum()
    assert evidence.noise_rates[0] == {0: pytest.approx((label != truth).sum() / drawn), 1: 0.0}


def test_one_overlapping_class_is_a_plane_of_its_own() -> None:
    truth = scene(overlapping=True)[:1]
    evidence = learned([look_at(truth, probs_of(truth))])
    evidence(look_at(truth, probs_of(truth)))
    assert evidence.joint.shape == (1, 2, 2)
    assert evidence.thresholds.shape == (1, 2)
    assert evidence.noise_rates == {0: {0: 0.0, 1: 0.0}}


def test_before_it_has_learned_it_knows_no_rates() -> None:
    assert ConfidentLearning().noise_rates == {}


def test_learning_streams() -> None:
    looks = [random_look(seed) for seed in range(5)]
    together, _ = flat(looks)
    assert np.array_equal(learned(looks)(looks[0]), learned(looks[::-1])(looks[0]))
    assert learned(looks)._counts.sum() == len(together)


def test_a_class_that_was_never_seen_convinces_nobody() -> None:
    label = np.zeros((4, 4), np.uint8)
    evidence = learned([look_at(label, probs_of(label))])
    assert not evidence(look_at(label, probs_of(another(label), 0.99))).any()


def test_it_judges_after_it_has_learned() -> None:
    with pytest.raises(RuntimeError, match="after it has learned"):
        ConfidentLearning()(random_look())
