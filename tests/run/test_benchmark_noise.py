"""The noise benchmark: arms that see what they may see, one process a training, resumable, a table of all."""

from pathlib import Path

import pandas as pd
import pytest
from omegaconf import DictConfig, OmegaConf

from segtrain import config
from segtrain.config import compose_config, options
from segtrain.errors import ConfigError, DataError
from segtrain.reports.records import read_records
from segtrain.run.benchmark import benchmark
from segtrain.run.benchmark.arms import jobs
from tests.small import SMALL

STUDIES = sorted(options("study"))
TINY = {
    "name": "tiny",
    "title": "A tiny study",
    "truth": "clean",
    "others": [],
    "trusted": {"reference": "clean", "count": 4},
    "overrides": [
        *(text for text in SMALL if not text.startswith(("callbacks", "data.clean_fraction", "logger"))),
        "data.clean_fraction=0.0",
        "model.norm=batch",
        "callbacks=[last,final_epochs,label_quality]",
        "callbacks.final_epochs.count=2",
        "logger=[csv]",
        "test=false",
        "report=false",
        "trainer.limit_val_batches=0",
        "trainer.num_sanity_val_steps=0",
    ],
    "classes": ["cell"],
    "only": None,
    "skip": [],
    "recipes": {},
}


def tiny(folder: Path, **changed: object) -> DictConfig:
    cfg = compose_config("benchmark_noise")
    cfg.study = OmegaConf.create(TINY)
    cfg.folder = str(folder)
    OmegaConf.set_struct(cfg, False)
    return OmegaConf.merge(cfg, changed)  # type: ignore[return-value]


def overrides_of(cfg: DictConfig) -> dict[str, list[str]]:
    return {job.arm: job.settings for job in jobs(cfg)}


@pytest.mark.parametrize("study", STUDIES)
def test_every_arm_of_every_study_is_a_legal_training(study: str) -> None:
    cfg = compose_config("benchmark_noise", [f"study={study}"])
    for job in jobs(cfg):
        config.check_command("train", config.normalised([*job.settings, *job.place]))


@pytest.mark.parametrize("study", STUDIES)
def test_only_the_oracle_sees_the_truth_of_every_sample(study: str) -> None:
    arms = overrides_of(compose_config("benchmark_noise", [f"study={study}"]))
    for name, overrides in arms.items():
        told = dict(text.split("=", 1) for text in overrides if text.startswith("trusted."))
        if name == "oracle":
            assert "trusted.count" not in told
            assert "trusted.split" not in told
        elif name == "noisy":
            assert told == {}
        else:
            assert not told or told.keys() & {"trusted.count", "trusted.split"}
        assert any(text.startswith("trainer.limit_val_batches=0") for text in overrides)  # no label chooses a model


def test_without_clean_samples_no_control_asks_for_them() -> None:
    cfg = compose_config("benchmark_noise")
    cfg.study.trusted = {}
    arms = overrides_of(cfg)
    assert "oracle" in arms
    assert "clean_only" not in arms
    assert not any(text.startswith("trusted.") for text in arms["noisy"])


def test_an_arm_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no 'orcale'.*did you mean 'oracle'"):
        jobs(compose_config("benchmark_noise", ["arms=[orcale]"]))


def test_a_study_names_its_arms_and_brings_its_own() -> None:
    cfg = compose_config("benchmark_noise")
    cfg.study.only = ["noisy", "dice", "tversky"]
    cfg.study.recipes = {"tversky": ["loss=tversky"], "dice": ["loss.dice.smooth=2.0"]}
    arms = overrides_of(cfg)
    assert set(arms) == {"noisy", "dice", "tversky"}
    assert "loss=tversky" in arms["tversky"]
    assert "loss=cross_entropy" not in arms["tversky"]
    assert {"loss=dice", "loss.dice.smooth=2.0"} <= set(arms["dice"])


