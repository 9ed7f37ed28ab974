"""audit from end to end: models that never saw a label judge it, and what they find is told truly and kept."""

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from segtrain import run
from segtrain.audit.evidence import Evidence, Look, SelfConfidence
from segtrain.audit.judge import Judge
from segtrain.audit.store import ISSUE_COLUMNS, AuditStore
from segtrain.config import compose_config
from segtrain.data import Folder, Synthetic
from segtrain.data.source import Source
from segtrain.errors import ConfigError
from segtrain.run.audit.budget import Curve
from segtrain.run.audit.command import _parts
from segtrain.run.audit.desk import Desk
from segtrain.run.audit.leakage import leakage_sentences, leakage_table
from segtrain.run.audit.results import finish
from segtrain.run.audit.study import StudyView, chosen_rows, learn
from segtrain.run.build import build_sources, plan
from segtrain.training import read_checkpoint
from segtrain.types import one_hot
from tests.audited import save
from tests.small import small_config

FOLDS = 2


def trained(folder: Path, *overrides: str) -> Path:
    run.train(small_config("test=false", "report=false", "trainer.max_epochs=2", *overrides), folder)
    return folder


def audited(folder: Path, *overrides: str) -> AuditStore:
    given = [f"run={folder}", f"folds={FOLDS}", *overrides]
    return AuditStore(run.audit(compose_config("audit", given)).parent)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> AuditStore:
    folder = trained(tmp_path_factory.mktemp("runs") / "run", "data.num_train=16", "model.width=8")
    return audited(folder, "least_score=0", "tolerance=0", "truth=clean")


def test_it_leaves_what_it_promises(finished: AuditStore) -> None:
    text = (Path(__file__).parent.parent.parent / "docs" / "audit.md").read_text().partition("## What it leaves")[2]
    promised = re.findall(r"^\| ([\w., /]+?) \|", text, re.MULTILINE)
    names = [name.strip() for line in promised[1:] for name in line.split(",")]
    assert "issues.parquet" in names
    names.remove("mended/")  # there only where clean labels tell how many issues are right
    assert all((finished.folder / name).exists() for name in names), names
    assert not (finished.folder / "unfinished").exists()


def test_tables_and_entries_say_the_same(finished: AuditStore) -> None:
    issues, summary = finished.issues(), finished.summary
    assert list(issues.columns[: len(ISSUE_COLUMNS)]) == list(ISSUE_COLUMNS)
    assert len(issues) == summary["issues"] == sum(summary["by_kind"].values()) > 0
    assert issues["score"].is_monotonic_decreasing
    for row in issues.to_dict("records"):
        entry = finished.read(row["image"])
        assert entry is not None
        issue = entry.issues[int(row["issue"].rpartition("#")[2])]
        assert (issue.kind, issue.area, issue.top, issue.left) == (row["kind"], row["area"], row["top"], row["left"])
    again = pd.read_parquet(finished.folder / "issues.parquet")
    assert again["issue"].tolist() == issues["issue"].tolist()
    images = finished.images()
    assert len(images) == summary["images"] == 16
    assert images["quality"].is_monotonic_increasing
    assert images["issues"].sum() == len(issues)


def test_no_image_is_judged_by_a_model_that_learned_it(finished: AuditStore) -> None:
    folds = sorted((finished.folder / "folds").iterdir())
    assert len(folds) == FOLDS
    left_out = []
    for place in folds:
        cfg = OmegaConf.load(place / "config.yaml")
        assert isinstance(cfg, type(compose_config("train", [])))
        everyone = {**cfg, "held_out": {"fold": None, "folds": FOLDS, "seed": 0}}
        parts = [build_sources(OmegaConf.create(part), plan(cfg))["train"] for part in (cfg, everyone)]
        left_out.append(set(parts[1].ids) - set(parts[0].ids))
        assert len(read_checkpoint(place / "checkpoints" / "last.ckpt")["state_dict"]) > 0
    assert not left_out[0] & left_out[1]
    assert left_out[0] | left_out[1] == set(finished.images()["image"])
    source = parts[1]  # of everyone
    judges = _parts(source.samples, len(source), FOLDS)
    for name, judge in zip(source.ids, judges, strict=True):
        assert name in left_out[judge]


def test_another_audit_takes_the_same_models(finished: AuditStore, tmp_path: Path) -> None:
    folder = shutil.copytree(finished.folder.parent, tmp_path / "run")
    weights = {file: file.stat().st_mtime_ns for file in folder.glob("audit/folds/*/checkpoints/*")}
    assert weights
    store = audited(folder, "evidence=[self_confidence]")
    assert {file: file.stat().st_mtime_ns for file in store.folder.glob("folds/*/checkpoints/*")} == weights
    assert store.summary["evidence"] == ["self_confidence"]


