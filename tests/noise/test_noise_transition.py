"""Labels compared with predictions that were passed through a matrix of mistakes, of each annotator if known."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.losses import CrossEntropy
from segtrain.noise import NoiseTransition
from segtrain.noise.transition import through
from segtrain.types import Batch, Progress, Samples, Seen, one_hot, to_probs
from tests.noise.fixed_view import FixedView, batch_of

EARLY, LATE = Progress(1, 10, 10, 100), Progress(9, 90, 10, 100)
FLIPS = np.array([[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.1, 0.0, 0.9]])
"""(true, label)"""
SLIPS = np.array([[0.7, 0.3, 0.0], [0.1, 0.9, 0.0], [0.0, 0.25, 0.75]])
RIGHT = np.eye(3)


def flipped(true: np.ndarray, matrix: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Give each pixel of class i the label j with probability matrix[i, j]."""
    return (chance.random(true.shape)[..., None] > matrix.cumsum(1)[true]).sum(-1)


def samples_of(batch: Batch) -> Samples:
    return Samples(batch.clean, batch.labelled, batch.annotator, batch.group)


def attached(batch: Batch, tables: list[np.ndarray] | None = None, **options: object) -> NoiseTransition:
    """Give the strategy with these matrices, (A + 1, C, C) or (A + 1, K, 2, 2), as if they had been estimated."""
    strategy = NoiseTransition(3, 10, **options)  # type: ignore[arg-type]
    strategy.attach(nn.Identity(), samples_of(batch))
    if tables is not None:
        found = torch.from_numpy(np.stack(tables)).float()
        strategy.estimate_ = found if found.dim() == 4 else found[:, None]
    return strategy


def given_batch(
    annotators: tuple[int, ...] = (-1, -1), clean: tuple[bool, ...] = (False, False)
) -> tuple[Tensor, Batch]:
    shape = (len(annotators), 4, 4)
    logits = torch.randn(shape[0], 3, 4, 4, generator=torch.Generator().manual_seed(0))
    label = torch.randint(0, 3, shape, generator=torch.Generator().manual_seed(1))
    batch = batch_of(one_hot(label, 3), clean, annotators)
    return logits, batch._replace(
        weight=torch.rand(shape, generator=torch.Generator().manual_seed(2)).round(decimals=1)
    )


def forward_loss(logits: Tensor, batch: Batch, matrices: list[np.ndarray]) -> float:
    """Go through the pixels: -log sum_i T[i, label] p_i (Patrini et al. 2017, theorem 2), a matrix for each image."""
    total = weights = 0.0
    for b, row, column in np.ndindex(*batch.weight.shape):
        scores = np.exp(logits[b, :, row, column].double().numpy())
        label = int(batch.target[b, :, row, column].argmax())
        of_label = sum(matrices[b][true, label] * scores[true] / scores.sum() for true in range(3))
        total -= float(batch.weight[b, row, column]) * np.log(of_label)
        weights += float(batch.weight[b, row, column])
    return total / weights


def supervised(strategy: NoiseTransition, logits: Tensor, batch: Batch, progress: Progress = LATE) -> float:
    return strategy.loss_terms(logits, batch, CrossEntropy(), progress)["supervised"].item()


# The loss.


def test_the_loss_is_that_of_predictions_passed_through_the_annotators_matrix() -> None:
    logits, batch = given_batch(annotators=(1, 0))
    loss = supervised(attached(batch, [FLIPS, SLIPS, RIGHT]), logits, batch)
    assert loss == pytest.approx(forward_loss(logits, batch, [SLIPS, FLIPS]), rel=1e-5)
    assert loss != pytest.approx(forward_loss(logits, batch, [FLIPS, SLIPS]), rel=1e-3)
    assert loss != pytest.approx(forward_loss(logits, batch, [SLIPS.T, FLIPS.T]), rel=1e-3)


