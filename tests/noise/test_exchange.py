"""Co-teaching and the tri-network: each network learns from the pixels that all the others find easy."""

import pytest
import torch
from torch import Tensor, nn

from segtrain.losses import CrossEntropy
from segtrain.noise import CoTeaching, NoiseStrategy, TriNetwork
from segtrain.types import Batch, Progress, Samples, Seen, one_hot
from tests.noise.fixed_view import FixedView, batch_of

LATE = Progress(9, 90, 10, 100)


def batch(seed: int = 0, clean: bool = False) -> Batch:
    label = torch.randint(0, 3, (2, 16, 16), generator=torch.Generator().manual_seed(seed))
    return batch_of(one_hot(label, 3), [clean, clean])


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 1))
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter *= 3  # of decided opinions, so that it matters which pixels are left out
    return layers


def attached(kind: type[CoTeaching] | type[TriNetwork], given: Batch, **options: object) -> NoiseStrategy:
    strategy = kind(epochs=10, **options)  # type: ignore[arg-type]
    strategy.attach(network(), Samples(given.clean, given.labelled, given.annotator, given.group))
    return strategy


def pixel_losses(logits: Tensor, given: Batch) -> Tensor:
    """(B, H, W) cross-entropy with the label, by PyTorch."""
    return nn.functional.cross_entropy(logits, given.target.argmax(1), reduction="none")


def easiest(logits: Tensor, given: Batch, drop: float) -> Tensor:
    """Keep of each class's pixels those with the smallest loss, by sorting: (B, H, W) bool."""
    losses, classes = pixel_losses(logits.detach(), given), given.target.argmax(1)
    kept = torch.zeros_like(classes, dtype=torch.bool)
    for number in range(3):
        own = (classes == number).flatten().nonzero().flatten()
        order = losses.flatten()[own].argsort()
        kept.view(-1)[own[order[: int(torch.tensor(len(own) * (1 - drop)).ceil())]]] = True
    return kept


def test_each_learns_from_what_the_other_finds_easy() -> None:
    given, model = batch(), network()
    strategy = attached(CoTeaching, given, rate=0.4)
    peer = next(iter(strategy.exchange.peers.networks))(given.image)  # type: ignore[union-attr,operator]
    logits = model(given.image)
    terms = strategy.loss_terms(logits, given, CrossEntropy(), LATE)
    for name, own, other in (("student", logits, peer), ("peer", peer, logits)):
        kept = easiest(other, given, 0.4)
        assert 0.5 < kept.float().mean() < 0.7
        expected = pixel_losses(own, given)[kept].mean()
        assert terms[name].item() == pytest.approx(expected.item(), rel=0.02), name  # bins are 2 % wide
        assert abs(terms[name].item() - pixel_losses(own, given).mean().item()) > 0.05, name


def test_a_third_learns_from_what_both_others_find_easy() -> None:
    given, model = batch(), network()
    strategy = attached(TriNetwork, given, rate=0.4)
    logits = model(given.image)
    first, second = (peer(given.image) for peer in strategy.exchange.peers.networks)  # type: ignore[union-attr,operator]
    terms = strategy.loss_terms(logits, given, CrossEntropy(), LATE)
    kept = easiest(first, given, 0.4) & easiest(second, given, 0.4)
    assert len(terms) == 3
    assert terms["student"].item() == pytest.approx(pixel_losses(logits, given)[kept].mean().item(), rel=0.03)


@pytest.mark.parametrize("kind", [CoTeaching, TriNetwork])
def test_without_a_rate_each_learns_from_every_label(kind: type[CoTeaching] | type[TriNetwork]) -> None:
    given, model = batch(), network()
    strategy = attached(kind, given, rate=0.0)
    logits = model(given.image)
    terms = strategy.loss_terms(logits, given, CrossEntropy(), LATE)
    assert terms["student"].item() == pytest.approx(pixel_losses(logits, given).mean().item(), rel=1e-5)


def test_clean_pixels_are_always_selected() -> None:
    given, model = batch(clean=True), network()
    logits = model(given.image)
    terms = attached(CoTeaching, given, rate=0.5).loss_terms(logits, given, CrossEntropy(), LATE)
    assert terms["student"].item() == pytest.approx(pixel_losses(logits, given).mean().item(), rel=1e-5)


def test_the_share_left_out_grows_from_the_end_of_the_warmup() -> None:
    """R(t) = 1 - rate min(t / T_k, 1) (Han et al. 2018, algorithm 1), t from the end of the warm-up."""
    given = batch()
    strategy = attached(CoTeaching, given, rate=0.4, warmup=0.2, ramp=0.2)
    for step, expected in ((0, 0.0), (20, 0.0), (30, 0.2), (40, 0.4), (90, 0.4)):
        drop = strategy.exchange.drop(given.target, Progress(step // 10, step, 10, 100))  # type: ignore[union-attr,operator]
        assert drop.flatten().tolist() == pytest.approx([expected] * 6)


def test_rates_can_be_given_for_each_class() -> None:
    given = batch()
    strategy = attached(CoTeaching, given, rate=[0.1, 0.2, 0.3], warmup=0.0, ramp=0.1)
    drop = strategy.exchange.drop(given.target, LATE)  # type: ignore[union-attr,operator]
    assert drop[0].flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_both_get_gradients_and_stay_different() -> None:
    given, model = batch(), network()
    strategy = attached(CoTeaching, given, rate=0.3)
    optimizer = torch.optim.SGD([*model.parameters(), *strategy.parameters()], lr=0.1)
    before = [parameter.clone() for parameter in strategy.parameters()]
    for _ in range(5):
        optimizer.zero_grad()
        terms = strategy.loss_terms(model(given.image), given, CrossEntropy(), LATE)
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
    assert all(not torch.equal(old, new) for old, new in zip(before, strategy.parameters(), strict=True))
    peer = next(iter(strategy.exchange.peers.networks))  # type: ignore[union-attr,operator]
    assert not torch.allclose(peer(given.image), model(given.image), atol=1e-2)


def test_the_rate_is_estimated_once_after_the_warmup() -> None:
    """A fifth of the labels of class 1 are really class 0, and a sure network knows."""
    label = torch.zeros(1, 20, 20, dtype=torch.long)
    label[0, :10] = 1
    believed = label.clone()
    believed[0, :2] = 0
    given = batch_of(one_hot(label, 2), [False])
    view = FixedView([Seen(given, one_hot(believed, 2) * 0.9 + 0.05)])
    strategy = CoTeaching(epochs=10)
    strategy.attach(network(), view.samples)
    for epoch in range(5):
        strategy.audit(view, epoch)
        assert (view.passes > 0) == (epoch >= 2)
    assert view.passes == 2
    assert strategy.exchange.rates_[1, 0].tolist() == pytest.approx([0.0, 0.2], abs=0.02)
