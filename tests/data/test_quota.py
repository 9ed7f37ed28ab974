"""Places kept for clean samples: who is drawn for them, and when that cannot be."""

import pytest
import torch
from torch import Tensor

from segtrain.data.quota import CleanQuota
from segtrain.errors import ConfigError
from segtrain.types import Samples


def eight(clean: list[int], unlabelled: tuple[int, ...] = ()) -> Samples:
    flags, labelled = torch.zeros(8, dtype=torch.bool), torch.ones(8, dtype=torch.bool)
    flags[clean] = True
    labelled[list(unlabelled)] = False
    return Samples(flags, labelled, torch.full((8,), -1), torch.full((8,), -1))


def weights_of(quota: CleanQuota, weights: Tensor, samples: Samples, few: int | None = None) -> list[list[float]]:
    return [places.weights.tolist() for places in quota.places(weights, samples, epoch=0, few=few)]


def test_the_strategys_weights_decide_within_each_kind() -> None:
    quota = CleanQuota(clean=1, batch_size=4, devices=3)
    weights = torch.tensor([1.0, 2.0, 0.0, 0.5, 1.0, 1.0, 1.0, 1.0])
    samples = eight([1, 2, 3])
    assert weights_of(quota, weights, samples) == [[0, 2, 0, 0.5, 0, 0, 0, 0], [1, 0, 0, 0, 1, 1, 1, 1]]
    assert [places.per_step for places in quota.places(weights, samples, epoch=0)] == [3, 9]


def test_a_clean_sample_without_a_mask_is_none() -> None:
    clean, others = weights_of(CleanQuota(1, 4, 1), torch.ones(8), eight([0, 1], unlabelled=(1,)))
    assert clean == [1, 0, 0, 0, 0, 0, 0, 0]
    assert others[1] == 1
    with pytest.raises(ConfigError, match=r"name them by data\.clean"):
        CleanQuota(1, 4, 1).check(eight([1], unlabelled=(1,)))


def test_clean_samples_take_all_places_where_nobody_else_is_drawn() -> None:
    samples = eight([1, 2])
    (only,) = CleanQuota(1, 4, 2).places(samples.clean.float(), samples, epoch=0)
    assert only.per_step == 8
    assert torch.equal(only.weights, samples.clean.float())


def test_a_few_are_always_the_same_few() -> None:
    quota, samples = CleanQuota(1, 3, 1), eight([1, 4, 6])
    assert weights_of(quota, torch.ones(8), samples, few=2) == [[0, 1, 0, 0, 1, 0, 0, 0], [1, 0, 1, 1, 0, 1, 0, 0]]


def test_what_cannot_be_kept_to_is_refused_by_its_keys() -> None:
    with pytest.raises(ConfigError, match=r"data\.clean_per_batch=4 must be smaller than data\.batch_size=4"):
        CleanQuota(4, 4, 1).check(eight([1]))
    with pytest.raises(ConfigError, match=r"data\.clean_per_batch=2 wants clean .* none of the 8 .* data\.clean\."):
        CleanQuota(2, 4, 1).check(eight([]))
    with pytest.raises(ConfigError, match=r"data\.clean_per_batch=2 .* draws none in epoch 5"):
        CleanQuota(2, 4, 1).places((~eight([1]).clean).float(), eight([1]), epoch=5)
    CleanQuota(0, 1, 1).check(eight([]))
