"""Labels compared with predictions that were passed through a matrix of mistakes, of each annotator if known."""

import numpy as np
import pytest
import torch
from torch import nn

from segtrain.errors import ConfigError
from segtrain.losses import CrossEntropy
from segtrain.noise import NoiseTransition
from segtrain.noise.transition import estimate_transition, through
from segtrain.types import Batch, Progress, Seen, one_hot
from tests.noise.fixed_view import FixedView, batch_of

LATE = Progress(9, 90, 10, 100)
FLIPS = np.array([[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.1, 0.0, 0.9]])
"""(true, label)"""


def flipped(true: np.ndarray, matrix: np.ndarray, seed: int) -> np.ndarray:
    """Give each pixel of class i the label j with probability matrix[i, j]."""
    draws = np.random.default_rng(seed).random(true.shape)
    return (draws[..., None] > matrix.cumsum(1)[true]).sum(-1)


def view_of(clean: int, matrix: np.ndarray = FLIPS, annotator: int = -1) -> FixedView:
    """A network that predicts labels as they are drawn on clean samples, and the truth, for certain, on noisy ones."""
    seen = []
    for index in range(12):
        true = np.random.default_rng(index).integers(0, 3, (32, 32))
        is_clean = index < clean
        label = true if is_clean else flipped(true, matrix, 100 + index)
        given = batch_of(one_hot(torch.from_numpy(label)[None], 3), [is_clean], [annotator], first=index)
        if clean:
            probs = torch.from_numpy(matrix[true]).float().movedim(-1, 0)[None]
        else:
            probs = one_hot(torch.from_numpy(true)[None], 3) * 0.97 + 0.01
        seen.append(Seen(given, probs))
    return FixedView(seen)


def attached(view: FixedView, **options: object) -> NoiseTransition:
    strategy = NoiseTransition(3, 10, **options)  # type: ignore[arg-type]
    strategy.attach(nn.Identity(), view.samples)
    return strategy


def noisy_batch(annotators: tuple[int, int] = (-1, -1), clean: bool = False) -> tuple[torch.Tensor, Batch]:
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    label = torch.randint(0, 3, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    return logits, batch_of(one_hot(label, 3), [clean, clean], annotators)


def forward_loss(logits: torch.Tensor, label: np.ndarray, matrices: list[np.ndarray]) -> float:
    """Patrini et al. 2017, theorem 2, pixel by pixel: -log sum_i T[i, label] p_i."""
    probs = logits.softmax(1).numpy().astype(float)
    losses = [
        -np.log(sum(matrix[i, label[b, r, c]] * probs[b, i, r, c] for i in range(3)))
        for b, matrix in enumerate(matrices)
        for r in range(4)
        for c in range(4)
    ]
    return float(np.mean(losses))


@pytest.mark.parametrize("clean", [0, 4])
def test_simulated_flips_are_found_with_and_without_clean_samples(clean: int) -> None:
    strategy = attached(view_of(clean))
    view = view_of(clean)
    for epoch in range(10):
        strategy.audit(view, epoch)
    found = strategy.estimate_
    assert found.shape[1:] == (1, 3, 3)
    # A class has about 4000 pixels: the standard error of a share is below 0.01.
    assert np.abs(found[-1, 0].numpy() - FLIPS).max() < 0.03
    assert view.passes == (1 if clean else 2)


def test_each_annotator_has_a_matrix_of_his_own() -> None:
    careful, careless = view_of(0, np.eye(3), 0), view_of(0, FLIPS, 1)
    found = estimate_transition(FixedView([*careful.seen, *careless.seen]), 2)
    assert np.abs(found[0, 0].numpy() - np.eye(3)).max() < 0.01
    assert np.abs(found[1, 0].numpy() - FLIPS).max() < 0.03


def test_the_loss_is_that_of_predictions_passed_through_the_matrix() -> None:
    logits, batch = noisy_batch(annotators=(0, -1))
    strategy = attached(view_of(0, annotator=0))
    own, common = FLIPS, FLIPS[::-1, ::-1]
    strategy.estimate_ = torch.from_numpy(np.stack([own, common.copy()]))[:, None].float()
    loss = strategy.loss_terms(logits, batch, CrossEntropy(), LATE)["supervised"].item()
    label = batch.target.argmax(1).numpy()
    assert loss == pytest.approx(forward_loss(logits, label, [own, common]), rel=1e-5)  # an unknown one: all others'
    assert loss != pytest.approx(forward_loss(logits, label, [np.eye(3)] * 2), rel=1e-2)


def test_clean_samples_are_compared_as_they_are() -> None:
    logits, batch = noisy_batch(clean=True)
    strategy = attached(view_of(4))
    strategy.estimate_ = torch.from_numpy(FLIPS)[None, None].float()
    loss = strategy.loss_terms(logits, batch, CrossEntropy(), LATE)["supervised"].item()
    assert loss == pytest.approx(forward_loss(logits, batch.target.argmax(1).numpy(), [np.eye(3)] * 2), rel=1e-5)


def test_the_warmup_takes_labels_as_they_are_and_keeps_clean_samples_out() -> None:
    logits, batch = noisy_batch()
    strategy = attached(view_of(4))
    strategy.estimate_ = torch.from_numpy(FLIPS)[None, None].float()
    loss = strategy.loss_terms(logits, batch, CrossEntropy(), Progress(1, 10, 10, 100))["supervised"].item()
    assert loss == pytest.approx(forward_loss(logits, batch.target.argmax(1).numpy(), [np.eye(3)] * 2), rel=1e-5)
    samples = view_of(4).samples
    assert strategy.sample_weights(samples, 1).tolist() == (~samples.clean).float().tolist()
    assert strategy.sample_weights(samples, 2).tolist() == [1.0] * 12


def test_learned_matrices_start_near_the_right_label_and_learn() -> None:
    logits, batch = noisy_batch()
    strategy = attached(view_of(0), transition="learned", diagonal=0.8, trace=0.01)
    tables = strategy.tables(logits.unsqueeze(1))
    assert torch.allclose(tables.sum(-1), torch.ones(1, 1, 3))
    assert torch.allclose(tables.diagonal(dim1=-2, dim2=-1), torch.full((1, 1, 3), 0.8))
    terms = strategy.loss_terms(logits, batch, CrossEntropy(), LATE)
    assert terms["trace"].item() == pytest.approx(0.01 * 0.8, rel=1e-5)  # Tanno et al. 2019, eq. 4
    sum(terms.values()).backward()  # type: ignore[union-attr]
    assert strategy.deviation.grad is not None
    assert strategy.deviation.grad.abs().sum() > 0


def test_overlapping_classes_have_a_matrix_each() -> None:
    logits = torch.randn(1, 2, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    matrices = torch.tensor([[[[0.9, 0.1], [0.2, 0.8]], [[1.0, 0.0], [0.0, 1.0]]]])  # (1, K, 2, 2)
    seen = through(logits, matrices).softmax(2)
    probs = logits.softmax(2)
    assert torch.allclose(seen[:, 1], probs[:, 1], atol=1e-6)
    assert torch.allclose(seen[:, 0, 1], 0.1 * probs[:, 0, 0] + 0.8 * probs[:, 0, 1], atol=1e-6)


def test_values_out_of_range_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        NoiseTransition(3, 10, transition="guessed", diagonal=1.0)  # type: ignore[arg-type]
    assert len(error.value.faults) == 2
