"""The main job on two processes: an even share each, one result."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parent.parent.parent
SETTINGS = (
    "model=unet_plain", "model.width=8", "model.depth=2", "model.norm=group", "data.size=32", "data.num_train=16",
    "data.num_val=4", "data.num_test=5", "noise=curriculum", "noise.curriculum.warmup_epochs=1",
    "augmentation=none", "trainer.accelerator=cpu", "trainer.max_epochs=2", "loss=cross_entropy",
    "callbacks=[best,last,draws]", "logger=[csv]", "print_config=none",
)  # fmt: skip


def trained(folder: Path, *overrides: str) -> dict[str, float]:
    command = [sys.executable, str(ROOT / "train.py"), f"paths.run_dir={folder}", *SETTINGS, *overrides]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ, cwd=folder.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.slow
def test_two_processes_share_the_epoch_and_agree_with_one(tmp_path: Path) -> None:
    alone = trained(tmp_path / "one", "data.batch_size=8")
    both = trained(tmp_path / "two", "data.batch_size=4", "trainer.devices=2", "trainer.strategy=ddp")
    draws = [pd.read_csv(tmp_path / name / "draws.csv")["draws"] for name in ("one", "two")]
    assert draws[1].sum() == 2 * 16
    assert draws[0].tolist() == draws[1].tolist()  # the same audit, the same draws
    losses = [pd.read_csv(tmp_path / name / "metrics.csv")["val/loss"].dropna() for name in ("one", "two")]
    assert losses[1].tolist() == pytest.approx(losses[0].tolist(), abs=1e-4)
    for name in ("test/dice", "test/dice@clean", "test/image_dice", "test/ece"):
        assert both[name] == pytest.approx(alone[name], abs=5e-3), name
    assert len(pd.read_csv(tmp_path / "two" / "test" / "images.csv")) == 5
