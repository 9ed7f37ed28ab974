"""train, evaluate, predict and check-data from end to end, on a training of seconds."""

import json
import math
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
import yaml  # type: ignore[import-untyped]

from segtrain import run
from segtrain.config import compose_config
from segtrain.errors import CheckpointError, ConfigError, DataError
from tests.small import small_config

TRAINED = (
    "noise=curriculum",
    "postprocess=morphology",
    "callbacks=[best,last,image_panels,draws,lr_monitor]",
    "logger=[csv,tensorboard]",
    "data.num_train=16",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    folder = tmp_path_factory.mktemp("runs") / "a run, with=signs é"
    return folder, run.train(small_config(*TRAINED), folder)


def test_a_run_leaves_its_folder(trained: tuple[Path, dict[str, float]]) -> None:
    folder, _ = trained
    for name in ("config.yaml", "metrics.csv", "metrics.json", "status.json", "report.html", "draws.csv"):
        assert (folder / name).stat().st_size > 0, name
    for name in ("checkpoints/best.ckpt", "checkpoints/last.ckpt", "test/confusion.json", "test/images.csv"):
        assert (folder / name).exists(), name
    assert list((folder / "tensorboard").glob("events*"))
    status = json.loads((folder / "status.json").read_text())
    assert (status["status"], status["exit_code"]) == ("finished", 0)
    assert "${" not in (folder / "config.yaml").read_text()
    assert not list(folder.rglob("*.part"))


def test_metrics_are_flat_and_against_every_reference(trained: tuple[Path, dict[str, float]]) -> None:
    folder, metrics = trained
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    for name in ("dice", "iou", "accuracy", "precision", "recall", "fw_iou", "ece", "boundary_f1", "hd95"):
        assert math.isfinite(metrics[f"test/{name}"])
        assert math.isfinite(metrics[f"test/{name}@clean"])
    assert math.isfinite(metrics["test/dice/cell@clean@post"])
    assert metrics["best/labels"] == "given"
    assert metrics["best/monitor"] == "val/dice"


def test_the_best_checkpoint_is_the_best_validation(trained: tuple[Path, dict[str, float]]) -> None:
    folder, metrics = trained
    scores = pd.read_csv(folder / "metrics.csv")["val/dice"].dropna()
    assert metrics["best/score"] == pytest.approx(scores.max())
    assert metrics["best/epoch"] == scores.reset_index(drop=True).idxmax()


def test_images_scores_agree_with_the_confusion(trained: tuple[Path, dict[str, float]]) -> None:
    folder, metrics = trained
    matrix = np.array(json.loads((folder / "test" / "confusion.json").read_text())["matrices"]["@clean"])
    assert metrics["test/dice/cell@clean"] == pytest.approx(2 * matrix[1, 1] / (matrix[1].sum() + matrix[:, 1].sum()))
    assert metrics["test/image_dice"] == pytest.approx(pd.read_csv(folder / "test" / "images.csv")["dice"].mean())


def test_the_checkpoint_holds_only_plain_values(trained: tuple[Path, dict[str, float]]) -> None:
    checkpoint = torch.load(trained[0] / "checkpoints" / "best.ckpt", weights_only=True)
    assert checkpoint["delivers"] == "model."


def test_evaluate_repeats_the_test(trained: tuple[Path, dict[str, float]], tmp_path: Path) -> None:
    folder, metrics = trained
    cfg = compose_config("evaluate", [f'run="{folder}"', "postprocess=morphology", f"output={tmp_path}"])
    again = run.evaluate(cfg)
    for name, value in again.items():
        assert value == pytest.approx(metrics[name], abs=1e-6), name
    assert (tmp_path / "metrics.json").exists()


def test_a_run_of_an_older_version_is_restored(trained: tuple[Path, dict[str, float]], tmp_path: Path) -> None:
    folder = shutil.copytree(trained[0], tmp_path / "run")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    del config["proposals"], config["held_out"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    old, new = (
        run.evaluate(compose_config("evaluate", [f'run="{place}"', f"output={tmp_path}/out"]))
        for place in (folder, trained[0])
    )
    assert old == pytest.approx(new)


def test_other_classes_than_the_checkpoint_are_refused(trained: tuple[Path, dict[str, float]], tmp_path: Path) -> None:
    folder = shutil.copytree(trained[0], tmp_path / "run")
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("- cell", "- nucleus"))
    with pytest.raises(ConfigError, match=r"the classes background, cell, and data\.classes says background, nucleus"):
        run.evaluate(compose_config("evaluate", [f'run="{folder}"']))


def test_evaluate_another_split_with_flips(trained: tuple[Path, dict[str, float]]) -> None:
    folder, _ = trained
    metrics = run.evaluate(compose_config("evaluate", [f'run="{folder}"', "split=train", "tta=flips"]))
    assert math.isfinite(metrics["train/dice@clean"])
    assert (folder / "evaluate" / "train" / "images.csv").exists()
    metrics = run.evaluate(compose_config("evaluate", [f'run="{folder}"', "split=all"]))
    assert math.isfinite(metrics["all/dice@clean"])
    scored = pd.read_csv(folder / "evaluate" / "all" / "images.csv")
    assert len(scored) > len(pd.read_csv(folder / "evaluate" / "train" / "images.csv"))
    with pytest.raises(ConfigError, match="split=trian"):
        run.evaluate(compose_config("evaluate", [f'run="{folder}"', "split=trian"]))


def test_predict_any_size_and_name(trained: tuple[Path, dict[str, float]], tmp_path: Path) -> None:
    sizes = {"a": (32, 32), "sub/b c": (100, 75), "d=é,": (5, 3)}
    rng = np.random.default_rng(0)
    for name, size in sizes.items():
        file = tmp_path / "in" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), rng.integers(0, 255, size, dtype=np.uint8))
    wanted = [f'run="{trained[0]}"', f"input={tmp_path}/in", f"output={tmp_path}/out", "save_probs=true"]
    run.predict(compose_config("predict", wanted))
    for name, size in sizes.items():
        mask = cv2.imread(str(tmp_path / "out" / "masks" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert mask.shape == size
        assert set(np.unique(mask)) <= {0, 1}
        with np.load(tmp_path / "out" / "probs" / f"{name}.npz") as stored:
            assert np.allclose(stored["probs"].sum(axis=0, dtype=np.float32), 1, atol=2e-3)
            assert np.array_equal(stored["probs"].argmax(axis=0), mask)
        assert (tmp_path / "out" / "overlays" / f"{name}.jpg").exists()


def test_predict_names_every_broken_image_and_does_the_rest(
    trained: tuple[Path, dict[str, float]], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    cv2.imwrite(str(folder / "good.png"), np.zeros((20, 20), np.uint8))
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:40])
    with pytest.raises(DataError) as error:
        run.predict(compose_config("predict", [f'run="{trained[0]}"', f"input={folder}", f"output={tmp_path}/out"]))
    assert len(error.value.faults) == 2
    assert (tmp_path / "out" / "masks" / "good.png").exists()


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "truncated"), (b"PK\x03\x04nothing", "truncated or no checkpoint")]
)
def test_a_broken_checkpoint_is_one_sentence(
    trained: tuple[Path, dict[str, float]], tmp_path: Path, content: bytes, said: str
) -> None:
    broken = tmp_path / "broken.ckpt"
    broken.write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        run.evaluate(compose_config("evaluate", [f'run="{trained[0]}"', f"ckpt_path={broken}"]))


