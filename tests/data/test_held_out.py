"""Parts of a training set: they cover it once, keep groups together, and are nearly equally large."""

import numpy as np
import pytest
import torch

from segtrain.data import Synthetic
from segtrain.data.held_out import HeldOut, SubsetSource
from segtrain.errors import ConfigError
from segtrain.types import Samples


def samples(groups: list[int]) -> Samples:
    count = len(groups)
    known = torch.ones(count, dtype=torch.bool)
    return Samples(~known, known, torch.full((count,), -1), torch.tensor(groups))


def test_every_sample_is_in_one_part_and_parts_are_equally_large() -> None:
    parts = HeldOut(folds=4).parts(samples([-1] * 42))
    assert sorted(np.bincount(parts, minlength=4)) == [10, 10, 11, 11]


def test_a_group_is_left_out_as_a_whole() -> None:
    groups = np.random.default_rng(0).integers(20, size=200).tolist() + [-1] * 7
    parts = HeldOut(folds=5).parts(samples(groups))
    for group in range(20):
        assert len(set(parts[np.array(groups) == group])) == 1
    sizes = np.bincount(parts, minlength=5)
    assert sizes.max() - sizes.min() <= np.bincount(groups[:200]).max()


def test_parts_hang_on_the_seed_alone() -> None:
    again = [HeldOut(folds=3, seed=seed).parts(samples([-1] * 30)).tolist() for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]


def test_what_is_left_is_the_rest_of_the_split() -> None:
    source = Synthetic(num_train=12, num_val=2, num_test=2, size=32).splits()["train"]
    held = [HeldOut(fold=fold, folds=3) for fold in range(3)]
    left = [one.training(source) for one in held]
    assert [len(rest) for rest in left] == [8, 8, 8]
    assert all(sum(name in rest.ids for rest in left) == 2 for name in source.ids)
    assert isinstance(left[0], SubsetSource)
    row = left[0].rows[3]
    assert np.array_equal(left[0].read(3).image, source.read(row).image)
    assert left[0].samples.clean[3] == source.samples.clean[row]
    assert len({source.fingerprint(), *(rest.fingerprint() for rest in left)}) == 4
    assert HeldOut().training(source) is source


def test_fewer_clean_samples_are_some_of_the_more() -> None:
    source = Synthetic(num_train=20, clean_fraction=0.5).splits()["train"]
    noisy = {name for name, clean in zip(source.ids, source.samples.clean, strict=True) if not clean}
    stayed = []
    for count in (0, 3, 7):
        left = HeldOut(clean=count).training(source)
        assert noisy <= set(left.ids)
        assert int(left.samples.clean.sum()) == count == len(left) - len(noisy)
        stayed.append(set(left.ids))
    assert stayed[0] < stayed[1] < stayed[2]
    assert HeldOut(clean=99).training(source) is source


def test_a_part_that_cannot_be_is_refused() -> None:
    for wrong in ({"fold": 4}, {"fold": -1}, {"folds": 1}, {"clean": -1}):
        with pytest.raises(ConfigError, match="held_out"):
            HeldOut(**wrong)
    with pytest.raises(ConfigError, match="only 3 groups"):
        HeldOut(fold=0, folds=4).training(type("S", (), {"samples": samples([0, 0, 1, 1, 2, 2])})())  # type: ignore[arg-type]
