"""Looking at every file of a data set, and the sheet of pictures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import f1_score

from segtrain.data import CheckReport, Folder, Synthetic, Table, check, draw_sheet
from segtrain.data.examine import agreement
from segtrain.types import IGNORE

RNG = np.random.default_rng(0)


def save(path: Path, content: np.ndarray, **settings: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(content).save(path, **settings)


def add(root: Path, split: str, name: str, image: np.ndarray | None = None, mask: np.ndarray | None = None) -> None:
    image = RNG.integers(0, 256, (16, 24), dtype=np.uint8) if image is None else image
    if mask is None:
        mask = np.zeros((16, 24), np.uint8)
        mask[4:8, 4:10] = 1
    save(root / "images" / split / f"{name}.png", image)
    save(root / "masks" / split / f"{name}.png", mask)


def folder(root: Path, **settings: Any) -> Folder:
    places = {"images": "images/{split}", "masks": "masks/{split}"}
    return Folder(**{"root": str(root), "classes": ["background", "cell"], "channels": 1, **places, **settings})


def found(report: CheckReport, name: str) -> str:
    """All faults of a sample."""
    return " ".join(fault.fault for fault in report.faults if fault.id == name)


def test_sound_data_has_no_faults(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        add(tmp_path, split, "a")
    report = check(folder(tmp_path))
    assert report.ok
    assert not report.notes
    assert report.to_text().endswith("No faults.")


def broken(root: Path) -> Folder:
    for name in ("good", "empty", "half", "size", "value", "twin", "ignored"):
        add(root, "train", name)
    add(root, "val", "good")
    add(root, "test", "good")
    (root / "images" / "train" / "empty.png").write_bytes(b"")
    half = root / "masks" / "train" / "half.png"
    half.write_bytes(half.read_bytes()[:-40])
    add(root, "train", "size", mask=np.zeros((16, 25), np.uint8))
    add(root, "train", "value", mask=np.full((16, 24), 7, np.uint8))
    twin = np.asarray(Image.open(root / "images" / "train" / "twin.png"))
    save(root / "images" / "test" / "copy.tif", twin)  # the same pixels in another format
    save(root / "masks" / "test" / "copy.png", np.ones((16, 24), np.uint8))
    return folder(root)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_every_fault_is_found_and_named(tmp_path: Path, num_workers: int) -> None:
    seen: list[tuple[int, int]] = []
    report = check(broken(tmp_path), num_workers=num_workers, on_sample=lambda *done: seen.append(done))
    assert not report.ok
    assert len(report.faults) == 5
    assert "images/train/empty.png is empty" in found(report, "empty")
    assert "masks/train/half.png cannot be read" in found(report, "half")
    assert "masks/train/size.png is 25 x 16 pixels" in found(report, "size")
    assert "masks/train/value.png: 7 (384 pixels) mean nothing" in found(report, "value")
    assert "images/test/copy.tif and images/train/twin.png (train) have the same pixels" in found(report, "copy")
    assert seen == [(done, 10) for done in range(1, 11)]
    text = report.to_text()
    for fault in report.faults:
        assert f"{fault.split}/{fault.id}: {fault.fault}" in text
    assert json.loads(report.to_json())["faults"] == [fault._asdict() for fault in report.faults]


def test_what_is_unusual_is_named(tmp_path: Path) -> None:
    add(tmp_path, "train", "plain", mask=np.ones((16, 24), np.uint8))
    add(tmp_path, "train", "empty", mask=np.zeros((16, 24), np.uint8))
    add(tmp_path, "train", "ignored", mask=np.full((16, 24), 9, np.uint8))
    add(tmp_path, "train", "deep", RNG.integers(0, 65536, (16, 24), dtype=np.uint16))
    add(tmp_path, "train", "alpha", RNG.integers(0, 256, (16, 24, 4), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 3
    add(tmp_path, "train", "turned")
    save(tmp_path / "images" / "train" / "turned.png", RNG.integers(0, 256, (16, 24), dtype=np.uint8), exif=exif)
    add(tmp_path, "train", "twin", np.asarray(Image.open(tmp_path / "images" / "train" / "plain.png")))
    add(tmp_path, "val", "a", mask=np.zeros((16, 24), np.uint8))
    report = check(folder(tmp_path, ignore_value=9))
    assert report.ok
    kinds = {
        "empty masks (nothing but background)": ["train/empty", "val/a"],
        "masks that are ignored everywhere": ["train/ignored"],
        "images of 16 bits": ["train/deep"],
        "images with an alpha channel, which is dropped": ["train/alpha"],
        "images turned by their EXIF orientation (masks are not)": ["train/turned"],
        "images that another of their split equals": ["train/twin"],
        "classes without a pixel in a split": ["val/cell"],
    }
    assert report.notes == kinds
    assert "1 images of 16 bits: train/deep" in report.to_text()


def test_statistics_are_counted(tmp_path: Path) -> None:
    mask = np.zeros((16, 24), np.uint8)
    mask[:4] = 1
    mask[4:6] = 9
    add(tmp_path, "train", "a", mask=mask)
    add(tmp_path, "train", "b", RNG.integers(0, 256, (8, 10), dtype=np.uint8), np.zeros((8, 10), np.uint8))
    add(tmp_path, "val", "c")
    summary = check(folder(tmp_path, ignore_value=9, clean="b*")).summaries()["train"]
    total = 16 * 24 + 80
    assert summary["pixel_share"] == {
        "background": pytest.approx((16 * 24 - 6 * 24 + 80) / total),
        "cell": pytest.approx(4 * 24 / total),
        "ignored": pytest.approx(2 * 24 / total),
    }
    assert summary["images_with"] == {"background": 2, "cell": 1}
    assert summary["height"] == {"min": 8, "median": 12, "max": 16}
    assert summary["width"] == {"min": 10, "median": 17, "max": 24}
    assert [summary[key] for key in ("samples", "labelled", "clean")] == [2, 2, 1]
    assert summary["read_as"] == {"uint8 x 1": 2}


def test_agreement_is_the_mean_dice_of_the_classes_that_are_there() -> None:
    label, reference = RNG.integers(0, 4, (2, 30, 30))
    label[:3] = IGNORE
    reference[:, :3] = IGNORE
    known = (label != IGNORE) & (reference != IGNORE)
    shown = [1, 2, 3]
    witness = f1_score(label[known], reference[known], labels=shown, average="macro")
    found = agreement(label.astype(np.uint8), reference.astype(np.uint8), 5, [1, 2, 3, 4])  # class 4 is not there
    assert found == pytest.approx(witness)
    empty = np.zeros((4, 4), np.uint8)
    assert np.isnan(agreement(empty, empty, 2, [1]))
    planes = RNG.integers(0, 2, (3, 2, 9, 9)).astype(np.uint8)
    both = [f1_score(planes[k, 0].ravel(), planes[k, 1].ravel()) for k in range(3)]
    assert agreement(planes[:, 0], planes[:, 1], 3, [0, 1, 2]) == pytest.approx(np.mean(both))


def test_agreement_with_references_and_by_annotator(tmp_path: Path) -> None:
    truth = np.zeros((16, 24), np.uint8)
    truth[:, :12] = 1
    half = truth.copy()
    half[8:] = 0
    for name in ("a", "b"):
        add(tmp_path, "train", name)
        save(tmp_path / "gold" / f"{name}.png", truth)
        save(tmp_path / "crowd" / "exact" / f"{name}.png", truth)
        save(tmp_path / "crowd" / "lazy" / f"{name}.png", half)
    report = check(folder(tmp_path, masks="crowd/{annotator}/{stem}.png", references={"gold": "gold/{stem}.png"}))
    summary = report.summaries()["train"]
    assert summary["samples"] == 4
    assert summary["agreement"]["gold"]["mean"] == pytest.approx((1 + 2 / 3) / 2)
    assert summary["agreement"]["gold"]["below_0.8"] == 0.5
    assert summary["annotators"]["exact"] == {"samples": 2, "agreement": {"gold": 1.0}}
    assert summary["annotators"]["lazy"] == {"samples": 2, "agreement": {"gold": pytest.approx(2 / 3)}}
    assert report.tallies["train"].worst(2) == [1, 3]
    assert not report.notes  # one image under two annotators is no copy of itself


def test_broken_references_are_faults(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        add(tmp_path, "train", name)
        save(tmp_path / "gold" / f"{name}.png", np.ones((16, 24), np.uint8))
    (tmp_path / "gold" / "a.png").write_bytes(b"x")
    save(tmp_path / "gold" / "b.png", np.ones((15, 24), np.uint8))
    report = check(folder(tmp_path, references={"gold": "gold/{stem}"}))
    assert "gold/a.png cannot be read" in found(report, "a")
    assert "gold/b.png is 24 x 15 pixels" in found(report, "b")
    assert len(report.faults) == 2


def test_nearly_equal_images_of_different_splits_are_named_when_asked(tmp_path: Path) -> None:
    smooth = np.asarray(Image.fromarray(RNG.integers(0, 256, (4, 6), dtype=np.uint8)).resize((96, 64)))
    mask = np.zeros((64, 96), np.uint8)
    mask[0] = 1
    noisy = (smooth + RNG.normal(0, 6, smooth.shape)).clip(0, 255).astype(np.uint8)
    add(tmp_path, "train", "a", smooth, mask)
    add(tmp_path, "val", "again", noisy, mask)
    add(tmp_path, "val", "other", np.ascontiguousarray(smooth[::-1]), mask)
    assert not check(folder(tmp_path)).notes
    notes = check(folder(tmp_path), near_duplicates=True).notes
    assert len(notes["images nearly equal to one of another split"]) == 1
    assert notes["images nearly equal to one of another split"][0].startswith("val/again ~ train/a (")


def test_images_made_on_the_fly_have_statistics(tmp_path: Path) -> None:
    data_set = Synthetic(num_train=4, num_val=2, num_test=2)
    report = check(data_set)
    assert report.ok
    assert report.summaries()["train"]["samples"] == 4
    sheet = draw_sheet(data_set.splits()["train"], range(4), data_set)
    assert sheet.size[0] > 200


# The sheet


def test_a_sheet_shows_labels_references_and_what_cannot_be_read(tmp_path: Path) -> None:
    data_set = broken(tmp_path)
    source = data_set.splits()["train"]
    sheet = np.asarray(draw_sheet(source, range(len(source)), data_set, title="train", columns=4, side=120))
    assert sheet.shape == (46 + 2 * 158, 4 * 128 + 8, 3)
    cyan, red = (sheet == (102, 204, 238)).all(axis=-1), (sheet == (190, 30, 45)).all(axis=-1)
    row, column = divmod(source.ids.index("good"), 4)
    top, left = 46 + row * 158, 8 + column * 128
    tile = cyan[top : top + 120, left : left + 120]
    rows, columns = np.nonzero(tile)
    scale = 120 / 24  # the label's 4..8 x 4..10 pixels, below the margin of a picture that is less high than wide
    assert rows.min() == pytest.approx(20 + 4 * scale, abs=2)
    assert rows.max() == pytest.approx(20 + 8 * scale, abs=2)
    assert columns.min() == pytest.approx(4 * scale, abs=2)
    assert columns.max() == pytest.approx(10 * scale, abs=2)
    row, column = divmod(source.ids.index("empty"), 4)
    assert red[46 + row * 158 :, 8 + column * 128 :][:120, :120].any()


@pytest.mark.parametrize("kind", ["uint16", "float", "five", "flat", "thin", "unlabelled"])
def test_a_sheet_of_any_image(tmp_path: Path, kind: str) -> None:
    import tifffile

    content = {
        "uint16": RNG.integers(0, 65536, (16, 24, 1), dtype=np.uint16),
        "float": RNG.normal(size=(16, 24, 1)).astype(np.float32),
        "five": RNG.integers(0, 256, (16, 24, 5), dtype=np.uint8),
        "flat": np.full((16, 24, 1), 9, np.uint8),
        "thin": RNG.integers(0, 256, (2000, 3, 1), dtype=np.uint8),
        "unlabelled": RNG.integers(0, 256, (16, 24, 1), dtype=np.uint8),
    }[kind]
    (tmp_path / "images" / "train").mkdir(parents=True)
    tifffile.imwrite(tmp_path / "images" / "train" / "a.tif", content, photometric="minisblack")
    if kind != "unlabelled":
        save(tmp_path / "masks" / "train" / "a.png", np.ones(content.shape[:2], np.uint8))
    data_set = folder(tmp_path, channels=content.shape[2], unlabelled=True)
    sheet = draw_sheet(data_set.splits()["train"], [0], data_set)
    assert np.asarray(sheet).std() > 0


def test_many_classes_are_listed_in_as_many_lines_as_they_take(tmp_path: Path) -> None:
    add(tmp_path, "train", "a")
    classes = ["background", *(f"quite a long class name {number}" for number in range(40))]
    data_set = folder(tmp_path, classes=classes)
    sheet = draw_sheet(data_set.splits()["train"], [0], data_set, columns=2)
    assert sheet.size[1] > 15 * 20


# Real data


def test_crowdcells_is_sound_and_as_noisy_as_its_readme_says(real_data: Path) -> None:
    data_set = Table(
        root=str(real_data / "crowdcells"),
        classes=["background", "cell"],
        channels=1,
        image="images/{id}.png",
        mask="masks_noisy/{id}.png",
        references={"gold": "masks_clean/{id}.png"},
        id="id",
        annotator="noisy_annotator",
        group="group",
    )
    report = check(data_set)
    assert report.ok
    summaries = report.summaries()
    assert sum(found["samples"] for found in summaries.values()) == 270
    means = [(found["samples"], found["agreement"]["gold"]["mean"]) for found in summaries.values()]
    assert sum(count * mean for count, mean in means) / 270 == pytest.approx(0.865, abs=5e-4)


@pytest.mark.slow
def test_nuclei_is_sound(real_data: Path) -> None:
    data_set = Folder(
        root=str(real_data / "nuclei"),
        classes=["background", "nucleus"],
        masks="masks_noisy",
        references={"clean": "masks_clean"},
        split={"train": "train.txt", "val": "val.txt", "test": "test.txt", "removed": "removed.txt"},
    )
    report = check(data_set)
    assert report.ok
    assert len(report.notes["grey images, repeated to 3 channels"]) == 562


def test_camvid_has_the_shares_of_its_readme(real_data: Path) -> None:
    data_set = Folder(
        root=str(real_data / "camvid_half"),
        classes=[str(number) for number in range(11)],
        images="images/{split}",
        masks="labels/{split}",
        ignore_value=11,
    )
    shares = list(check(data_set).summaries()["train"]["pixel_share"].values())
    expected = [0.169, 0.233, 0.010, 0.317, 0.045, 0.097, 0.012, 0.011, 0.059, 0.006, 0.003, 0.040]
    np.testing.assert_allclose(shares, expected, atol=2e-3)