def test_what_the_run_held_out_is_judged_too(tmp_path: Path) -> None:
    folder = trained(tmp_path / "run", "held_out.fold=1")
    assert audited(folder, "folds=0").summary["images"] == 12
    assert audited(folder).summary["images"] == 12


def test_a_run_judges_its_own_labels_without_folds(tmp_path: Path) -> None:
    store = audited(trained(tmp_path / "run"), "folds=0", "least_score=0")
    assert not (store.folder / "folds").exists()
    assert store.summary["images"] == 12


def test_issues_from_a_score_on_are_mended_and_originals_stay(tmp_path: Path) -> None:
    folder = trained(tmp_path / "run")
    store = audited(folder, "folds=0", "least_score=0", "tolerance=0", "accept=0.3")
    (mended,) = (store.folder / "mended").iterdir()
    changes = pd.read_csv(mended / "corrections.csv")
    issues = store.issues()
    assert set(changes["issue"]) == set(issues.loc[issues["score"] >= 0.3, "issue"])
    assert len(list((mended / "masks").iterdir())) == 12
    audited(folder, "folds=0", "accept=0.9")
    assert mended.exists()  # another audit leaves it


@pytest.mark.parametrize("split", ["val", "all"])
def test_other_splits_can_be_audited(tmp_path: Path, split: str) -> None:
    store = audited(trained(tmp_path / "run"), "folds=0", f"split={split}")
    assert store.summary["images"] == {"val": 4, "all": 20}[split]


def test_bad_settings_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        audited(tmp_path / "nowhere", "folds=1", "least_score=3", "split=some", "+weights.other=1", "sample=0")
    assert len(error.value.faults) == 5


def test_a_run_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run's folder"):
        audited(tmp_path / "nowhere")


def test_a_reference_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"truth=cleam.*did you mean 'clean'"):
        audited(trained(tmp_path / "run"), "folds=0", "truth=cleam")


def test_evidence_that_lacks_its_ground_says_what_to_do(tmp_path: Path) -> None:
    folder = trained(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"model\.dropout"):
        audited(folder, "folds=0", "evidence=[uncertainty]")
    with pytest.raises(ConfigError, match="snapshots"):
        audited(folder, "folds=0", "evidence=[epoch_losses]")
    with pytest.raises(ValueError, match="no averaged weights"):
        audited(folder, "folds=0", "evidence=[teacher]")


def test_every_piece_of_evidence_has_its_column(tmp_path: Path) -> None:
    folder = trained(tmp_path / "run", "model.dropout=0.2")
    every = ["self_confidence", "confident_learning", "clustering", "uncertainty", "epoch_losses", "teacher"]
    store = audited(folder, f"evidence=[{','.join(every)}]", "least_score=0", "tolerance=0", "passes=2")
    told = store.issues()
    assert all(told[name].between(0, 1).all() for name in every)


def test_the_noise_of_the_whole_and_of_each_annotator_is_told(finished: AuditStore) -> None:
    table = pd.read_csv(finished.folder / "noise.csv")
    assert set(table["unit"]) <= {"pixels"} | {f"share of the {of}" for of in ("outline", "pixels", "objects")}
    assert {"all", "masks by a1", "masks by a2", "masks by a3"} <= set(table["party"])
    limits = table.dropna(subset=["low", "high"])
    assert ((limits["low"] <= limits["value"]) & (limits["value"] <= limits["high"])).all()
    joint = table[table["kind"].str.startswith("truly")]
    assert set(joint["class"]) == {"background", "cell"}
    assert joint["value"].between(0, 1).all()


def test_images_of_two_splits_that_look_alike_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.integers(0, 200, (5, 5), np.uint8), (40, 40))
    for split in ("train", "val", "test"):
        for number in range(3):
            image = cv2.resize(rng.integers(0, 200, (5, 5), np.uint8), (40, 40))
            known = {("train", 1): smooth, ("test", 2): smooth + 20}  # brighter
            image = known.get((split, number), image)
            save(tmp_path / "images" / split / f"{split}{number}.png", image)
            save(tmp_path / "masks" / split / f"{split}{number}.png", (image > 100).astype(np.uint8))
    places = {"images": "images/{split}", "masks": "masks/{split}"}
    data = Folder(root=str(tmp_path), classes=["background", "cell"], channels=1, **places)
    table = leakage_table(data)
    assert table[["split", "image", "other_split", "other_image"]].to_numpy().tolist() == [
        ["train", "train1", "test", "test2"]
    ]
    (sentence,) = leakage_sentences(table)
    assert sentence.startswith("1 images of test look nearly like ones of train")


