"""Matrices of mistakes: passed through, estimated from simulated mistakes, made of counts."""

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor

from segtrain.noise.transition import estimate_transition, expected_agreement, through, transition_of
from segtrain.types import Seen, one_hot
from tests.noise.fixed_view import FixedView, batch_of

FLIPS = np.array([[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.1, 0.0, 0.9]])
"""(true, label)"""
SLIPS = np.array([[0.8, 0.2, 0.0], [0.1, 0.7, 0.2], [0.15, 0.15, 0.7]])
IMAGES = 16


def flipped(true: np.ndarray, matrix: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Give each pixel of class i the label j with probability matrix[i, j]."""
    return (chance.random(true.shape)[..., None] > matrix.cumsum(1)[true]).sum(-1)


def learned(true: np.ndarray, label: np.ndarray, clean: int, chance: np.random.Generator) -> Tensor:
    """Give what a network says (N, C, H, W) that was taught labels, as in the warm-up by samples that are not clean.

    It is a tree, which sees two features of each pixel. Its leaves are so large that they cannot know single labels.
    """
    features = np.array([[0, 0], [6, 0], [0, 6]])[true] + chance.normal(size=(*true.shape, 2))
    tree = DecisionTreeClassifier(min_samples_leaf=400, random_state=0)
    tree.fit(features[clean:].reshape(-1, 2), label[clean:].ravel())
    probs = tree.predict_proba(features.reshape(-1, 2)).reshape(*true.shape, -1)
    return torch.from_numpy(probs).float().movedim(-1, 1)


def simulated(matrices: dict[int, np.ndarray], clean: int = 0) -> FixedView:
    """Images by annotators in turn, the first few of them clean."""
    chance = np.random.default_rng(0)
    true = chance.choice(3, (IMAGES, 32, 32), p=[0.6, 0.3, 0.1])
    who = [sorted(matrices)[index % len(matrices)] for index in range(IMAGES)]
    label = np.stack([flipped(image, matrices[number], chance) for image, number in zip(true, who, strict=True)])
    label[:clean] = true[:clean]
    given, believed = one_hot(torch.from_numpy(label), 3), learned(true, label, clean, chance)
    return FixedView([Seen(batch_of(given[[i]], [i < clean], [who[i]], first=i), believed[[i]]) for i in range(IMAGES)])


# The loss's logits.


def matrices_of(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).softmax(-1)


def test_logits_become_those_of_labels() -> None:
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    matrices = matrices_of(2, 1, 3, 3)
    expected = np.zeros((2, 3, 4, 5))
    for b, label, row, column in np.ndindex(2, 3, 4, 5):
        scores = np.exp(logits[b, :, row, column].double().numpy())
        for true in range(3):
            expected[b, label, row, column] += matrices[b, 0, true, label] * scores[true] / scores.sum()
    found = through(logits, matrices)
    assert np.abs(found.softmax(1).numpy() - expected).max() < 1e-6
    assert np.abs(found.exp().numpy() - expected).max() < 1e-6  # log-probabilities already


def test_overlapping_classes_have_a_matrix_each() -> None:
    logits = torch.randn(2, 3, 2, 4, 5, generator=torch.Generator().manual_seed(0))
    matrices = matrices_of(2, 3, 2, 2)
    expected = np.zeros((2, 3, 2, 4, 5))
    for b, k, label, row, column in np.ndindex(2, 3, 2, 4, 5):
        scores = np.exp(logits[b, k, :, row, column].double().numpy())
        for true in range(2):
            expected[b, k, label, row, column] += matrices[b, k, true, label] * scores[true] / scores.sum()
    assert np.abs(through(logits, matrices).softmax(2).numpy() - expected).max() < 1e-6


def test_certainty_of_what_no_annotator_would_say_stays_finite() -> None:
    logits = torch.tensor([500.0, 0.0, -500.0]).view(1, 3, 1, 1).requires_grad_()
    seen = through(logits, torch.eye(3)[None, None])
    seen[:, 2].sum().backward()
    assert torch.isfinite(seen).all()
    assert torch.isfinite(logits.grad).all()  # type: ignore[arg-type]


def test_half_precision_does_not_round_small_probabilities_away() -> None:
    logits = torch.tensor([12.0, 0.0]).view(1, 2, 1, 1)
    matrices = torch.tensor([[[[0.999, 0.001], [0.0, 1.0]]]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = through(logits, matrices)
    assert half.dtype == torch.float32
    assert torch.equal(half, through(logits, matrices))


# How often labels are right.


@pytest.mark.parametrize("shape", [(2, 1, 3), (2, 3, 2)], ids=["exclusive", "overlapping"])
def test_classes_count_for_the_trace_by_how_often_they_are_predicted(shape: tuple[int, int, int]) -> None:
    count, problems, classes = shape
    logits = torch.randn(*shape, 4, 4, generator=torch.Generator().manual_seed(0))
    weight = torch.rand(count, 4, 4, generator=torch.Generator().manual_seed(1))
    weight[0, 0] = 0
    matrices = matrices_of(count, problems, classes, classes)
    right = total = 0.0
    for b, k, row, column in np.ndindex(count, problems, 4, 4):
        scores = np.exp(logits[b, k, :, row, column].double().numpy())
        for true in range(classes):
            part = float(weight[b, row, column]) * scores[true] / scores.sum()
            right += part * float(matrices[b, k, true, true])
            total += part
    given = logits.squeeze(1)  # (B, C, H, W) where classes exclude each other
    assert expected_agreement(given, matrices, weight).item() == pytest.approx(right / total, rel=1e-5)
    assert expected_agreement(given, matrices, torch.zeros_like(weight)).item() == 0


def test_the_trace_is_about_the_matrices_alone() -> None:
    logits = torch.zeros(1, 3, 2, 2, requires_grad=True)
    matrices = matrices_of(1, 1, 3, 3).requires_grad_()
    expected_agreement(logits, matrices, torch.ones(1, 2, 2)).backward()
    assert logits.grad is None
    assert torch.allclose(matrices.grad[0, 0], torch.eye(3) / 3)  # type: ignore[index]


# Estimates. The rarest class has about 1600 pixels, a leaf of the network at least 400: the standard errors of their
# shares are up to 0.012 and 0.023, and 0.05 is asked for.


@pytest.mark.parametrize("truth", [FLIPS, SLIPS], ids=["flips", "slips"])
@pytest.mark.parametrize("clean", [0, 4])
def test_simulated_mistakes_are_found_with_and_without_clean_samples(clean: int, truth: np.ndarray) -> None:
    view = simulated({-1: truth}, clean)
    (found,) = estimate_transition(view, 0).numpy()
    assert found.shape == (1, 3, 3)
    assert np.abs(found[0] - truth).max() < 0.05
    assert np.abs(truth - np.eye(3)).max() > 0.15  # to say that labels are right is farther off
    assert view.passes == (1 if clean else 2)


def test_right_labels_are_found_to_be_right() -> None:
    for clean in (0, 4):
        found = estimate_transition(simulated({-1: np.eye(3)}, clean), 0)
        assert np.abs(found[-1, 0].numpy() - np.eye(3)).max() < 0.05


def test_each_annotator_has_a_matrix_and_the_common_one_lies_between() -> None:
    found = estimate_transition(simulated({0: np.eye(3), 1: SLIPS}), 3)[:, 0].numpy()
    careful, careless, absent, common = found
    assert np.abs(careful - np.eye(3)).max() < 0.05
    assert np.abs(careless - SLIPS).max() < 0.05
    assert np.abs(common - (np.eye(3) + SLIPS) / 2).max() < 0.05
    assert np.array_equal(absent, common)


def test_clean_samples_tell_one_matrix_for_all_annotators() -> None:
    found = estimate_transition(simulated({0: np.eye(3), 1: SLIPS}, clean=4), 2)
    assert found.shape == (3, 1, 3, 3)
    assert (found == found[-1]).all()
    assert np.abs(found[-1, 0].numpy() - (np.eye(3) + SLIPS) / 2).max() < 0.05


@pytest.mark.parametrize("clean", [0, 4])
def test_mistakes_in_overlapping_classes_are_found_for_each(clean: int) -> None:
    truth = [np.array([[1.0, 0.0], [0.3, 0.7]]), np.array([[0.9, 0.1], [0.0, 1.0]])]
    chance = np.random.default_rng(0)
    given, believed = [], []
    for matrix in truth:
        true = chance.choice(2, (IMAGES, 32, 32), p=[0.7, 0.3])
        label = flipped(true, matrix, chance)
        label[:clean] = true[:clean]
        given.append(one_hot(torch.from_numpy(label), 2))
        believed.append(learned(true, label, clean, chance))
    batch = batch_of(torch.stack(given, dim=1), [index < clean for index in range(IMAGES)])  # (N, K, 2, H, W)
    found = estimate_transition(FixedView([Seen(batch, torch.stack(believed, dim=1))]), 0)[-1].numpy()
    assert np.abs(found - np.stack(truth)).max() < 0.05


def test_ignored_pixels_do_not_count() -> None:
    view = simulated({-1: FLIPS}, clean=4)
    batch, probs = view.seen[0]
    wrong = Seen(batch._replace(weight=torch.zeros_like(batch.weight)), 1 - probs)
    assert torch.equal(
        estimate_transition(FixedView([*view.seen, wrong]), 0), estimate_transition(FixedView(view.seen), 0)
    )


# Counts.


def test_counts_become_matrices() -> None:
    """Against scikit-learn, belief standing for truth."""
    chance = np.random.default_rng(0)
    joints, expected = [], []
    for _ in range(2):
        believed = chance.integers(0, 3, 500)
        label = flipped(believed, SLIPS, chance)
        joints.append(confusion_matrix(label, believed))
        expected.append(confusion_matrix(believed, label, normalize="true"))
    found = transition_of(torch.tensor(np.stack(joints)[:, None]).float())
    assert np.allclose(found[:, 0].numpy(), np.stack(expected))


def test_a_row_that_was_not_learned_is_that_of_all_and_theirs_says_that_labels_are_right() -> None:
    own = torch.tensor([[8.0, 0.0, 0.0], [2.0, 0.0, 6.0], [0.0, 0.0, 4.0]])  # (label, believed)
    common = torch.tensor([[8.0, 1.0, 0.0], [2.0, 3.0, 6.0], [0.0, 0.0, 4.0]])
    found = transition_of(torch.stack([own, common])[:, None])[:, 0]
    right = [0.0, 0.0, 1.0]  # class 2 is mostly labelled 1: not learned by anybody
    assert found[0].flatten().tolist() == pytest.approx([0.8, 0.2, 0.0, 0.25, 0.75, 0.0, *right])
    assert found[1].flatten().tolist() == pytest.approx([0.8, 0.2, 0.0, 0.25, 0.75, 0.0, *right])


def test_rows_add_up_to_one_whatever_was_counted() -> None:
    counts = torch.randint(0, 20, (4, 2, 3, 3), generator=torch.Generator().manual_seed(0)).float()
    counts[1], counts[:, 0, :, 1] = 0, 0
    found = transition_of(counts)
    assert torch.allclose(found.sum(-1), torch.ones(4, 2, 3))
    assert (found.diagonal(dim1=-2, dim2=-1) > 0.5).all()