def test_an_annotator_who_is_not_known_has_the_common_matrix() -> None:
    known = given_batch(annotators=(0, 1))[1]
    logits, batch = given_batch(annotators=(-1, 7))
    loss = supervised(attached(known, [FLIPS, RIGHT, SLIPS]), logits, batch)
    assert loss == pytest.approx(forward_loss(logits, batch, [SLIPS, SLIPS]), rel=1e-5)


def test_one_matrix_can_be_asked_for() -> None:
    logits, batch = given_batch(annotators=(0, 1))
    strategy = attached(batch, [FLIPS], per_annotator=False)
    assert supervised(strategy, logits, batch) == pytest.approx(forward_loss(logits, batch, [FLIPS] * 2), rel=1e-5)


def test_clean_samples_are_compared_as_they_are() -> None:
    logits, batch = given_batch(clean=(True, False))
    loss = supervised(attached(batch, [FLIPS]), logits, batch)
    assert loss == pytest.approx(forward_loss(logits, batch, [RIGHT, FLIPS]), rel=1e-5)


def test_where_labels_are_right_it_is_plain_training() -> None:
    """Its mechanism off: the loss, and its gradient."""
    logits, batch = given_batch()
    slopes = []
    for tables in ([RIGHT], [FLIPS], None):
        leaf = logits.clone().requires_grad_()
        attached(batch, tables).loss_terms(leaf, batch, CrossEntropy(), LATE)["supervised"].backward()
        slopes.append(leaf.grad)
    assert torch.allclose(slopes[0], slopes[2], atol=1e-6)  # type: ignore[arg-type]
    assert not torch.allclose(slopes[1], slopes[2], atol=1e-2)  # type: ignore[arg-type]


