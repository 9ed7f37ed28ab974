"""Co-teaching and the tri-network: each network learns from the pixels that all the others find easy."""

import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.losses import CrossEntropy
from segtrain.noise import CoTeaching, TriNetwork
from segtrain.noise.exchange import ExchangeStrategy
from segtrain.types import Batch, Progress, Samples, Seen, one_hot
from tests.noise.fixed_view import FixedView, batch_of

LATE = Progress(9, 90, 10, 100)
NAMES = {CoTeaching: ["student", "peer"], TriNetwork: ["student", "peer_1", "peer_2"]}
BOTH = pytest.mark.parametrize("kind", NAMES, ids=["co_teaching", "tri_network"])
LABEL = torch.arange(3).repeat_interleave(torch.tensor([150, 70, 20])).view(1, 12, 20)
"""Classes of 150, 70 and 20 pixels."""


def samples_of(batch: Batch) -> Samples:
    return Samples(batch.clean, batch.labelled, batch.annotator, batch.group)


def attached(kind: type[ExchangeStrategy], model: nn.Module, batch: Batch, **options: object) -> ExchangeStrategy:
    strategy = kind(**({"epochs": 10, "warmup": 0.0} | options))  # type: ignore[arg-type]
    strategy.attach(model, samples_of(batch))
    return strategy


def networks(strategy: ExchangeStrategy, model: nn.Module) -> list[nn.Module]:
    return [model, *strategy.exchange.peers.networks]


# Who selects for whom, and how many.


class Table(nn.Module):
    """A network that finds no two labels equally hard; redrawn, it finds others hard."""

    def __init__(self, label: Tensor = LABEL) -> None:
        super().__init__()
        losses = np.geomspace(1e-3, 20, label.numel())  # each 4 % above the last
        margins = -np.log(np.expm1(np.random.default_rng(0).permutation(losses)) / 2)
        self.margin = nn.Parameter(torch.from_numpy(margins).float().view(label.shape))
        self.label = one_hot(label, 3)

    def forward(self, image: Tensor) -> Tensor:
        logits = self.label * self.margin.unsqueeze(1)
        return logits.expand(len(image), *logits.shape[1:])


