"""An audit holds one image at a time: eight times as many images take no more memory."""

import subprocess
import sys
from pathlib import Path

from segtrain import run
from tests.small import small_config

PEAK = "import resource, sys; from segtrain.cli import audit; audit(sys.argv[1:])"
ALLOWED = 40 * 2**10
"""Kilobytes; the probabilities of 240 images of this size alone take three times as much."""


def peak(folder: Path, images: int) -> int:
    """Audit so many made images in a process of its own; give its greatest resident memory in kilobytes."""
    overrides = (f"data.num_train={images}", "data.size=256", "data.cache=false")
    run.train(small_config("train=false", "test=false", "report=false", *overrides), folder)
    command = [sys.executable, "-c", f"{PEAK}; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"]
    given = [f"ckpt_path={folder.parent / 'model' / 'checkpoints' / 'last.ckpt'}", f"run={folder}", "folds=0"]
    done = subprocess.run([*command, *given, "review=20", "sample=20"], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])


def test_memory_does_not_grow_with_the_data(tmp_path: Path) -> None:
    run.train(small_config("test=false", "report=false", "trainer.max_epochs=1"), tmp_path / "model")
    few, many = (peak(tmp_path / str(images), images) for images in (30, 240))
    assert many - few < ALLOWED
