"""Dealing samples to splits."""

from collections import Counter

import numpy as np
import pytest

from segtrain.data.faults import Faults
from segtrain.data.splits import by_ratio, check_names
from segtrain.errors import DataError


def deal(groups: list[str], ratio: list[float], seed: int = 0, labelled: list[bool] | None = None) -> list[str]:
    return by_ratio(groups, labelled or [True] * len(groups), ratio, seed)


def test_single_samples_are_dealt_in_the_exact_shares() -> None:
    groups = [str(number) for number in range(200)]
    assert Counter(deal(groups, [0.7, 0.15, 0.15])) == {"train": 140, "val": 30, "test": 30}
    assert Counter(deal(groups, [0.9, 0.1])) == {"train": 180, "val": 20}
    assert Counter(deal(groups, [0.0, 0.5, 0.5])) == {"val": 100, "test": 100}


def test_the_same_seed_deals_the_same_whatever_the_order() -> None:
    groups = [str(number // 3) for number in range(90)]
    first = dict(zip(groups, deal(groups, [0.6, 0.2, 0.2]), strict=True))
    backwards = groups[::-1]
    assert dict(zip(backwards, deal(backwards, [0.6, 0.2, 0.2]), strict=True)) == first
    assert dict(zip(groups, deal(groups, [0.6, 0.2, 0.2], seed=1), strict=True)) != first


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_any_size_stay_together_near_the_shares(seed: int) -> None:
    sizes = np.random.default_rng(seed).integers(1, 12, 60)
    groups = [str(group) for group, size in enumerate(sizes) for _ in range(size)]
    splits = deal(groups, [0.6, 0.2, 0.2], seed)
    assert len(set(zip(groups, splits, strict=True))) == 60
    for name, share in (("train", 0.6), ("val", 0.2), ("test", 0.2)):
        assert splits.count(name) / len(groups) == pytest.approx(share, abs=12 / len(groups))


@pytest.mark.parametrize("number", range(3, 9))
def test_no_split_stays_empty_where_there_are_groups_enough(number: int) -> None:
    splits = deal([str(group) for group in range(number)], [0.7, 0.15, 0.15])
    assert set(splits) == {"train", "val", "test"}


def test_too_few_groups_are_a_fault() -> None:
    with pytest.raises(DataError, match=r"2 labelled group\(s\) do not fill 3 splits"):
        deal(["a", "a", "b", "b"], [0.7, 0.15, 0.15])


def test_groups_with_an_unlabelled_sample_train() -> None:
    groups = [str(number // 2) for number in range(20)]
    labelled = [number not in (0, 5) for number in range(20)]
    splits = deal(groups, [0.5, 0.5], labelled=labelled)
    assert {splits[number] for number in (0, 1, 4, 5)} == {"train"}
    assert Counter(splits) == {"train": 10, "val": 10}


def test_names_like_the_known_splits_are_slips_and_others_are_not() -> None:
    faults = Faults()
    check_names(["train", "val", "test", "removed", "fold_3", "night"], "here", faults)
    assert not faults
    slips = ["Train", "trian", "training", "valid", "validation", "testing", "tst"]
    check_names(slips, "here", faults)
    assert len(faults.lines()) == len(slips)
