"""The wheel, installed in a fresh environment, works from another directory; so does a fresh process of each kind."""

import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TINY = (
    "model=unet_plain", "model.width=4", "model.depth=2", "data.size=32", "data.num_train=8", "data.num_val=2",
    "data.num_test=2", "data.batch_size=4", "trainer=cpu", "trainer.max_epochs=1",
)  # fmt: skip


def ran(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_wheel_runs_from_another_directory(tmp_path: Path) -> None:
    ran(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, ROOT, cwd=tmp_path)
    fresh = tmp_path / "fresh"
    venv.create(fresh, with_pip=True)
    wheel = next(tmp_path.glob("*.whl"))
    ran(fresh / "bin" / "pip", "install", "--no-deps", wheel, cwd=tmp_path)
    # The dependencies alone are borrowed from here: a .pth does not follow the .pth of an editable install.
    packages = next((fresh / "lib").glob("python*")) / "site-packages"
    (packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()))
    place = ran(fresh / "bin" / "python", "-c", "import segtrain; print(segtrain.__file__)", cwd=tmp_path)
    assert str(packages) in place
    segtrain = fresh / "bin" / "segtrain"
    assert "curriculum" in ran(segtrain, "configs", "noise", cwd=tmp_path)
    told = ran(segtrain, "train", "loss=dice", "noise=curriculum", "paths.run_dir=here", *TINY, cwd=tmp_path)
    assert "report" in told
    assert (tmp_path / "here" / "report.html").exists()