class Weights:
    """A criterion that keeps the weights it is given."""

    def __init__(self) -> None:
        self.given: list[Tensor] = []

    def __call__(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        self.given.append(weight)
        return logits.sum() * 0


def easiest(logits: Tensor, label: Tensor, rates: Sequence[float]) -> np.ndarray:
    """Sort each class's pixels by their cross-entropy and keep all but a share: (B, H, W) bool."""
    losses = nn.functional.cross_entropy(logits.detach().double(), label, reduction="none").numpy().ravel()
    classes, kept = label.numpy().ravel(), np.zeros(label.numel(), dtype=bool)
    for number, rate in enumerate(rates):
        own = np.flatnonzero(classes == number)
        kept[own[np.argsort(losses[own])][: round(len(own) * (1 - rate))]] = True
    return kept.reshape(label.shape)


@BOTH
@pytest.mark.parametrize("rates", [[0.2] * 3, [0.5] * 3, [0.1, 0.3, 0.5], [0.0, 0.0, 0.4]], ids=str)
def test_each_learns_from_what_all_the_others_find_easiest(kind: type[ExchangeStrategy], rates: list[float]) -> None:
    model, batch, criterion = Table(), batch_of(one_hot(LABEL, 3), [False]), Weights()
    given = rates[0] if len(set(rates)) == 1 else rates
    strategy = attached(kind, model, batch, rate=given)
    terms = strategy.loss_terms(model(batch.image), batch, criterion, LATE)
    assert list(terms) == NAMES[kind]  # type: ignore[index]
    keeps = [easiest(each(batch.image), LABEL, rates) for each in networks(strategy, model)]
    for number, (weight, own) in enumerate(zip(criterion.given, keeps, strict=True)):
        others = np.logical_and.reduce([kept for other, kept in enumerate(keeps) if other != number])
        assert np.array_equal(weight.numpy(), others.astype(np.float32))
        assert (others != own).any()  # by itself it would have chosen others
        if kind is CoTeaching:
            counts = [int(weight[value == LABEL].sum()) for value in range(3)]
            assert counts == [round(size * (1 - rate)) for size, rate in zip((150, 70, 20), rates, strict=True)]


@BOTH
def test_a_loss_is_the_mean_over_the_pixels_selected(kind: type[ExchangeStrategy]) -> None:
    model, batch = Table(), batch_of(one_hot(LABEL, 3), [False])
    strategy = attached(kind, model, batch, rate=0.4)
    terms = list(strategy.loss_terms(model(batch.image), batch, CrossEntropy(), LATE).values())
    logits = [each(batch.image) for each in networks(strategy, model)]
    keeps = [easiest(each, LABEL, [0.4] * 3) for each in logits]
    for number, (term, own) in enumerate(zip(terms, logits, strict=True)):
        others = np.logical_and.reduce([kept for other, kept in enumerate(keeps) if other != number])
        losses = nn.functional.cross_entropy(own.detach().double(), LABEL, reduction="none").numpy()
        assert term.item() == pytest.approx(losses[others].mean(), rel=1e-4)
        assert term.item() > 2 * losses[keeps[number]].mean()  # what it would choose by itself is easier


@BOTH
def test_clean_samples_and_ignored_pixels_are_out_of_question(kind: type[ExchangeStrategy]) -> None:
    model, criterion = Table(), Weights()
    batch = batch_of(one_hot(LABEL, 3).repeat(2, 1, 1, 1), [True, False])
    batch.weight[1, :, :5] = 0
    batch.weight[0] = 0.5  # of little trust, but clean
    strategy = attached(kind, model, batch, rate=0.5)
    strategy.loss_terms(model(batch.image), batch, criterion, LATE)
    inside = LABEL[:, :, 5:]
    keeps = [easiest(each(batch.image)[1:, :, :, 5:], inside, [0.5] * 3) for each in networks(strategy, model)]
    for number, weight in enumerate(criterion.given):
        others = np.logical_and.reduce([kept for other, kept in enumerate(keeps) if other != number])
        assert (weight[0] == 0.5).all()
        assert (weight[1, :, :5] == 0).all()
        assert np.array_equal(weight[1, :, 5:].numpy(), others[0].astype(np.float32))


@BOTH
def test_a_pixel_of_overlapping_classes_is_selected_where_each_of_its_labels_is(kind: type[ExchangeStrategy]) -> None:
    planes = torch.stack([LABEL > 0, LABEL == 2], dim=1).long()  # (1, K, H, W)
    drawn = torch.Generator().manual_seed(0)
    logits = [3 * torch.randn(1, 2, 2, 12, 20, generator=drawn) for _ in NAMES[kind]]  # type: ignore[index]
    batch, criterion = batch_of(one_hot(planes, 2), [False]), Weights()
    model = nn.Conv2d(1, 1, 3)
    strategy = attached(kind, model, batch, rate=[0.5, 0.25])
    strategy.exchange.peers.networks = nn.ModuleList(Always(each) for each in logits[1:])
    strategy.loss_terms(logits[0], batch, criterion, LATE)
    # Rates for each class are about its labels, not about those that say "not this class".
    easy = [
        np.stack([easiest(each[:, k], planes[:, k], [0.0, rate]) for k, rate in enumerate((0.5, 0.25))]).all(0)
        for each in logits
    ]
    for number, weight in enumerate(criterion.given):
        others = np.logical_and.reduce([kept for other, kept in enumerate(easy) if other != number])
        assert not weight.all()
        assert weight[LABEL == 0].all()
        assert (weight.numpy() != others).sum() <= 2  # losses within 2 % of each other are kept together


class Always(nn.Module):
    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, image: Tensor) -> Tensor:
        return self.logits


# How much is left out, and when.


