"""benchmark segment: settings chosen on one list of images, scored on another."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from segtrain import run
from segtrain.config import compose_config
from segtrain.errors import ConfigError, DataError
from segtrain.run.benchmark import segment


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures of three areas, each drawn by two people, one of whom leaves out an area."""
    rng = np.random.default_rng(0)
    for part in ("images", "gt"):
        (tmp_path / part).mkdir()
    for number in range(4):
        areas = np.zeros((48, 60), np.uint16)
        areas[:, 20 + 4 * number :], areas[30:, : 20 + 4 * number] = 1, 2
        image = np.array([[40, 40, 200], [200, 60, 40], [60, 200, 60]])[areas] + rng.integers(0, 9, (48, 60, 3))
        cv2.imwrite(str(tmp_path / "images" / f"{number}.jpg"), image.astype(np.uint8))
        np.savez(tmp_path / "gt" / f"{number}.npz", segs=np.stack([areas, np.minimum(areas, 1)]) + 1)
    (tmp_path / "train.txt").write_text("0\n1\n")
    (tmp_path / "test.txt").write_text("2\n3\n")
    return tmp_path


@pytest.fixture(autouse=True)
def _untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "segment_speed", lambda images, truths: f"{len(images)}, {len(truths)} timed")


def measured(folder: Path, *overrides: str, recipe: list[str] | None = None) -> str:
    cfg = compose_config("benchmark_segment", [f"images={folder}", *overrides])
    if recipe is not None:
        cfg.recipes.felzenszwalb = recipe
    return str(run.benchmark(cfg))


def test_the_better_setting_is_chosen(folder: Path) -> None:
    recipe = ["segmenter=felzenszwalb", "segmenter.scale=1,300", "segmenter.min_area=5"]
    text = measured(folder, "arms=[felzenszwalb]", f"report={folder}/report", recipe=recipe)
    told = json.loads((folder / "report" / "segment.json").read_text())["felzenszwalb"]
    assert (told["tried"], told["images"]) == (2, 2)
    assert "segmenter.scale=300" in told["settings"]["covering"]
    one, best = told["one setting for all"], told["best setting of each image"]
    assert one["covering"] > 0.7
    assert all(best[name] >= one[name] for name in ("covering", "rand", "boundary_f1"))
    assert best["variation"] <= one["variation"]
    assert told["with the setting for covering"][0] == pytest.approx(one["covering"])
    assert (folder / "report" / "segment.md").read_text().strip() == text
    assert "mean shift (EDISON), published" in text
    assert "2, 2 timed" in text


def test_what_is_missing_is_told(folder: Path) -> None:
    with pytest.raises(ConfigError, match="there is no 'slik', did you mean 'slic'"):
        measured(folder, "arms=[slik]")
    (folder / "gt" / "0.npz").unlink()
    with pytest.raises(DataError, match="no segmentation of 0"):
        measured(folder, "arms=[kmeans]")
    (folder / "test.txt").unlink()
    with pytest.raises(DataError, match=r"test\.txt is missing"):
        measured(folder)


def test_mean_shift_is_timed_beside_others(monkeypatch: pytest.MonkeyPatch) -> None:
    from segtrain.run.benchmark import segment_speed

    monkeypatch.setattr(segment_speed, "ROUNDS", 1)
    image = np.random.default_rng(0).integers(0, 256, (80, 96, 3), dtype=np.uint8)
    text = segment_speed.segment_speed([image], [[np.zeros((80, 96), np.int64)]])
    assert "1: 10 x 12" in text
    assert "1.00, 1.00, 1.00" in text  # noise is one region, as it was drawn
    assert "1: 80 x 96" in text
