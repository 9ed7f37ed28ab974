"""Several runs as one: the mean of their probabilities, for predict and evaluate."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml  # type: ignore[import-untyped]

from segtrain import run
from segtrain.config import check_command, compose_config
from segtrain.errors import CheckpointError, ConfigError
from segtrain.training import read_checkpoint
from tests.small import small_config


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two trainings that differ in the seed and in how images are normalised."""
    folder = tmp_path_factory.mktemp("runs")
    for name, more in (("a", ()), ("b", ("seed=7", "task.normalize=range"))):
        run.train(small_config("trainer.max_epochs=2", *more), folder / name)
    return folder / "a", folder / "b"


def probs(wanted: object, tmp_path: Path, *more: str) -> dict[str, np.ndarray]:
    output = tmp_path / "out" / str(abs(hash((wanted, more))))
    overrides = [f"run={wanted}", f"input={tmp_path}/in", f"output={output}", "save_probs=true", *more]
    run.predict(compose_config("predict", overrides))
    return {file.stem: np.load(file)["probs"].astype(np.float32) for file in output.rglob("*.npz")}


def test_predict_averages(runs: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "in" / "cells.png"), rng.integers(0, 255, (40, 30), dtype=np.uint8))
    first, second = runs
    a, b, both = (probs(wanted, tmp_path, "tta=flips")["cells"] for wanted in (first, second, f"[{first},{second}]"))
    assert np.abs(a - b).max() > 0.01
    np.testing.assert_allclose(both, (a + b) / 2, atol=1e-3)  # written as float16


def test_evaluate_scores_the_mean(runs: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = runs
    scores = {
        wanted: run.evaluate(compose_config("evaluate", [f"run={wanted}", f"output={tmp_path}/{number}"]))
        for number, wanted in enumerate((str(first), f"[{first},{first}]", f"[{first},{second}]"))
    }
    alone, twice, both = scores.values()
    assert twice == pytest.approx(alone, abs=1e-6)
    assert set(both) == set(alone)
    assert both != pytest.approx(alone, abs=1e-6)


def test_runs_of_other_classes_are_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    config = yaml.safe_load((runs[1] / "config.yaml").read_text())
    config["data"]["classes"], config["data"]["fit"] = ["background", "spindle"], "resize"
    (tmp_path / "other" / "checkpoints").mkdir(parents=True)
    (tmp_path / "other" / "config.yaml").write_text(yaml.safe_dump(config))
    weights = read_checkpoint(runs[1] / "checkpoints" / "last.ckpt") | {"classes": config["data"]["classes"]}
    torch.save(weights, tmp_path / "other" / "checkpoints" / "last.ckpt")
    wanted = [f"run=[{runs[0]},{tmp_path}/other]", f"output={tmp_path}/out"]
    with pytest.raises(ConfigError, match="cannot be averaged") as caught:
        run.evaluate(compose_config("evaluate", wanted))
    assert caught.value.faults == [
        f"{tmp_path}/other has classes=['background', 'spindle'], but {runs[0]} has classes=['background', 'cell']",
        f"{tmp_path}/other has fit=resize, but {runs[0]} has fit=crop",
    ]


def test_an_ensemble_says_where_its_results_go(runs: tuple[Path, Path], tmp_path: Path) -> None:
    wanted = [f"run=[{runs[0]},{runs[1]}]", "ckpt_path=x.ckpt"]
    check_command("evaluate", wanted)
    with pytest.raises(ConfigError) as caught:
        run.evaluate(compose_config("evaluate", wanted))
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["output", "ckpt_path"]
    with pytest.raises(CheckpointError, match="nowhere"):
        run.evaluate(compose_config("evaluate", [f"run=[{runs[0]},nowhere]", f"output={tmp_path}"]))