def test_a_folder_that_holds_a_run_is_refused(trained: tuple[Path, dict[str, float]]) -> None:
    with pytest.raises(ConfigError, match="holds another run"):
        run.train(small_config(), trained[0])


def test_a_run_that_fails_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(DataError, match="do not fill one batch"):
        run.train(small_config("data.batch_size=64"), folder)
    status = json.loads((folder / "status.json").read_text())
    assert (status["status"], status["exit_code"]) == ("failed", 1)
    assert "do not fill one batch" in status["reason"]
    assert (folder / "report.html").exists()


def test_ranges_are_told_all_at_once_before_any_data(tmp_path: Path) -> None:
    wrong = ("loss.dice.smooth=-1", "data.size=33", "noise=curriculum", "noise.curriculum.start_fraction=2")
    with pytest.raises(ConfigError) as error:
        run.train(small_config("loss=dice", *wrong), tmp_path / "run")
    told = "\n".join(error.value.faults)
    assert all(name in told for name in ("smooth", "size", "start_fraction"))


def test_clean_only_without_clean_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"name them by data\.clean"):
        run.train(small_config("noise=clean_only", "data.clean_fraction=0"), tmp_path / "run")


def test_overlapping_classes_from_end_to_end(real_data: Path, tmp_path: Path) -> None:
    """Chest radiographs with lung, heart and clavicle."""
    small = ["model=unet_plain", "model.width=4", "model.depth=2", "data.size=64", "data.batch_size=8"]
    limits = ["trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=3", "trainer.limit_val_batches=1"]
    rest = ["trainer.limit_test_batches=1", "callbacks=[best,last]", "logger=[csv]", "data.num_workers=0"]
    cfg = compose_config("train", ["experiment=chest", f"data.root={real_data / 'chest'}", *small, *limits, *rest])
    metrics = run.train(cfg, tmp_path / "run")
    assert {"test/dice/lung", "test/dice/heart", "test/dice/clavicle"} <= set(metrics)
    out = run.predict(
        compose_config("predict", [f"run={tmp_path}/run", f"input={real_data}/chest/images/JPCLN001.png"])
    )
    assert {path.parent.name for path in out.rglob("masks/*/*.png")} == {"lung", "heart", "clavicle"}


