"""The benchmark of post-processing: one table of raw, each step and the chain, over several runs; it goes on."""

import json
import shutil
from pathlib import Path

import pytest

from segtrain import run
from segtrain.config import compose_config
from segtrain.errors import ConfigError
from tests.small import small_config


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    small = ["data.num_val=4", "trainer.max_epochs=1", "report=false", "test=false"]
    for seed in (0, 1):
        run.train(small_config(*small, f"seed={seed}"), folder / f"seed{seed}")
    return [folder / "seed0", folder / "seed1"]


def settings(runs: list[Path], report: Path, *overrides: str) -> list[str]:
    budget = ["alone=['trials=3']", "chain=['trials=4','postprocess=[threshold,opening]']", "steps=[threshold,opening]"]
    return [f"run=[{','.join(map(str, runs))}]", f"report={report}", "reference=clean", *budget, *overrides]


def test_each_step_alone_and_the_chain(trained: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = run.benchmark(compose_config("benchmark_postprocess", settings(trained, tmp_path)))
    rows = {cells[1]: cells[2:] for line in page.splitlines()[2:8] if (cells := [c.strip() for c in line.split("|")])}
    assert list(rows) == ["raw", "threshold", "threshold, tuned", "opening", "opening, tuned", "tuned chain"]
    measured = json.loads((tmp_path / "postprocess.json").read_text())["measured"]
    metrics = run.evaluate(
        compose_config("evaluate", [f"run={trained[1]}", f"output={tmp_path}", "postprocess=opening"])
    )
    opened = measured["opening #1"]
    assert opened["dice"] == pytest.approx(metrics["test/image_dice@clean@post"], abs=2e-3)  # half precision
    assert opened["boundary_f1"] == pytest.approx(metrics["test/boundary_f1@clean@post"], abs=2e-2)
    raws = [measured[f"raw #{number}"]["dice"] for number in (0, 1)]
    assert rows["raw"][0].startswith(f"{sum(raws) / 2:.3f} ± ")
    assert rows["tuned chain"][6] in ("0 of 2", "1 of 2", "2 of 2")
    monkeypatch.setattr("segtrain.run.tuning.command._check", None)  # nothing is tuned: all was measured
    assert run.benchmark(compose_config("benchmark_postprocess", settings(trained, tmp_path))) == page


def test_the_test_split_has_no_part_in_the_tuning(trained: list[Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained[0], tmp_path / "run"))
    shutil.rmtree(folder / "postprocess", ignore_errors=True)
    run.tune_postprocess(compose_config("tune_postprocess", [f"run={folder}", "trials=2", "postprocess=opening"]))
    assert [place.name for place in (folder / "postprocess" / "probs").iterdir()] == ["val"]


def test_runs_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name the runs"):
        run.benchmark(compose_config("benchmark_postprocess", [f"report={tmp_path}"]))