def test_what_more_clean_labels_are_worth(tmp_path: Path) -> None:
    folder = trained(tmp_path / "run", "data.num_train=16", "data.clean_fraction=0.5")
    store = audited(folder, "folds=0", "budget=[4,1]", "near_duplicates=false")
    curve = store.summary["budget"]
    assert [point["clean"] for point in curve["points"]] == [1, 4]
    assert curve["scored_with"] == 4
    assert [row["clean"] for row in curve["expected"]] == [8, 18, 33, 58]
    expected = [row["dice"] for row in curve["expected"]]
    assert expected == sorted(expected)
    assert store.summary["advice"][-1].startswith("8 clean labels give a Dice of about")
    assert not (store.folder / "near_duplicates.csv").exists()
    with pytest.raises(ConfigError, match="8 clean samples, of which 4"):
        audited(folder, "folds=0", "budget=[2,5]")
    with pytest.raises(ConfigError, match="at least two different numbers"):
        audited(folder, "folds=0", "budget=[2]")
    with pytest.raises(ConfigError, match="with a budget, train"):
        audited(folder, "folds=0", "budget=[1,2]", "split=val")


def test_a_curve_goes_on_as_a_power_of_the_number() -> None:
    counts = np.array([2, 4, 8, 16])
    dice = 1 - 0.3 * counts[:, None] ** -0.5 + np.zeros(5)
    curve = Curve(counts, dice, available=24)
    assert curve.expected(64) == pytest.approx(1 - 0.3 / 8)
    falling = Curve(counts, dice[::-1], available=24)
    assert falling.expected(64) == pytest.approx(falling.expected(2))  # more clean labels do no harm


# With a model that knows the truth.


def perfect(source: Source, evidence: dict[str, Evidence], folder: Path, **options: float) -> AuditStore:
    """Audit with the truth, a little unsure, for a prediction."""

    def look(row: int) -> Look:
        item, truth = source.read(row), source.references(row)["clean"]
        assert item.label is not None
        probs = one_hot(torch.from_numpy(truth).long(), 2).numpy() * 0.9 + 0.05
        return Look(item.image, item.label, probs.astype(np.float32), clean=bool(source.samples.clean[row]))

    looks = lambda rows: ((row, look(row)) for row in rows)  # noqa: E731
    rows = range(len(source))
    learned = learn(StudyView(source, chosen_rows(source.samples, 100, 0), looks, evidence, 2))
    judge = Judge(evidence, {}, options.get("tolerance", 2.0), 0.5)
    data = Synthetic(size=96)
    desk = Desk(source, judge, learned, AuditStore(folder / "unfinished"), data, "clean")
    judged = [desk.judged(row, one) for row, one in looks(rows)]
    about = {"classes": data.classes, "overlapping": False, "confusion": desk.confusion.tolist()}
    about |= {"created": "now", "data": source.fingerprint()}
    page, _ = finish(folder, source, judged, about, 100)
    return AuditStore(page.parent)


@pytest.mark.parametrize(
    ("corruption", "kinds"),
    [
        ("drop_object", {"missing"}),
        ("extra_object", {"extra"}),
        ("dilate", {"wide", "merged"}),
        ("shift", {"displaced"}),
    ],
)
def test_faults_that_were_put_in_are_found_and_named(tmp_path: Path, corruption: str, kinds: set[str]) -> None:
    cfg = small_config(
        "data.label_noise=null",
        "data.clean_fraction=0.25",
        "data.size=96",
        "data.num_train=40",
        f"corruption={corruption}",
    )
    source = build_sources(cfg, plan(cfg))["train"]
    store = perfect(source, {"self_confidence": SelfConfidence()}, tmp_path, tolerance=1.0)
    summary, issues = store.summary, store.issues()
    truth = summary["truth"]
    assert truth["wrong_images"] > 5
    assert truth["ranking"]["quality"]["average_precision"] > 0.95
    assert issues["right"].all()
    assert issues["kind"].isin(kinds).mean() > 0.6
    mended = truth["thresholds"][0]
    assert mended["harmed"] == 0
    assert mended["dice_after"] > truth["dice_before"]
    images = store.images()
    assert not images.loc[images["clean"], "issues"].any()  # and nothing is found where nothing is wrong