def test_many_classes_with_an_ignored_one(real_data: Path, tmp_path: Path) -> None:
    """Street scenes: 11 classes and a void that never counts."""
    small = ["model=unet_plain", "model.width=4", "model.depth=2", "data.batch_size=4", "data.num_workers=0"]
    limits = ["trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1"]
    rest = ["trainer.limit_test_batches=1", "callbacks=[best,last]", "logger=[csv]", "loss=[dice,cross_entropy]"]
    data = ["experiment=camvid", f"data.root={real_data / 'camvid_half'}"]
    cfg = compose_config("train", [*data, *small, *limits, *rest])
    run.train(cfg, tmp_path / "run")
    confusion = json.loads((tmp_path / "run" / "test" / "confusion.json").read_text())
    assert np.array(confusion["matrices"][""]).shape == (11, 11)
    assert 0 < np.array(confusion["matrices"][""]).sum() < 4 * 180 * 240


def test_check_data_reports_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = ["data=synthetic", "data.num_train=4", "data.num_val=2", "data.num_test=2", "data.size=32", "processes=0"]
    output = run.check_data(compose_config("check_data", [*wanted, f"output={tmp_path}/out"]))
    assert "No faults." in capsys.readouterr().out
    assert {path.name for path in output.iterdir()} == {"report.txt", "report.json", "train.png", "val.png", "test.png"}


def test_check_data_lists_every_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    rng = np.random.default_rng(0)
    for index in range(6):
        cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), rng.integers(0, 255, (40, 40), dtype=np.uint8))
        cv2.imwrite(str(tmp_path / "masks" / f"{index}.png"), rng.integers(0, 2, (40, 40), dtype=np.uint8))
    cv2.imwrite(str(tmp_path / "masks" / "1.png"), np.zeros((30, 40), np.uint8))
    cv2.imwrite(str(tmp_path / "masks" / "2.png"), np.full((40, 40), 7, np.uint8))
    (tmp_path / "images" / "3.png").write_bytes(b"no image")
    wanted = ["data=folder", f"data.root={tmp_path}", "data.channels=1", "processes=0", f"output={tmp_path}/out"]
    with pytest.raises(DataError, match="3 faults"):
        run.check_data(compose_config("check_data", wanted))
    told = capsys.readouterr().out
    assert all(f"{index}.png" in told for index in (1, 2, 3))


def test_the_saved_config_may_not_name_anything_to_run(trained: tuple[Path, dict[str, float]], tmp_path: Path) -> None:
    config = yaml.safe_load((trained[0] / "config.yaml").read_text())
    config["augmentation"] = {"_target_": "os.system", "command": "true"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    ckpt = trained[0] / "checkpoints" / "best.ckpt"
    with pytest.raises(ConfigError, match=r"os\.system"):
        run.evaluate(compose_config("evaluate", [f"run={tmp_path}", f'ckpt_path="{ckpt}"']))


def test_the_cost_of_a_strategy_is_counted_and_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """Passes are facts: one for none; a teacher's on top for pseudo-labels; an audit each other epoch is a half."""
    table = run.benchmark(small_config("model.dropout=0.2", "+kind=cost"))
    rows = {cells[1]: cells[2:] for line in table.splitlines()[2:] if (cells := [c.strip() for c in line.split("|")])}
    assert rows["none"][:3] == ["1", "0", "1.00"]
    assert rows["pseudo_label"][:2] == ["1", "1"]
    assert float(rows["curriculum"][5]) > 0
    assert set(rows) >= {"none", "curriculum", "pseudo_label", "consistency"}
