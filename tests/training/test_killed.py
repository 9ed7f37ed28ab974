"""A kill in the middle of an audit that rewrites labels loses nothing: the resumed run ends like the unbroken one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from segtrain import run
from segtrain.training import read_checkpoint
from tests.small import merged, small_config

ROOT = Path(__file__).parent.parent.parent
SETTINGS = (
    "noise=self_training", "noise.self_training.rounds=2", "data.num_train=120", "data.size=64", "seed=3",
    "trainer.max_epochs=2", "trainer.limit_train_batches=3", "test=false", "report=false",
)  # fmt: skip


def train(folder: Path, ckpt: Path | None = None) -> None:
    cfg = small_config(*SETTINGS)
    cfg.ckpt_path = None if ckpt is None else str(ckpt)
    run.train(cfg, folder)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"]


def labels(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.glob("revised/*/*.png"))}


def kill_within_the_audit(folder: Path) -> None:
    """Start a training and kill it as soon as the first labels are rewritten."""
    command = [sys.executable, str(ROOT / "train.py"), f"paths.run_dir={folder}", *merged(SETTINGS)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder.parent)
    try:
        while len(list(folder.glob("revised/0001/*.png"))) < 3:
            assert process.poll() is None, "the training ended before it could be killed"
            time.sleep(0.002)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


def test_killed_within_an_audit(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(whole)
    kill_within_the_audit(killed)
    assert 3 <= len(labels(killed)) < len(labels(whole))
    last = killed / "checkpoints" / "last.ckpt"
    shutil.copy(last, tmp_path / "older.ckpt")
    train(killed, last)
    assert labels(killed) == labels(whole)
    assert all(torch.equal(value, weights(killed)[name]) for name, value in weights(whole).items())
    assert not list(killed.glob("revised/*/*.part*"))

    # From the checkpoint before the audit once more: the later labels that lie there are not seen.
    train(killed, tmp_path / "older.ckpt")
    assert all(torch.equal(value, weights(killed)[name]) for name, value in weights(whole).items())