def test_overlapping_classes_are_passed_through_each_by_itself() -> None:
    logits = torch.randn(2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    planes = torch.randint(0, 2, (2, 3, 4, 4), generator=torch.Generator().manual_seed(1))
    batch = batch_of(one_hot(planes, 2), [False, False], [0, -1])
    tables = np.array([[[[1, 0], [0.3, 0.7]]] * 3, [[[0.9, 0.1], [0, 1]], [[1, 0], [0, 1]], [[0.8, 0.2], [0.1, 0.9]]]])
    loss = supervised(attached(batch, list(tables)), logits, batch)
    total = 0.0
    for b, k, row, column in np.ndindex(2, 3, 4, 4):
        scores = np.exp(logits[b, k, :, row, column].double().numpy())
        label = int(planes[b, k, row, column])
        total -= np.log(sum(tables[b, k, true, label] * scores[true] / scores.sum() for true in range(2)))
    assert loss == pytest.approx(total / 96, rel=1e-5)


# The warm-up, and the estimate after it.


def view_of(clean: int) -> FixedView:
    """A network that predicts labels, nearly as they are drawn."""
    chance, seen = np.random.default_rng(0), []
    for index in range(12):
        true = chance.integers(0, 3, (32, 32))
        label = true if index < clean else flipped(true, FLIPS, chance)
        probs = (FLIPS[true] + chance.uniform(0, 0.02, (32, 32, 3))) / 1.03
        batch = batch_of(one_hot(torch.from_numpy(label)[None], 3), [index < clean], first=index)
        seen.append(Seen(batch, torch.from_numpy(probs).float().movedim(-1, 0)[None]))
    return FixedView(seen)


@pytest.mark.parametrize("clean", [0, 4])
def test_it_is_estimated_once_after_the_warmup(clean: int) -> None:
    view = view_of(clean)
    strategy = NoiseTransition(3, 10, warmup=0.3)
    strategy.attach(nn.Identity(), view.samples)
    for epoch in range(10):
        strategy.audit(view, epoch)
        assert (view.passes > 0) == (epoch >= 3)
    assert view.passes == (1 if clean else 2)
    # A class has about 2700 pixels or more: the standard error of a share is below 0.01. The network errs by 0.02.
    assert np.abs(strategy.estimate_[-1, 0].numpy() - FLIPS).max() < 0.05


def test_the_warmup_takes_labels_as_they_are_and_keeps_clean_samples_out() -> None:
    logits, batch = given_batch()
    strategy = attached(batch, [FLIPS])
    assert supervised(strategy, logits, batch, EARLY) == pytest.approx(forward_loss(logits, batch, [RIGHT] * 2))
    samples = view_of(4).samples
    assert strategy.sample_weights(samples, 1).tolist() == [0.0] * 4 + [1.0] * 8
    assert strategy.sample_weights(samples, 2).tolist() == [1.0] * 12
    all_clean = samples._replace(clean=torch.ones(12, dtype=torch.bool))
    assert strategy.sample_weights(all_clean, 1).tolist() == [1.0] * 12  # somebody must be drawn
    assert attached(batch, transition="learned").sample_weights(samples, 1).tolist() == [1.0] * 12


def test_the_estimate_survives_a_checkpoint() -> None:
    logits, batch = given_batch(annotators=(0, 1))
    first, second = attached(batch, [FLIPS, SLIPS, RIGHT]), attached(batch)
    assert supervised(second, logits, batch) != pytest.approx(supervised(first, logits, batch))
    second.load_state_dict(first.state_dict())
    assert supervised(second, logits, batch) == supervised(first, logits, batch)
    assert not list(first.parameters())


# Learned matrices.


@pytest.mark.parametrize("diagonal", [0.5, 0.8, 0.99])
@pytest.mark.parametrize("shape", [(1, 3), (3, 2)], ids=["exclusive", "overlapping"])
def test_learned_matrices_start_at_the_diagonal(shape: tuple[int, int], diagonal: float) -> None:
    problems, classes = shape
    _, batch = given_batch(annotators=(0, 1))
    strategy = attached(batch, transition="learned", diagonal=diagonal)
    tables = strategy.tables(torch.zeros(2, problems, classes, 4, 4))
    assert tables.shape == (3, problems, classes, classes)
    rest = (1 - diagonal) / (classes - 1)
    expected = torch.full((classes, classes), rest).fill_diagonal_(diagonal)
    assert torch.allclose(tables, expected.expand_as(tables))


@pytest.mark.parametrize("shape", [(1, 3), (3, 2)], ids=["exclusive", "overlapping"])
def test_learned_matrices_stay_matrices_and_each_entry_is_free(shape: tuple[int, int]) -> None:
    problems, classes = shape
    strategy = attached(given_batch(annotators=(0, 1))[1], transition="learned")
    nn.init.normal_(strategy.deviation, std=0.1, generator=torch.Generator().manual_seed(0))
    tables = strategy.tables(torch.zeros(2, problems, classes, 4, 4))
    assert torch.allclose(tables.sum(-1), torch.ones(3, problems, classes))
    assert len(tables.detach().flatten().unique()) == tables.numel()  # no two share a parameter


def test_those_who_drew_the_batch_get_a_gradient_and_the_trace_is_a_term() -> None:
    logits, batch = given_batch(annotators=(0, 2))
    strategy = attached(batch, transition="learned", diagonal=0.8, trace=0.05)
    terms = strategy.loss_terms(logits, batch, CrossEntropy(), LATE)
    start = np.full((3, 3), 0.1) + 0.7 * RIGHT
    assert terms["supervised"].item() == pytest.approx(forward_loss(logits, batch, [start] * 2), rel=1e-5)
    assert terms["trace"].item() == pytest.approx(0.05 * 0.8, rel=1e-5)
    sum(terms.values()).backward()  # type: ignore[union-attr]
    drew = strategy.deviation.grad.flatten(1).abs().sum(1) > 0  # type: ignore[union-attr]
    assert drew.tolist() == [True, False, True, False]


def test_the_trace_is_kept_low_where_labels_are_not_known_to_be_right() -> None:
    """Each step along it takes probability from the diagonal (Tanno et al. 2019)."""
    logits, batch = given_batch(annotators=(0, 1), clean=(True, False))
    strategy = attached(batch, transition="learned")
    strategy.loss_terms(logits, batch, CrossEntropy(), LATE)["trace"].backward()
    slope = strategy.deviation.grad[:, :3, :3]  # type: ignore[index]
    assert (slope[1].diagonal() > 0).all()
    assert (slope[1] - slope[1].diag().diag() < 0).sum() == 6
    assert not slope[0].any()  # who drew the clean sample
    assert "trace" not in attached(batch, [FLIPS] * 3).loss_terms(logits, batch, CrossEntropy(), LATE)


def test_in_the_warmup_matrices_wait_but_have_a_gradient() -> None:
    """Distributed training waits for one of every parameter."""
    logits, batch = given_batch()
    strategy = attached(batch, transition="learned")
    terms = strategy.loss_terms(logits, batch, CrossEntropy(), EARLY)
    assert terms["supervised"].item() == pytest.approx(forward_loss(logits, batch, [RIGHT] * 2))
    assert terms["trace"].item() == 0
    terms["trace"].backward()
    assert strategy.deviation.grad is not None
    assert not strategy.deviation.grad.any()


# What comes of it.


def trained(strategy: NoiseTransition, batch: Batch, true: np.ndarray) -> tuple[float, Tensor]:
    """Train a network that sees each pixel's class for what it is; give its probability of it, and its logits."""
    torch.manual_seed(0)
    model = nn.Conv2d(3, 3, 1)
    image = one_hot(torch.from_numpy(true), 3)
    optimizer = torch.optim.Adam([*model.parameters(), *strategy.parameters()], lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        sum(strategy.loss_terms(model(image), batch, CrossEntropy(), LATE).values()).backward()  # type: ignore[union-attr]
        optimizer.step()
    logits = model(image).detach()
    return (to_probs(logits) * image).sum(1).mean().item(), logits


def drawn_by_two() -> tuple[Batch, np.ndarray]:
    chance = np.random.default_rng(0)
    true = chance.integers(0, 3, (16, 32, 32))
    who = [index % 2 for index in range(16)]
    label = np.stack([flipped(image, (FLIPS, SLIPS)[i], chance) for image, i in zip(true, who, strict=True)])
    return batch_of(one_hot(torch.from_numpy(label), 3), [False] * 16, who), true


def test_the_network_learns_the_truth_from_labels_that_are_often_wrong() -> None:
    batch, true = drawn_by_two()
    right = (batch.target.argmax(1).numpy() == true).mean()
    assert right < 0.85
    plain, _ = trained(attached(batch, [RIGHT] * 3), batch, true)
    assert plain == pytest.approx(right, abs=0.02)  # it predicts labels
    told, logits = trained(attached(batch, [FLIPS, SLIPS, RIGHT]), batch, true)
    assert told > 0.95
    assert through(logits, torch.from_numpy(FLIPS).expand(16, 1, 3, 3)).isfinite().all()


def test_matrices_of_two_annotators_are_learned_with_the_network() -> None:
    batch, true = drawn_by_two()
    strategy = attached(batch, transition="learned")
    of_truth, logits = trained(strategy, batch, true)
    assert of_truth > 0.92
    first, second, common = strategy.tables(logits.unsqueeze(1)).detach()[:, 0].numpy()
    assert np.abs(first - FLIPS).max() < 0.15
    assert np.abs(second - SLIPS).max() < 0.15
    assert np.abs(common - SLIPS).max() > 0.2  # where it started, and nobody drew
    assert np.abs(first - SLIPS).max() > 0.2


def test_values_out_of_range_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        NoiseTransition(3, 0, transition="guessed", warmup=1.0, trace=-1.0, diagonal=1.0)  # type: ignore[arg-type]
    assert len(error.value.faults) == 5
