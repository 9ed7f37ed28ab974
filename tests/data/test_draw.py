"""Systematic resampling and an epoch's draws."""

from collections import Counter

import pytest
import torch
from scipy.stats import chisquare

from segtrain.data.draw import Places, epoch_draws, shared_draws, systematic_resample


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("total", [1, 2, 7, 96, 1000, 100_003])
def test_equal_weights_give_a_permutation(total: int) -> None:
    drawn = systematic_resample(torch.ones(total), total, seeded())
    assert sorted(drawn.tolist()) == list(range(total))


@pytest.mark.parametrize("chosen", [1, 3, 10, 49, 50])
def test_ones_and_zeros_give_the_chosen_in_turn(chosen: int) -> None:
    weights = torch.zeros(50)
    weights[torch.randperm(50, generator=seeded())[:chosen]] = 1
    counts = torch.bincount(systematic_resample(weights, 50, seeded(1)), minlength=50)
    assert (counts[weights == 0] == 0).all()
    assert counts[weights == 1].max() - counts[weights == 1].min() <= 1


def test_each_is_drawn_floor_or_ceil_of_its_share() -> None:
    weights = torch.rand(40, generator=seeded())
    share = 200 * weights.double() / weights.double().sum()
    for seed in range(50):
        counts = torch.bincount(systematic_resample(weights, 200, seeded(seed)), minlength=40)
        assert (counts >= share.floor()).all()
        assert (counts <= share.ceil()).all()


def test_over_many_epochs_the_draws_are_in_proportion() -> None:
    weights = torch.tensor([1.0, 2.0, 3.0, 0.5])
    counts = sum(torch.bincount(systematic_resample(weights, 4, seeded(seed)), minlength=4) for seed in range(3000))
    expected = 12000 * weights.double() / weights.double().sum()
    # Systematic draws vary less than independent ones, so this is a generous bound.
    assert chisquare(counts.numpy(), expected.numpy()).pvalue > 1e-3  # type: ignore[union-attr]


def test_the_remainder_left_out_is_chance() -> None:
    left_out = Counter[int]()
    for epoch in range(200):
        drawn = {draw.index for draw in epoch_draws(torch.ones(10), 8, seed=0, epoch=epoch)}
        left_out.update(set(range(10)) - drawn)
    assert set(left_out) == set(range(10))


def test_draws_follow_from_seed_and_epoch_alone() -> None:
    torch.manual_seed(1)
    first = epoch_draws(torch.ones(20), 20, seed=3, epoch=2)
    torch.manual_seed(2)
    assert epoch_draws(torch.ones(20), 20, seed=3, epoch=2) == first
    assert epoch_draws(torch.ones(20), 20, seed=3, epoch=3) != first
    assert epoch_draws(torch.ones(20), 20, seed=4, epoch=2) != first


def test_repeats_are_numbered() -> None:
    weights = torch.tensor([1.0, 0.0, 0.0])
    draws = epoch_draws(weights, 3, seed=0, epoch=0, revision=2)
    assert [(draw.index, draw.repeat, draw.revision) for draw in draws] == [(0, 0, 2), (0, 1, 2), (0, 2, 2)]


# Shared places


def two_kinds(per_step: tuple[int, int]) -> list[Places]:
    """Samples 0 to 4 for the first places, 5 to 39 for the others, each with a weight of its own."""
    weights = torch.rand(40, generator=seeded()) + 0.1
    first = torch.arange(40) < 5
    return [Places(weights * first, per_step[0]), Places(weights * ~first, per_step[1])]


@pytest.mark.parametrize("devices", [1, 2, 3])
@pytest.mark.parametrize("mine", [1, 3])
def test_every_batch_of_every_device_has_its_share(devices: int, mine: int) -> None:
    steps, batch_size = 7, 4
    draws = shared_draws(two_kinds((mine * devices, (batch_size - mine) * devices)), steps, seed=0, epoch=1)
    assert len(draws) == steps * batch_size * devices
    for device in range(devices):
        own = [draw.index for draw in draws[device::devices]]
        batches = [own[step * batch_size : (step + 1) * batch_size] for step in range(steps)]
        assert [sum(index < 5 for index in batch) for batch in batches] == [mine] * steps


def test_within_their_places_all_are_drawn_in_proportion() -> None:
    places = two_kinds((2, 6))
    for epoch in range(20):
        drawn = [draw.index for draw in shared_draws(places, 25, seed=0, epoch=epoch)]
        counts = torch.bincount(torch.tensor(drawn), minlength=40)
        for weights, per_step in places:
            share = 25 * per_step * weights.double() / weights.double().sum()
            assert counts[weights > 0].sum() == 25 * per_step
            assert (counts >= share.floor())[weights > 0].all()
            assert (counts <= share.ceil())[weights > 0].all()


def test_shared_draws_follow_from_seed_and_epoch_alone_and_number_their_repeats() -> None:
    first = shared_draws(two_kinds((2, 6)), 25, seed=3, epoch=2, revision=1)
    torch.manual_seed(2)
    assert shared_draws(two_kinds((2, 6)), 25, seed=3, epoch=2, revision=1) == first
    assert shared_draws(two_kinds((2, 6)), 25, seed=3, epoch=3, revision=1) != first
    assert shared_draws(two_kinds((2, 6)), 25, seed=4, epoch=2, revision=1) != first
    assert len(set(first)) == len(first)  # no draw twice: its repeats are told apart
    assert {(draw.epoch, draw.revision) for draw in first} == {(2, 1)}