def test_a_study_that_names_no_arm_has_all_and_a_wrong_name_is_refused() -> None:
    cfg = compose_config("benchmark_noise")
    every = list(overrides_of(cfg))
    cfg.study.only = []
    assert list(overrides_of(cfg)) == every
    cfg.study.only = ["noisy", "dise"]
    with pytest.raises(ConfigError, match=r"only: there is no 'dise' in study=chest_biased"):
        jobs(cfg)


@pytest.mark.parametrize("study", STUDIES)
def test_no_two_arms_of_a_study_train_the_same(study: str) -> None:
    arms = overrides_of(compose_config("benchmark_noise", [f"study={study}"]))
    assert len({tuple(sorted(settings)) for settings in arms.values()}) == len(arms)


@pytest.mark.parametrize("study", ["chest_rare_clean", "chest_rare_biased"])
def test_what_a_rare_class_needs_is_asked_with_the_same_samples(study: str) -> None:
    """Only loss and strategy differ from plain bce; an arm of one study is in no other."""
    cfg = compose_config("benchmark_noise", [f"study={study}"])
    arms = overrides_of(cfg)
    noisy = dict(text.split("=", 1) for text in arms.pop("noisy"))
    assert noisy["loss"] == "bce"
    arms.pop("oracle", None)
    for overrides in arms.values():
        told = dict(text.split("=", 1) for text in overrides)
        changed = {key.split(".")[0] for key in noisy.keys() | told.keys() if noisy.get(key) != told.get(key)}
        assert changed <= {"loss", "noise"}
    elsewhere = overrides_of(compose_config("benchmark_noise", ["study=chest_biased"]))
    assert {"weighted_bce", "confidence_fixed"} <= arms.keys() - elsewhere.keys()


def test_what_was_measured_with_other_settings_is_trained_anew(tmp_path: Path) -> None:
    cfg = tiny(tmp_path, arms=["noisy"])
    benchmark(cfg)
    first = (tmp_path / "tiny" / "noisy" / "seed0.json").read_text()
    benchmark(tiny(tmp_path, arms=["noisy"], common=[*cfg.common, "optimizer.lr=0.1"]))
    assert (tmp_path / "tiny" / "noisy" / "seed0.json").read_text() != first
    (record,) = read_records(tmp_path / "tiny.json")
    assert "optimizer.lr=0.1" in record.settings


def test_a_benchmark_trains_writes_and_goes_on(tmp_path: Path) -> None:
    cfg = tiny(tmp_path / "runs", arms=["oracle", "noisy"], report=str(tmp_path / "out"))
    table = benchmark(cfg)
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == ["oracle", "noisy"]
    (raw,) = [record for record in read_records(tmp_path / "out" / "tiny.json") if record.arm == "oracle"]
    images = pd.concat(
        pd.read_csv(tmp_path / "runs" / "tiny" / "oracle" / "seed0" / "final" / f"epoch00{epoch}" / "images.csv")
        for epoch in (1, 2)
    )
    expected = images.groupby("id")["dice@clean"].mean()
    assert raw.dice == pytest.approx(expected.tolist(), abs=1e-4)
    assert "Dice cell" in table
    assert (tmp_path / "out" / "tiny.svg").read_text().count("oracle") >= 1
    before = (tmp_path / "runs" / "tiny" / "noisy" / "seed0.json").read_text()
    assert benchmark(cfg) == table  # nothing is trained again
    assert (tmp_path / "runs" / "tiny" / "noisy" / "seed0.json").read_text() == before
    elsewhere = tiny(tmp_path / "elsewhere", arms=["oracle", "noisy"], report=str(tmp_path / "out"))
    assert benchmark(elsewhere) == table  # what was published counts
    assert not (tmp_path / "elsewhere").exists()


def test_a_failed_training_is_told_and_the_others_stay(tmp_path: Path) -> None:
    cfg = tiny(tmp_path, arms=["noisy", "broken"], study={"recipes": {"broken": ["data.size=33"]}})
    with pytest.raises(ConfigError, match=r"broken seed 0: (.|\n)*multiple of 32"):
        benchmark(cfg)
    assert "noisy" in (tmp_path / "tiny.md").read_text()


def test_without_the_baseline_there_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="noisy baseline"):
        benchmark(tiny(tmp_path, arms=[]))
