"""Trusted samples take the reference as their label; nobody else gains anything."""

import numpy as np
import pytest

from segtrain.data.source import Source
from segtrain.data.trusted import Trusted
from segtrain.errors import ConfigError
from segtrain.run.build import build_sources, plan
from tests.small import small_config

NOISE = ("data.clean_fraction=0.0",)


def sources(*overrides: str) -> dict[str, Source]:
    cfg = small_config(*NOISE, *overrides)
    return dict(build_sources(cfg, plan(cfg)))


def right(source: Source) -> list[bool]:
    """Whether each sample's label is its reference."""
    return [np.array_equal(source.read(i).label, source.references(i)["clean"]) for i in range(len(source))]


def test_nobody_is_trusted_without_being_asked() -> None:
    train = sources()["train"]
    assert not train.samples.clean.any()
    assert not all(right(train))


def test_a_count_of_samples_is_right_and_clean() -> None:
    train = sources("trusted.reference=clean", "trusted.count=5")["train"]
    assert train.samples.clean.sum() == 5
    assert all(good for good, clean in zip(right(train), train.samples.clean, strict=True) if clean)
    given = sources()["train"]
    for index in (~train.samples.clean).nonzero().flatten().tolist():
        assert np.array_equal(train.read(index).label, given.read(index).label)


def test_the_same_samples_whatever_the_runs_seed() -> None:
    chosen = [
        sources("trusted.reference=clean", "trusted.count=5", f"seed={seed}")["train"].samples.clean for seed in (0, 1)
    ]
    assert chosen[0].tolist() == chosen[1].tolist()
    other = sources("trusted.reference=clean", "trusted.count=5", "trusted.seed=1")["train"].samples.clean
    assert other.tolist() != chosen[0].tolist()


def test_all_make_the_oracle() -> None:
    train = sources("trusted.reference=clean")["train"]
    assert all(right(train))
    assert train.samples.clean.all()


def test_another_split_joins_the_training() -> None:
    splits = sources("trusted.reference=clean", "trusted.split=val", "trusted.count=3")
    train = splits["train"]
    assert len(train) == 12 + 4
    assert len(set(train.ids)) == 16
    assert train.samples.clean.tolist()[:12] == [False] * 12
    assert train.samples.clean.sum() == 3
    assert sum(right(train)[12:]) >= 3
    assert train.fingerprint() != sources()["train"].fingerprint()


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("trusted.reference=gold",), "there is no such reference mask in train; there are clean"),
        (("trusted.reference=clean", "trusted.count=13"), "between 1 and the 12 samples of train are possible"),
    ],
)
def test_what_cannot_be_trusted_is_refused(overrides: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        sources(*overrides)


def test_trusted_is_checked() -> None:
    with pytest.raises(ConfigError, match="'split' of Trusted"):
        Trusted(reference="clean", split="test")
