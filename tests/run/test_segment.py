"""segment: images in, regions out, scored where there is something to score them by."""

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from segtrain import run
from segtrain.config import compose_config
from segtrain.errors import ConfigError, DataError


def areas(size: tuple[int, int]) -> np.ndarray:
    label = np.zeros(size, np.uint8)
    label[:, size[1] // 3 :] = 1
    label[size[0] // 2 :, size[1] // 3 :] = 2
    return label


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Grey, colour and 16 bits, of three areas each."""
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, size, colour, scale in (
        ("a", (40, 60), True, 1),
        ("sub/b c", (50, 44), False, 1),
        ("d=é,", (40, 40), True, 250),
    ):
        levels = np.array([[30, 60, 200], [200, 90, 40], [90, 200, 90]]) if colour else np.array([30, 120, 220])
        image = levels[areas(size)] + rng.integers(0, 12, (*size, 3) if colour else size)
        cv2.imwrite(str(folder / f"{name}.png"), (image * scale).astype(np.uint8 if scale == 1 else np.uint16))
    return folder


def command(images: Path, tmp_path: Path, *overrides: str) -> Path:
    wanted = [f"input={images}", f"output={tmp_path}/out", *overrides]
    return run.segment(compose_config("segment", wanted))


def test_every_image_gets_its_regions(images: Path, tmp_path: Path) -> None:
    output = command(images, tmp_path)
    for name, size in {"a": (40, 60), "sub/b c": (50, 44), "d=é,": (40, 40)}.items():
        label = cv2.imread(str(output / "labels" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert label.dtype == np.uint16
        assert label.shape == size
        assert label.max() == 2
        assert cv2.imread(str(output / "overlays" / f"{name}.jpg")).shape == (*size, 3)
    assert not (output / "metrics.json").exists()


@pytest.mark.parametrize("segmenter", ["kmeans", "slic", "felzenszwalb"])
def test_other_segmenters_without_overlays(segmenter: str, images: Path, tmp_path: Path) -> None:
    output = command(images, tmp_path, f"segmenter={segmenter}", "overlay=false")
    assert len(list((output / "labels").rglob("*.png"))) == 3
    assert not (output / "overlays").exists()


def test_scores_against_several_annotators_and_label_maps(images: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    truth.mkdir()
    halves = areas((40, 60)) > 0
    np.savez(truth / "a.npz", segs=np.stack([areas((40, 60)), halves]).astype(np.uint16))
    cv2.imwrite(str(truth / "d=é,.png"), areas((40, 40)))
    output = command(images, tmp_path, f"truth={truth}")
    rows = pd.read_csv(output / "images.csv").set_index("image")
    assert list(rows.index) == ["a", "d=é,"]
    assert rows.loc["d=é,", "covering"] == pytest.approx(1, abs=0.02)
    assert rows.loc["a", "covering"] < rows.loc["d=é,", "covering"]
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["covering"] == pytest.approx(rows["covering"].mean())
    assert metrics["variation"] == pytest.approx(rows["variation"].mean())
    assert metrics["images"] == 2
    assert 0.7 < metrics["boundary_f1"] <= 1


def test_all_that_is_wrong_is_told_at_the_end(images: Path, tmp_path: Path) -> None:
    (images / "broken.png").write_bytes(b"no image")
    (images / "empty.jpg").write_bytes(b"")
    truth = tmp_path / "truth"
    truth.mkdir()
    cv2.imwrite(str(truth / "a.png"), areas((4, 4)))
    np.savez(truth / "d=é,.npz", other=np.zeros(3))
    with pytest.raises(DataError) as caught:
        command(images, tmp_path, f"truth={truth}")
    told = str(caught.value)
    for part in (
        "broken.png",
        "empty.jpg",
        "40 x 60 pixels, a segmentation of it (4, 4)",
        "no array `segs`",
        "has no segm",
    ):
        assert part in told
    assert len(list((tmp_path / "out" / "labels").rglob("*.png"))) == 3


def test_more_regions_than_a_png_tells_apart_are_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "noise.png"), noise)
    small = ["segmenter.colour_bandwidth=0.01", "segmenter.min_area=1", "segmenter.position_bandwidth=1"]
    with pytest.raises(DataError, match="a PNG tells 65536 apart"):
        command(tmp_path / "noise.png", tmp_path, *small)


def test_a_truth_that_is_no_folder_is_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a folder"):
        command(images, tmp_path, f"truth={tmp_path}/nowhere")
