"""Choosing post-processing: honest proposals, honest judgement, and what is left in the run's folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml  # type: ignore[import-untyped]
from omegaconf import OmegaConf

from segtrain import run
from segtrain.config import Span, compose_config
from segtrain.data.cache import CachedSource
from segtrain.errors import ConfigError, DataError
from segtrain.run.build import build_postprocess
from segtrain.run.restore import restore
from segtrain.run.tuning.choice import choose
from segtrain.run.tuning.command import scene_of
from segtrain.run.tuning.proposals import Proposals
from segtrain.run.tuning.trials import Steps, Trial, Trials
from segtrain.types import CLASS_AXIS
from tests.small import small_config

FOLDS = np.arange(12) % 3
ALONE = np.full(12, -1)
MASKED = {row: np.full((32, 32), 255 if row == 2 else 1, np.uint8) for row in range(6)}
SPACES = {"cut": {"at": Span([], 0.0, 1.0), "kind": Span(["a", "b"])}, "fill": {"area": Span([], 1, 100, log=True)}}
GIVEN = {"cut": {"at": 0.5, "kind": "c"}, "fill": {"area": 200}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    run.train(small_config("data.num_val=6", "trainer.max_epochs=2", "report=false", "test=false"), folder)
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def tune(folder: Path, *overrides: str) -> Path:
    small = ["trials=12", "folds=2", "reference=clean", "postprocess=[threshold,morphology]"]
    return run.tune_postprocess(compose_config("tune_postprocess", [f"run={folder}", *small, *overrides]))


def scored(steps: Steps, scores: np.ndarray, fold: int | None = None) -> Trial:
    return Trial(steps, fold, scores, 0.0)


class Judged:
    """Trials whose scores are made up."""

    def __init__(self, known: list[Trial], score: Callable[[Steps], np.ndarray]) -> None:
        self.known = known
        self.score = score

    def run(self, steps: Steps, fold: int | None) -> Trial:
        self.known.append(scored(steps, self.score(steps), fold))
        return self.known[-1]

    def on(self, steps: Steps, images: np.ndarray) -> np.ndarray:
        return self.score(steps)[images]


def judged(*known: Trial) -> Judged:
    """Know these trials, of which the first is what is left where a step is left out."""
    return Judged(list(known), lambda _: known[0].scores)


# Proposals


def tried(count: int, noise: np.ndarray) -> list[tuple[Steps, int | None]]:
    """Play a search in which `noise` (12,) is added to every score."""
    proposals, known = Proposals(SPACES, GIVEN, FOLDS, trials=16, seed=0), []
    while len(known) < count:
        steps, fold = proposals.next(known)
        value = 1 - abs(steps["cut"]["at"] - 0.3) if "cut" in steps else 0.5
        known.append(scored(steps, value + noise * len(str(steps)), fold))
    return [(trial.steps, trial.fold) for trial in known]


def test_raw_and_defaults_come_first_then_chance_then_what_was_learned() -> None:
    steps = [steps for steps, _ in tried(30, np.zeros(12))]
    assert steps[:4] == [{}, {"cut": GIVEN["cut"]}, {"fill": GIVEN["fill"]}, GIVEN]
    for each in steps[4:]:
        assert list(each) in (["cut"], ["fill"], ["cut", "fill"], [])  # in the order of work
        for cut in [each["cut"]] if "cut" in each else []:
            assert 0 <= cut["at"] <= 1
            assert cut["kind"] in "abc"
        assert "fill" not in each or each["fill"]["area"] in (*range(1, 101), 200)
    assert np.mean([abs(each["cut"]["at"] - 0.3) for each in steps[20:] if "cut" in each]) < 0.15  # by chance: 0.29


def test_tpe_names_nothing_twice_for_a_fold() -> None:
    told = [str(each) for each in tried(60, np.zeros(12))[19:]]  # the first of each fold puts the best together
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_what_is_proposed_for_a_fold_has_not_looked_at_its_images(fold: int) -> None:
    changed = np.where(fold == FOLDS, np.random.default_rng(0).normal(0, 5, 12), 0)
    same, other = tried(19, np.zeros(12)), tried(19, changed)
    assert [step for step, of in same if of in (None, fold)] == [step for step, of in other if of in (None, fold)]
    assert same != other


# Choice


def test_a_step_that_helps_is_kept_and_one_that_does_not_is_dropped() -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, 12)
    worth = {"good": 0.3, "useless": 0.0, "harmful": -0.1}

    judge = Judged([], lambda steps: noise + 0.5 + sum(worth[name] for name in steps))
    judge.run({}, None)
    judge.run({name: {} for name in worth}, None)
    choice = choose(judge, FOLDS, ALONE)
    assert list(choice.trial.steps) == ["good"]
    assert choice.dropped.keys() == {"useless", "harmful"}
    assert choice.helps["good"] == pytest.approx((0.3, 0.3, 0.3))
    assert choice.gain == pytest.approx((0.3, 0.3, 0.3))


def test_luck_on_the_tuned_images_is_no_gain() -> None:
    """Of many trials that are chance the best looks good where it was chosen, and is nothing elsewhere."""
    gains = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        trials = [scored({}, np.zeros(40)), *(scored({"luck": {"n": n}}, rng.normal(size=40)) for n in range(50))]
        folds = np.arange(40) % 4
        assert max(trial.scores.mean() for trial in trials) > 0.2
        choice = choose(judged(*trials), folds, np.full(40, -1), sure=False)
        gains.append(choice.gain.value if choice.trial.steps else choice.dropped["luck"].value)
    assert abs(np.mean(gains)) < 0.1


@pytest.mark.parametrize(("sure", "kept"), [(True, []), (False, ["lucky"])])
def test_two_images_pay_for_a_step_only_where_the_mean_is_enough(sure: bool, kept: list[str]) -> None:
    scores = np.where(np.arange(12) < 2, 0.5, -0.01)
    choice = choose(judged(scored({}, np.zeros(12)), scored({"lucky": {}}, scores)), FOLDS, ALONE, sure)
    assert list(choice.trial.steps) == kept
    assert ("lucky" in choice.dropped) == sure


def test_nothing_is_chosen_where_nothing_helps() -> None:
    choice = choose(judged(scored({}, np.zeros(12)), scored({"a": {}}, np.full(12, -1.0))), FOLDS, ALONE)
    assert choice.trial.steps == choice.helps == choice.dropped == {}
    assert choice.gain == (0, 0, 0)


# Trials


def trials_of(file: Path, about: dict[str, Any], calls: list[int]) -> Trials:
    nodes = {
        "threshold": {"_target_": "segtrain.postprocess.Threshold", "threshold": 0.5},
        "morphology": {"_target_": "segtrain.postprocess.Morphology"},
    }

    def score(chain: Any, images: np.ndarray | None) -> np.ndarray:
        calls.append(1)
        if "morphology" in chain.steps:
            raise MemoryError("too much")
        return np.full(3 if images is None else images.sum(), float(len(chain.steps)))

    return Trials(file, about, nodes, score)


def test_trials_are_kept_and_a_failing_one_loses_nothing(tmp_path: Path) -> None:
    calls: list[int] = []
    trials = trials_of(tmp_path / "trials.jsonl", {"seed": 1}, calls)
    trials.run({}, None)
    failed = trials.run({"morphology": {}}, 1)
    out_of_range = trials.run({"threshold": {"threshold": 7}}, 1)
    assert failed.fault == "MemoryError: too much"
    assert "threshold" in out_of_range.fault
    with trials.file.open("a") as file:
        file.write('{"steps": {}, "fo')  # a kill
    again = trials_of(trials.file, {"seed": 1}, calls)
    assert [trial.key for trial in again.known] == [trial.key for trial in trials.known]
    assert np.array_equal(again.run({}, 0).scores, np.zeros(3))
    assert len(calls) == 2
    part = np.array([True, False, True])
    for _ in range(2):
        assert np.array_equal(again.on({"threshold": {"threshold": 0.6}}, part), np.ones(2))  # scored once
        assert np.array_equal(again.on({}, part), np.zeros(2))
        assert again.on({"morphology": {}}, part) is None
    assert len(calls) == 3
    assert trials_of(trials.file, {"seed": 2}, calls).known == []


# The command


def test_a_tuning_leaves_what_auto_takes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tune(folder)
    told = json.loads((file.parent / "tuned.json").read_text())
    chosen = yaml.safe_load(file.read_text())
    assert chosen == told["chosen"]
    assert len(told["trials"]) >= 12
    assert "against the reference clean" in capsys.readouterr().out
    assert list((file.parent / "probs" / "val").glob("*.npy"))
    auto = run.evaluate(compose_config("evaluate", [f"run={folder}", "postprocess=auto", "split=val"]))
    cfg = compose_config("evaluate", [f"run={folder}", "split=val", f"output={folder}/other"])
    OmegaConf.set_struct(cfg, False)
    cfg.postprocess = chosen
    assert auto == run.evaluate(cfg)
    raw = next(trial for trial in told["trials"] if not trial["steps"])
    assert raw["score"] == pytest.approx(auto["val/image_dice@clean"], abs=1e-3)  # half precision moves a draw


def test_predict_takes_what_was_chosen(folder: Path, tmp_path: Path) -> None:
    tuned = folder / "postprocess" / "postprocess.yaml"
    tuned.parent.mkdir()
    tuned.write_text("threshold: {_target_: segtrain.postprocess.Threshold, threshold: 1.0}\n")
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(0).integers(0, 255, (32, 32), dtype=np.uint8))
    output = run.predict(compose_config("predict", [f"run={folder}", f"input={tmp_path}/a.png", "postprocess=auto"]))
    assert not cv2.imread(str(output / "masks" / "a.png"), cv2.IMREAD_UNCHANGED).any()  # nobody is that sure


def test_the_same_command_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [json.loads(line)["steps"] for line in (tune(folder).parent / "trials.jsonl").read_text().splitlines()[1:]]
    file = folder / "postprocess" / "trials.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:8]))
    monkeypatch.setattr("segtrain.run.tuning.stored.StoredProbs.predict", lambda *_: None)  # they are there
    tune(folder)
    assert [json.loads(line)["steps"] for line in file.read_text().splitlines()[1:]] == whole


def test_a_timeout_still_tries_the_raw_prediction_and_each_step(folder: Path) -> None:
    told = json.loads(
        (tune(folder, "timeout=0", "trials=50", "images=4", "score=hd95").parent / "tuned.json").read_text()
    )
    assert [list(trial["steps"]) for trial in told["trials"][:4]] == [
        [], ["threshold"], ["morphology"], ["threshold", "morphology"],
    ]  # fmt: skip
    assert told["images"] == 4
    assert all(trial["score"] >= 0 for trial in told["trials"])


def test_probabilities_come_back_and_sum_to_one(folder: Path) -> None:
    cfg = compose_config("tune_postprocess", [f"run={folder}"])
    restored = restore(cfg)
    restored.plan.data.cache = True
    scene = scene_of(cfg, restored, "val")
    assert not isinstance(scene.source, CachedSource)  # memory holds one image
    probs = scene.probs.read(scene.rows[0])
    assert probs.dtype == np.float32
    np.testing.assert_allclose(probs.sum(axis=CLASS_AXIS), 1, atol=1e-6)


def test_against_given_labels_it_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tune(folder, "reference=null", "trials=1")
    assert "given labels, which may hold mistakes" in (out := capsys.readouterr().out)
    assert "reference=clean tunes against another mask" in out


# What is refused


def test_auto_without_a_tuning_names_the_command(trained: Path) -> None:
    with pytest.raises(ConfigError, match=r"tune_postprocess\.py run="):
        run.evaluate(compose_config("evaluate", [f"run={trained}", "postprocess=auto"]))
    with pytest.raises(ConfigError, match="A training cannot have it"):
        run.train(small_config("postprocess=auto"), Path("new"))


def test_a_tuned_file_may_not_name_anything_to_run(folder: Path) -> None:
    (folder / "postprocess").mkdir()
    (folder / "postprocess" / "postprocess.yaml").write_text("a: {_target_: os.system, command: 'true'}\n")
    cfg = compose_config("evaluate", [f"run={folder}", "postprocess=auto"])
    with pytest.raises(ConfigError, match=r"os\.system"):
        build_postprocess(cfg.postprocess)


def test_settings_that_make_no_sense_are_told_at_once(trained: Path) -> None:
    with pytest.raises(ConfigError) as error:
        tune(trained, "run=[a,b]", "trials=0", "folds=1", "images=1", "postprocess.threshold.threshold=2.0")
    assert len(error.value.faults) == 5
    with pytest.raises(ConfigError, match="did you mean 'clean'"):
        tune(trained, "reference=cleen")
    with pytest.raises(ConfigError, match="name the steps"):
        tune(trained, "postprocess=none")


def test_a_run_that_learned_from_its_validation_split_has_nothing_to_tune_on(folder: Path) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["trusted"] |= {"split": "val", "reference": "clean"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match="learned from its validation split"):
        tune(folder)


def test_one_patient_is_too_few(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = property(lambda scene: scene.source.samples._replace(group=scene.source.samples.group * 0))
    monkeypatch.setattr("segtrain.run.tuning.stored.Scene.samples", groups)
    with pytest.raises(DataError, match="at least 2 are needed"):
        tune(folder)


def test_probabilities_of_other_weights_do_not_count(folder: Path) -> None:
    cfg = compose_config("tune_postprocess", [f"run={folder}"])
    first = scene_of(cfg, restore(cfg), "val")
    before = {row: first.probs.read(row) for row in first.rows}
    cfg.tta = "flips"
    second = scene_of(cfg, restore(cfg), "val")
    assert not np.array_equal(before[0], second.probs.read(0))
    cfg.tta = "none"
    third = scene_of(cfg, restore(cfg), "val")
    assert all(np.array_equal(third.probs.read(row), probs) for row, probs in before.items())


def test_unlabelled_images_are_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = compose_config("tune_postprocess", [f"run={folder}", "reference=clean"])
    monkeypatch.setattr("segtrain.run.tuning.stored.Scene._label", lambda _, row: None if row % 2 else MASKED[row])
    assert scene_of(cfg, restore(cfg), "val").rows == [0, 4]
    monkeypatch.setattr("segtrain.run.tuning.stored.Scene._label", lambda *_: None)
    with pytest.raises(DataError, match="No image has a mask to compare with"):
        scene_of(cfg, restore(cfg), "val")