@BOTH
@pytest.mark.parametrize("rate", [0.1, 0.45])
def test_the_share_left_out_grows_as_published(kind: type[ExchangeStrategy], rate: float) -> None:
    """R(t) = 1 - rate min(t / T_k, 1) (Han et al. 2018, algorithm 1), t from the end of the warm-up."""
    batch = batch_of(one_hot(LABEL, 3), [False])
    for warmup, ramp in ((0.0, 0.05), (0.0, 1.0), (0.2, 0.2), (0.3, 0.1)):
        strategy = attached(kind, Table(), batch, rate=rate, warmup=warmup, ramp=ramp)
        for step in range(101):
            kept = 1 - strategy.exchange.drop(batch.target, Progress(step // 10, step, 10, 100))
            expected = 1 - rate * min(max(step - 100 * warmup, 0) / (100 * ramp), 1)
            assert kept.flatten().tolist() == pytest.approx([expected] * 6)


def test_halfway_up_the_ramp_half_as_many_are_left_out() -> None:
    model, batch, criterion = Table(), batch_of(one_hot(LABEL, 3), [False]), Weights()
    strategy = attached(CoTeaching, model, batch, rate=0.4, ramp=0.5)
    strategy.loss_terms(model(batch.image), batch, criterion, Progress(2, 25, 10, 100))
    assert [int(criterion.given[0][value == LABEL].sum()) for value in range(3)] == [120, 56, 16]


def test_a_rate_is_one_number_or_one_for_each_class() -> None:
    batch = batch_of(one_hot(LABEL, 3), [False])
    two = batch_of(one_hot(LABEL.clamp_max(1), 2), [False])
    assert attached(CoTeaching, Table(), batch, rate=0.2).exchange.drop(batch.target, LATE).shape == (2, 1, 3)
    one_each = attached(CoTeaching, Table(), batch, rate=[0.1, 0.2, 0.3]).exchange.drop(batch.target, LATE)
    assert one_each[:, 0].tolist() == [pytest.approx([0.1, 0.2, 0.3])] * 2
    foreground = attached(CoTeaching, Table(), two, rate=[0.3]).exchange.drop(two.target, LATE)
    assert foreground[:, 0].tolist() == [pytest.approx([0.0, 0.3])] * 2
    with pytest.raises(ConfigError, match="one for each class"):
        attached(CoTeaching, Table(), batch, rate=[0.1, 0.2]).exchange.drop(batch.target, LATE)


# Estimated rates.


def swapped() -> FixedView:
    """A fifth of the labels of class 1 are really class 0, and a sure network knows; the other sample is clean."""
    label = torch.zeros(2, 20, 20, dtype=torch.long)
    label[:, :10] = 1
    believed = label.clone()
    believed[0, :2] = 0
    given = batch_of(one_hot(label, 2), [False, True])
    return FixedView([Seen(given, one_hot(believed, 2) * 0.9 + 0.05)])


@BOTH
def test_the_rate_is_estimated_once_after_the_warmup(kind: type[ExchangeStrategy]) -> None:
    view = swapped()
    strategy = attached(kind, nn.Conv2d(1, 2, 3), view.seen[0].batch, warmup=0.2)
    target = view.seen[0].batch.target
    for epoch in range(10):
        strategy.audit(view, epoch)
        assert view.passes == (2 if epoch >= 2 else 0)
        at_any_rate, if_doubted = strategy.exchange.drop(target, Progress(9, 100, 10, 100))[:, 0].tolist()
        assert at_any_rate == [0, 0]
        assert if_doubted == pytest.approx([0.0, 0.2 if epoch >= 2 else 0.0], abs=0.02)
        weights = strategy.sample_weights(view.samples, epoch).tolist()
        assert weights == ([1, 0] if epoch < 2 else [1, 1])  # what the model is to be held against stays unseen


@BOTH
def test_a_given_rate_is_not_estimated(kind: type[ExchangeStrategy]) -> None:
    view = swapped()
    strategy = attached(kind, nn.Conv2d(1, 2, 3), view.seen[0].batch, rate=0.3, warmup=0.2)
    for epoch in range(10):
        strategy.audit(view, epoch)
        assert strategy.sample_weights(view.samples, epoch).tolist() == [1, 1]
    assert view.passes == 0
    assert strategy.exchange.drop(view.seen[0].batch.target, LATE)[0, 0].tolist() == pytest.approx([0.3, 0.3])


@BOTH
def test_estimates_and_peers_survive_a_checkpoint(kind: type[ExchangeStrategy]) -> None:
    view = swapped()
    batch = view.seen[0].batch
    first = attached(kind, network(classes=2), batch, seed=1)
    first.audit(view, 1)
    second = attached(kind, network(classes=2), batch, seed=2)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.exchange.drop(batch.target, LATE), first.exchange.drop(batch.target, LATE))
    assert second.exchange.drop(batch.target, LATE).any()
    for ours, theirs in zip(second.parameters(), first.parameters(), strict=True):
        assert torch.equal(ours, theirs)


# The networks.


def network(seed: int = 0, classes: int = 3) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, classes, 1))


