"""The benchmark of the CRF: what it refuses, and that the table holds what it measured."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from segtrain.config import compose_config
from segtrain.errors import ConfigError
from segtrain.run.benchmark import benchmark


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(0)
    for name in ("one", "two", "without_mask"):
        shade = gaussian_filter(rng.normal(size=(30, 40)), 4)
        mask = (shade > 0).astype(np.uint8)
        image = np.repeat((90 + 80 * mask + rng.normal(0, 5, mask.shape)).astype(np.uint8)[..., None], 3, axis=2)
        for kind, pixels in (("images", image), ("labels", mask)):
            (tmp_path / kind).mkdir(exist_ok=True)
            if (kind, name) != ("labels", "without_mask"):
                cv2.imwrite(str(tmp_path / kind / f"{name}.png"), pixels)
    return [f"images={tmp_path / 'images'}", f"labels={tmp_path / 'labels'}"]


def test_a_table_of_all_cases(folders: list[str]) -> None:
    pytest.importorskip("pydensecrf", reason="pip install pydensecrf2")
    table = benchmark(compose_config("benchmark_crf", [*folders, "cases=[[32,2],[40,3]]", "rounds=2"]))
    lines = table.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:4]] == ["32 px, 2 classes", "40 px, 3 classes"]
    same = [float(line.split("at least ")[1].split("%")[0]) for line in lines[2:4]]
    assert min(same) >= 99
    assert "2 images, 2 rounds, 5 iterations" in lines[-1]


def test_needs_folders_and_images_with_masks(folders: list[str], tmp_path: Path) -> None:
    pytest.importorskip("pydensecrf", reason="pip install pydensecrf2")
    with pytest.raises(ConfigError, match="needs images=<folder> and labels=<folder>"):
        benchmark(compose_config("benchmark_crf", folders[:1]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no image that has a mask"):
        benchmark(compose_config("benchmark_crf", [folders[0], f"labels={tmp_path / 'empty'}"]))


def test_needs_pydensecrf(folders: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydensecrf.densecrf", None)
    with pytest.raises(ConfigError, match="pip install pydensecrf2"):
        benchmark(compose_config("benchmark_crf", folders))
