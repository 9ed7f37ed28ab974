"""Fusing several masks, against plain loops over pixels and annotators whose errors are known."""

import numpy as np
import pytest

from segtrain.noise.ballots import Ballots, count_ballots, hardened, vote_shares
from segtrain.noise.fusion import (
    Case,
    confusion_of,
    dawid_skene,
    expected_counts,
    log_likelihood,
    posterior,
    settled,
    staple,
)
from segtrain.types import IGNORE


def simulated(truth: np.ndarray, confusion: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """What annotators with these confusion matrices (A, C, C) say of pixels whose classes are known."""
    masks = []
    for rates in confusion:
        upto = rates[truth].cumsum(axis=1)
        masks.append((rng.random((len(truth), 1)) >= upto).sum(axis=1).clip(0, rates.shape[1] - 1).astype(np.uint8))
    return masks


def matrices(rng: np.random.Generator, annotators: int, classes: int, right: float = 0.75) -> np.ndarray:
    wrong = rng.dirichlet(np.ones(classes), (annotators, classes))
    share = rng.uniform(right - 0.15, right + 0.15, (annotators, classes, 1))
    return share * np.eye(classes) + (1 - share) * wrong


@pytest.mark.parametrize(("annotators", "classes"), [(3, 2), (12, 6)])
def test_ballots_hold_what_each_pixel_was_called(annotators: int, classes: int) -> None:
    rng = np.random.default_rng(0)
    masks = [rng.integers(0, classes, 500).astype(np.uint8) for _ in range(annotators)]
    masks[0][:50] = IGNORE
    ballots, places = count_ballots(masks)
    assert np.array_equal(ballots.votes[places], np.stack(masks, axis=1))
    assert np.array_equal(np.bincount(places), ballots.counts)
    assert len(np.unique(ballots.votes, axis=0)) == len(ballots.votes)
    rows = [set(row[row != IGNORE].tolist()) for row in ballots.votes]
    assert ballots.disputed.tolist() == [len(row) > 1 for row in rows]
    assert ballots.only(ballots.disputed).counts.sum() == sum(len(rows[place]) > 1 for place in places)


def test_votes_of_nobody_are_uniform_and_ignored_ones_do_not_count() -> None:
    votes = np.array([[0, 1, 1], [2, IGNORE, IGNORE], [IGNORE] * 3], np.uint8)
    expected = [[1 / 3, 2 / 3, 0], [0, 0, 1], [1 / 3, 1 / 3, 1 / 3]]
    assert np.allclose(vote_shares(votes, 3), expected)
    assert np.allclose(hardened(vote_shares(votes, 3)), [[0, 1, 0], [0, 0, 1], [1 / 3, 1 / 3, 1 / 3]])


def test_the_posterior_is_bayes_rule() -> None:
    rng = np.random.default_rng(1)
    confusion, prior = matrices(rng, 3, 4), rng.dirichlet(np.ones(4))
    votes = rng.integers(0, 4, (20, 3)).astype(np.uint8)
    votes[3, 1] = IGNORE
    for said, found in zip(votes, posterior(log_likelihood(votes, confusion), prior), strict=True):
        joint = prior.copy()
        for annotator, vote in enumerate(said):
            if vote != IGNORE:
                joint = joint * confusion[annotator, :, vote]
        assert np.allclose(found, joint / joint.sum())


def warfield(masks: np.ndarray, rounds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """STAPLE for two classes as the paper has it, pixel by pixel, with sensitivities p and specificities q."""
    prior = masks.mean()
    p = q = np.full(len(masks), 0.9)
    for _ in range(rounds):
        weight = np.empty(masks.shape[1])
        for i in range(masks.shape[1]):
            a, b = prior, 1 - prior
            for j in range(len(masks)):
                a *= p[j] if masks[j, i] else 1 - p[j]
                b *= 1 - q[j] if masks[j, i] else q[j]
            weight[i] = a / (a + b)
        p = np.array([(weight * mask).sum() / weight.sum() for mask in masks])
        q = np.array([((1 - weight) * (1 - mask)).sum() / (1 - weight).sum() for mask in masks])
    return weight, p, q


def test_staple_is_the_papers_loop() -> None:
    rng = np.random.default_rng(2)
    truth = (rng.random(3000) < 0.3).astype(int)
    rates = np.array([[[0.95, 0.05], [0.1, 0.9]], [[0.8, 0.2], [0.3, 0.7]], [[0.7, 0.3], [0.05, 0.95]]])
    masks = simulated(truth, rates, rng)
    ballots, places = count_ballots(masks)
    probs, confusion = staple(ballots, 2, 500, 1e-9)
    weight, p, q = warfield(np.stack(masks).astype(float), 120)
    # One pixel for each class is added to the counts of hundreds.
    assert np.allclose(confusion[:, 1, 1], p, atol=5e-3)
    assert np.allclose(confusion[:, 0, 0], q, atol=5e-3)
    assert np.allclose(probs[places, 1], weight, atol=1e-2)


def test_staple_of_several_classes_finds_each_annotators_confusion() -> None:
    rng = np.random.default_rng(3)
    truth, rates = rng.choice(3, 40_000, p=[0.5, 0.3, 0.2]), matrices(rng, 5, 3)
    ballots, places = count_ballots(simulated(truth, rates, rng))
    probs, confusion = staple(ballots, 3, 500, 1e-7)
    assert np.allclose(confusion, rates, atol=0.03)
    fused = (probs.argmax(axis=1)[places] == truth).mean()
    assert fused > (vote_shares(ballots.votes, 3).argmax(axis=1)[places] == truth).mean()


def images(rng: np.random.Generator, rates: np.ndarray, count: int = 8) -> list[tuple[np.ndarray, list[np.ndarray]]]:
    """Images of very different shares of the classes, each with (truth, masks)."""
    found = []
    for _ in range(count):
        truth = rng.choice(rates.shape[1], 1500, p=rng.dirichlet(np.ones(rates.shape[1])))
        found.append((truth, simulated(truth, rates, rng)))
    return found


def textbook(masks: list[np.ndarray], classes: int, rounds: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Dawid and Skene's EM pixel by pixel: a confusion matrix for each annotator, a prior for each image."""
    said = [np.stack([np.eye(classes)[mask] for mask in image]) for image in masks]  # each (A, N, C)
    truth = [image.mean(axis=0) for image in said]
    priors = [image.mean(axis=0) for image in truth]
    for _ in range(rounds):
        counts = sum(np.einsum("nc,and->acd", t, s) for t, s in zip(truth, said, strict=True))
        rates = counts / counts.sum(axis=2, keepdims=True)
        truth = []
        for image, prior in zip(said, priors, strict=True):
            joint = prior * np.prod(np.einsum("acd,and->anc", rates, image), axis=0)
            truth.append(joint / joint.sum(axis=1, keepdims=True))
        priors = [image.mean(axis=0) for image in truth]
    return rates, truth


def learned(cases: list[Case], size: tuple[int, int, int]) -> np.ndarray:
    return dawid_skene(cases, size, lambda table: table, 200, 1e-6)


def test_dawid_and_skene_is_the_textbooks_loop() -> None:
    rng = np.random.default_rng(4)
    rates = matrices(rng, 4, 3)
    masks = [image for _, image in images(rng, rates)]
    ballots = [count_ballots(image) for image in masks]
    found = learned([Case(0, [0, 1, 2, 3], one) for one, _ in ballots], (1, 4, 3))[0]
    expected, truth = textbook(masks, 3, 150)
    assert np.allclose(found, expected, atol=5e-3)
    for (one, places), probs in zip(ballots, truth, strict=True):
        fused = settled(one, found)[places]
        assert np.abs(fused - probs).mean() < 5e-3


def test_dawid_and_skene_finds_confusions_where_not_everybody_drew_every_image() -> None:
    rng = np.random.default_rng(5)
    rates = matrices(rng, 5, 3, right=0.8)
    cases = []
    for _, masks in images(rng, rates, 30):
        who = sorted(rng.choice(5, 3, replace=False).tolist())
        cases.append(Case(0, who, count_ballots([masks[number] for number in who])[0]))
    assert np.allclose(learned(cases, (1, 5, 3))[0], rates, atol=0.05)


def test_a_careful_annotator_outweighs_two_careless_ones() -> None:
    rng = np.random.default_rng(6)
    rates = np.array([[[0.98, 0.02], [0.02, 0.98]]] + [[[0.65, 0.35], [0.35, 0.65]]] * 2)
    shown = images(rng, rates, 10)
    ballots = [count_ballots(masks) for _, masks in shown]
    found = learned([Case(0, [0, 1, 2], one) for one, _ in ballots], (1, 3, 2))[0]
    fused, voted = [], []
    for (truth, _), (one, places) in zip(shown, ballots, strict=True):
        probs = settled(one, found)
        fused.append((probs.argmax(axis=1)[places] == truth).mean())
        voted.append((vote_shares(one.votes, 2).argmax(axis=1)[places] == truth).mean())
    assert np.mean(fused) > 0.96 > 0.9 > np.mean(voted)


def test_problems_are_learned_apart() -> None:
    rng = np.random.default_rng(7)
    rates = np.stack([matrices(rng, 3, 2, right=0.85) for _ in range(2)])
    cases = [
        Case(problem, [0, 1, 2], count_ballots(masks)[0])
        for problem in range(2)
        for _, masks in images(rng, rates[problem], 20)
    ]
    assert np.allclose(learned(cases, (2, 3, 2)), rates, atol=0.06)


def test_a_class_that_nobody_met_leaves_annotators_trustworthy() -> None:
    ballots = Ballots(np.zeros((1, 2), np.uint8), np.array([100]))
    counts = expected_counts(ballots, np.array([[1.0, 0.0, 0.0]]))
    assert counts[:, 0].tolist() == [[100, 0, 0]] * 2
    rates = confusion_of(counts)
    assert np.allclose(rates.sum(axis=2), 1)
    assert np.allclose(rates[0, 1], [0.05, 0.9, 0.05])
    assert rates.min() > 0