def noisy_batch() -> Batch:
    label = torch.randint(0, 3, (2, 16, 16), generator=torch.Generator().manual_seed(0))
    return batch_of(one_hot(label, 3), [False, False])


def distances(nets: list[nn.Module], image: Tensor) -> list[float]:
    logits = [each(image).detach() for each in nets]
    return [float((one - other).abs().max()) for i, one in enumerate(logits) for other in logits[:i]]


@BOTH
def test_all_get_gradients_and_stay_different(kind: type[ExchangeStrategy]) -> None:
    batch, model = noisy_batch(), network()
    strategy = attached(kind, model, batch, rate=0.3)
    nets = networks(strategy, model)
    assert min(distances(nets, batch.image)) > 0.05
    assert {id(p) for p in strategy.parameters()} == {id(p) for peer in nets[1:] for p in peer.parameters()}
    optimizer = torch.optim.SGD([*model.parameters(), *strategy.parameters()], lr=0.1)
    before = [[parameter.clone() for parameter in each.parameters()] for each in nets]
    for _ in range(20):
        optimizer.zero_grad()
        torch.stack(
            list(strategy.loss_terms(model(batch.image), batch, CrossEntropy(), LATE).values())
        ).sum().backward()
        assert all(
            parameter.grad is not None and parameter.grad.any() for each in nets for parameter in each.parameters()
        )
        optimizer.step()
    assert min(distances(nets, batch.image)) > 0.05
    for old, each in zip(before, nets, strict=True):
        assert all(not torch.equal(mine, parameter) for mine, parameter in zip(old, each.parameters(), strict=True))


@BOTH
def test_a_loss_teaches_its_own_network_only(kind: type[ExchangeStrategy]) -> None:
    batch, model = noisy_batch(), network()
    strategy = attached(kind, model, batch, rate=0.3)
    for number, name in enumerate(NAMES[kind]):  # type: ignore[index]
        nets = networks(strategy, model)
        nn.ModuleList(nets).zero_grad()
        strategy.loss_terms(model(batch.image), batch, CrossEntropy(), LATE)[name].backward()
        taught = [any(parameter.grad is not None for parameter in each.parameters()) for each in nets]
        assert taught == [number == other for other in range(len(nets))]


@BOTH
@pytest.mark.parametrize(("rate", "alike"), [(0.0, True), (0.3, False)])
def test_without_a_rate_it_is_plain_training_of_each(kind: type[ExchangeStrategy], rate: float, alike: bool) -> None:
    batch, model = noisy_batch(), network()
    strategy = attached(kind, model, batch, rate=rate)
    together = networks(strategy, model)
    alone = copy.deepcopy(together)
    optimizers = [torch.optim.SGD(nn.ModuleList(nets).parameters(), lr=0.5, momentum=0.9) for nets in (together, alone)]
    target = batch.target.argmax(1)
    for _ in range(5):
        terms = strategy.loss_terms(model(batch.image), batch, CrossEntropy(), LATE).values()
        plain = [nn.functional.cross_entropy(each(batch.image), target) for each in alone]
        for optimizer, losses in zip(optimizers, (list(terms), plain), strict=True):
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
    for ours, theirs in zip(together, alone, strict=True):
        same = [torch.allclose(a, b, atol=1e-5) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)]
        assert all(same) if alike else not any(same)


def test_values_out_of_range_are_named_at_once() -> None:
    for kind in NAMES:
        with pytest.raises(ConfigError, match=kind.__name__) as error:
            kind(epochs=0, rate=1.0, warmup=1.0, ramp=0.0)
        assert len(error.value.faults) == 4
    with pytest.raises(ConfigError, match="'rate'"):
        CoTeaching(epochs=10, rate=[])
