"""Pixels on which passes with dropout disagree count less; what is usual at a boundary does not."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_cdt
from torch import Tensor, nn

from segtrain.errors import ConfigError
from segtrain.noise import Uncertainty
from segtrain.noise.uncertainty import boundary_rings, excess
from segtrain.types import Batch, Progress, Samples, one_hot

LATE = Progress(9, 90, 10, 100)


def model() -> nn.Module:
    torch.manual_seed(0)
    last = nn.Conv2d(8, 3, 1)
    nn.init.normal_(last.weight, std=3.0)  # sure of some pixels, unsure of others
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Dropout2d(0.5), last)


def attached(samples: Samples, **options: Any) -> Uncertainty:
    strategy = Uncertainty(**options)
    strategy.attach(model(), samples)
    return strategy


def noisy(batch: Batch) -> Batch:
    return batch._replace(clean=torch.zeros(2, dtype=torch.bool))


def passes(net: nn.Module, image: Tensor, count: int) -> np.ndarray:
    """Give the probabilities of `count` passes with dropout alone (T, B, C, H, W), after seed 5."""
    net.eval()
    net[2].train()  # type: ignore[index]
    torch.manual_seed(5)
    with torch.no_grad():
        return np.stack([net(image).softmax(1).double().numpy() for _ in range(count)])


def entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log(p)).sum(axis=-3)


def test_a_model_without_dropout_is_refused(samples: Samples) -> None:
    for net in (nn.Conv2d(1, 3, 1), nn.Sequential(nn.Conv2d(1, 3, 1), nn.Dropout(0.0))):
        with pytest.raises(ConfigError, match=r"model\.dropout"):
            Uncertainty().attach(net, samples)


@pytest.mark.parametrize("measure", ["entropy", "mutual_information"])
def test_a_pixel_counts_by_how_little_it_is_in_doubt(measure: Any, batch: Batch, samples: Samples) -> None:
    net = model()
    seen = passes(net, batch.image, 4)
    expected = entropy(seen.mean(axis=0))
    if measure == "mutual_information":
        expected = expected - entropy(seen).mean(axis=0)
    strategy = attached(samples, passes=4, measure=measure, rings=0)
    given = noisy(batch)._replace(weight=torch.full((2, 16, 16), 0.5))
    torch.manual_seed(5)
    weight = strategy.prepare(given, net, LATE).weight
    assert weight.numpy() == pytest.approx(0.5 * (1 - expected / math.log(3)), abs=1e-5)


def test_a_ceiling_is_where_doubt_is_full(batch: Batch, samples: Samples) -> None:
    strategy = attached(samples, rings=0, ceiling=0.2)
    nats = torch.tensor([0.0, 0.05, 0.2, 0.7]).expand(2, 16, 4).repeat(1, 1, 4)
    assert strategy.doubt(nats, batch)[0, 0, :4].tolist() == pytest.approx([0, 0.25, 1, 1])


@pytest.mark.parametrize(("step", "limit"), [(50, 0.75 + 0.25 * math.exp(-5 * 0.25)), (100, 1.0)])
def test_the_limit_of_ua_mt_rises(step: int, limit: float, batch: Batch, samples: Samples) -> None:
    net = model()
    nats = entropy(passes(net, batch.image, 4).mean(axis=0)) / math.log(3)
    strategy = attached(samples, passes=4, mode="ignore", rings=0)
    torch.manual_seed(5)
    weight = strategy.prepare(noisy(batch), net, Progress(0, step, 10, 100)).weight
    assert np.array_equal(weight.numpy() == 1, nats < limit)
    assert (nats < 0.75).any()
    assert (nats > 0.83).any()


def test_rings_are_the_distance_to_another_class() -> None:
    generator = torch.Generator().manual_seed(0)
    classes = (torch.rand(2, 30, 40, generator=generator) > 0.99).long()
    classes[1, 10:20, 10:30] = 2
    rings = boundary_rings(classes, 4).numpy()
    for b in range(2):
        label = classes[b].numpy()
        for c in np.unique(label):
            distance = distance_transform_cdt(label == c, metric="chessboard")
            assert np.array_equal(rings[b][label == c], np.minimum(distance - 1, 4)[label == c])


def test_excess_is_counted_from_the_mean_of_a_place() -> None:
    generator = torch.Generator().manual_seed(0)
    nats = torch.rand(2, 3, 9, 8, generator=generator)
    places = torch.randint(5, (2, 3, 9, 8), generator=generator)
    counted = torch.rand(2, 9, 8, generator=generator) > 0.4
    given = excess(nats, 1.0, places, counted, 5).numpy()
    for place in range(5):
        here = (places == place).numpy()
        usual = nats.numpy()[here & counted[:, None].expand(2, 3, 9, 8).numpy()].mean()
        expected = np.clip((nats.numpy()[here] - usual) / (1 - usual), 0, 1)
        assert given[here] == pytest.approx(expected, abs=1e-5)


def test_what_every_boundary_has_is_no_sign_of_noise(samples: Samples) -> None:
    """Unsure along the whole boundary, and in one more spot inside: with rings only the spot counts less."""
    label = torch.zeros(1, 32, 32, dtype=torch.long)
    label[:, 8:24, 8:24] = 1
    edge = boundary_rings(label, 1) == 0
    nats = torch.where(edge, 0.6, 0.05)
    nats[0, 15:17, 15:17] = 0.6
    number = torch.zeros(1, dtype=torch.long)
    flag = torch.zeros(1, dtype=torch.bool)
    batch = Batch(
        torch.zeros(1, 1, 32, 32), one_hot(label, 2), torch.ones(1, 32, 32), flag, ~flag, number, number, number
    )
    with_rings = attached(samples, rings=3).doubt(nats, batch)
    assert with_rings[edge].max() < 0.01
    assert with_rings[0, 15, 15] > 0.8
    assert attached(samples, rings=0).doubt(nats, batch)[edge].min() > 0.8


def test_a_class_that_is_always_less_sure_is_not_lost(samples: Samples) -> None:
    label = torch.zeros(1, 32, 32, dtype=torch.long)
    label[:, 8:24, 8:24] = 1
    nats = torch.where(label == 1, 0.5, 0.01)
    number = torch.zeros(1, dtype=torch.long)
    flag = torch.zeros(1, dtype=torch.bool)
    batch = Batch(
        torch.zeros(1, 1, 32, 32), one_hot(label, 2), torch.ones(1, 32, 32), flag, ~flag, number, number, number
    )
    assert attached(samples, rings=3).doubt(nats, batch).max() < 0.01
    assert attached(samples, rings=0).doubt(nats, batch)[label == 1].min() > 0.7


def test_overlapping_classes_are_told_apart(samples: Samples) -> None:
    label = torch.zeros(1, 2, 16, 16, dtype=torch.long)
    label[:, 1, :, 8:] = 1
    nats = torch.zeros(1, 2, 16, 16)
    nats[0, 1, 0, 0] = 0.6
    number = torch.zeros(1, dtype=torch.long)
    flag = torch.zeros(1, dtype=torch.bool)
    batch = Batch(
        torch.zeros(1, 1, 16, 16), one_hot(label, 2), torch.ones(1, 16, 16), flag, ~flag, number, number, number
    )
    doubt = attached(samples).doubt(nats, batch)  # (B, K, H, W)
    assert doubt[0, 1, 0, 0] > 0.8
    assert doubt.sum() == doubt[0, 1, 0, 0]


def test_clean_samples_are_left_alone(batch: Batch, samples: Samples) -> None:
    weight = attached(samples, rings=0).prepare(batch, model(), LATE).weight
    assert (weight[0] == 1).all()
    assert (weight[1] < 1).all()


def test_it_costs_its_passes_and_moves_no_statistics(batch: Batch, samples: Samples) -> None:
    net = model().train()
    calls: list[int] = []
    net.register_forward_hook(lambda *_: calls.append(1))
    before = [buffer.clone() for buffer in net.buffers()]
    strategy = attached(samples, passes=6, warmup_fraction=0.5)
    assert strategy.prepare(batch, net, Progress(4, 49, 10, 100)) is batch
    assert not calls
    strategy.prepare(batch, net, LATE)
    assert len(calls) == 6
    assert all(torch.equal(old, new) for old, new in zip(before, net.buffers(), strict=True))
    assert all(module.training for module in net.modules())


def test_every_value_out_of_range_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        Uncertainty(1, "variance", "drop", ceiling=0.0, limit=2.0, rings=-1, warmup_fraction=1.0)  # type: ignore[arg-type]
    assert len(error.value.faults) == 7
