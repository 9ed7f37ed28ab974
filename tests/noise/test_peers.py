"""Peers differ from the model from the start, and are drawn from the model's own initialisation."""

import pytest
import torch
from torch import nn

from segtrain.errors import ConfigError
from segtrain.models import UNetPlain, freeze_encoder
from segtrain.noise.peers import Peers, redrawn

IMAGE = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def model() -> UNetPlain:
    torch.manual_seed(0)
    return UNetPlain(num_classes=2, in_channels=1, width=4, depth=2)


def attached(network: nn.Module, count: int = 2, **options: object) -> Peers:
    peers = Peers(count, **options)  # type: ignore[arg-type]
    peers.attach(network)
    return peers


def test_every_peer_predicts_otherwise_than_the_model_and_than_each_other() -> None:
    network = model()
    first, second = attached(network)(IMAGE)
    assert not torch.allclose(first, network(IMAGE), atol=1e-2)
    assert not torch.allclose(second, network(IMAGE), atol=1e-2)
    assert not torch.allclose(first, second, atol=1e-2)


def test_the_seed_alone_decides_and_the_chance_of_the_training_is_left_alone() -> None:
    network = model()
    before = torch.get_rng_state()
    mine = attached(network, 1, seed=0)(IMAGE)[0]
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert torch.equal(attached(network, 1, seed=0)(IMAGE)[0], mine)
    assert not torch.allclose(attached(network, 1, seed=1)(IMAGE)[0], mine)


def test_weights_keep_the_distribution_of_the_models_own_initialisation() -> None:
    network = model()
    peer = redrawn(network, 0, keep_encoder=False)
    for (name, mine), theirs in zip(network.named_parameters(), peer.parameters(), strict=True):
        assert torch.equal(mine.flatten().sort().values, theirs.flatten().sort().values), name
        if mine.ndim > 1:
            assert not torch.equal(mine, theirs), name


def test_peers_are_trained_and_the_model_stays_as_it_is() -> None:
    network = model()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    peers = attached(network)
    assert all(parameter.requires_grad for parameter in peers.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def trained_encoder(network: UNetPlain) -> UNetPlain:
    for module in network.encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return network


@pytest.mark.parametrize(
    ("trained", "reinitialise", "keeps"),
    [(True, "auto", True), (False, "auto", False), (True, "all", False), (False, "decoder", True)],
)
def test_a_pretrained_encoder_is_kept(trained: bool, reinitialise: str, keeps: bool) -> None:
    network = trained_encoder(model()) if trained else model()
    peer = attached(network, 1, reinitialise=reinitialise).networks[0]
    pairs = list(zip(network.named_parameters(), peer.parameters(), strict=True))
    encoder = [torch.equal(mine, theirs) for (name, mine), theirs in pairs if "encoder" in name and mine.ndim > 1]
    others = [torch.equal(mine, theirs) for (name, mine), theirs in pairs if "encoder" not in name and mine.ndim > 1]
    assert all(encoder) if keeps else not any(encoder)
    assert not any(others)


def test_a_frozen_encoder_is_kept_and_stays_frozen() -> None:
    network = model()
    freeze_encoder(network)
    peer = attached(network, 1).networks[0]
    assert torch.equal(peer.encoder(IMAGE)[-1], network.encoder(IMAGE)[-1])
    assert not any(parameter.requires_grad for parameter in peer.encoder.parameters())


def test_what_cannot_be_drawn_anew_is_refused() -> None:
    with pytest.raises(ConfigError, match="would be a mere copy"):
        attached(nn.BatchNorm2d(3), 1)

    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Conv2d(1, 2, 1)

    with pytest.raises(ConfigError, match="say reinitialise=decoder"):
        attached(Bare(), 1)
    with pytest.raises(ConfigError, match="outside its encoder"):
        attached(Bare(), 1, reinitialise="decoder")
