"""Runs side by side."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml  # type: ignore[import-untyped]

from segtrain.errors import DataError
from segtrain.reports import compare, read_runs


def run(folder: Path, noise: dict[str, object], seed: int, dice: float) -> None:
    folder.mkdir(parents=True)
    config = {"noise": noise, "seed": seed, "model": {"_target_": "segtrain.models.unet", "encoder": "resnet18"}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "metrics.json").write_text(json.dumps({"test/dice": dice}))


def test_mean_and_spread_over_seeds(tmp_path: Path) -> None:
    values = {"none": [0.80, 0.82, 0.87], "a + b": [0.9]}
    for seed, dice in enumerate(values["none"]):
        run(tmp_path / f"none{seed}", {}, seed, dice)
    run(tmp_path / "deep" / "both", {"a": {"x": 1}, "b": {}}, 0, 0.9)
    (tmp_path / "broken").mkdir()  # a run that never finished
    (tmp_path / "broken" / "config.yaml").write_text("seed: 1")
    by, scores = ["model", "model.encoder", "noise"], ["test/dice"]
    table = compare(read_runs(tmp_path, by, scores), by, scores)
    rows = {row[3]: row for row in ([c.strip() for c in line.split("|")] for line in table.splitlines()[2:])}
    assert rows["none"][1:3] == ["unet", "resnet18"]
    assert rows["none"][4] == "3"
    assert rows["none"][5] == f"{np.mean(values['none']):.4f} ± {np.std(values['none'], ddof=1):.4f}"
    assert rows["a + b"][4:6] == ["1", "0.9000"]


def test_nothing_to_compare_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no finished run"):
        read_runs(tmp_path, ["noise"], ["test/dice"])
    run(tmp_path / "a", {}, 0, 0.5)
    with pytest.raises(DataError, match="test/dyce"):
        read_runs(tmp_path, ["noise"], ["test/dyce"])
