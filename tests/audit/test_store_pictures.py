"""What people see of an image under review, kept in the audit's folder: its picture and its label as given."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from segtrain.audit.issue import Issue
from segtrain.audit.store import PICTURE_SIDE, AuditStore, Entry, issue_row
from segtrain.errors import DataError

IDS = ("plain", "ward 3/case #1.png", "<b>&\"'", "süß é 肝", "007")


def entry(image: str, shape: tuple[int, ...]) -> Entry:
    planes = np.zeros(shape, np.uint8)
    return Entry(image, [Issue("missing", 1, 0, 1, 2, 3, np.ones((4, 5), bool), 0.9)], planes, planes)


@pytest.mark.parametrize("image", IDS)
@pytest.mark.parametrize("shape", [(12, 17), (3, 12, 17)])
def test_a_given_label_comes_back_as_it_was(tmp_path: Path, image: str, shape: tuple[int, ...]) -> None:
    store = AuditStore(tmp_path)
    label = np.random.default_rng(0).integers(0, 2, shape)
    label[..., 0, 0] = 255
    store.write(entry(image, shape))
    assert store.given(image) is None
    store.write_given(image, label)
    given = store.given(image)
    assert given is not None
    assert given.dtype == np.uint8
    np.testing.assert_array_equal(given, label)
    assert [found.image for found in store] == [image]


def test_a_given_label_of_another_size_is_refused(tmp_path: Path) -> None:
    store = AuditStore(tmp_path)
    store.write(entry("one", (12, 17)))
    store.write_given("one", np.zeros((12, 18)))
    with pytest.raises(DataError, match=r"one\.png cannot be read, or is not of its image's size"):
        store.given("one")


@pytest.mark.parametrize("image", IDS)
def test_a_picture_is_kept_under_any_id(tmp_path: Path, image: str) -> None:
    store = AuditStore(tmp_path)
    assert not store.picture(image).exists()
    store.write_picture(image, np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
    with Image.open(store.picture(image)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (10, 10))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_pictures_of_any_kind_become_visible(tmp_path: Path, dtype: type, channels: int) -> None:
    store = AuditStore(tmp_path)
    pixels = np.zeros((40, 60, channels), dtype)
    pixels[:, 30:, 0] = 1 if dtype is np.float32 else 200  # red, where there are colours
    store.write_picture("one", pixels)
    with Image.open(store.picture("one")) as picture:
        seen = np.asarray(picture.convert("RGB")).astype(int)
    left, right = seen[20, 10], seen[20, 50]
    assert left.max() < 30
    assert right[0] > 225
    assert (right[1] > 225) == (channels < 3)


def test_a_large_picture_is_made_smaller(tmp_path: Path) -> None:
    store = AuditStore(tmp_path)
    store.write_picture("one", np.random.default_rng(0).random((300, 2 * PICTURE_SIDE, 1), np.float32))
    with Image.open(store.picture("one")) as picture:
        assert picture.size == (PICTURE_SIDE, 150)


def test_ids_that_look_like_numbers_stay_texts(tmp_path: Path) -> None:
    store = AuditStore(tmp_path)
    issue = entry("007", (12, 17)).issues[0]
    pd.DataFrame([issue_row("007", 0, issue, ["0", "1"], None)]).to_csv(tmp_path / "issues.csv", index=False)
    pd.DataFrame([{"image": "007", "quality": 0.5, "issues": 1}]).to_csv(tmp_path / "images.csv", index=False)
    row = store.issues().iloc[0]
    assert [row[name] for name in ("issue", "image", "class", "given", "suggested")] == ["007#0", "007", "1", "0", "1"]
    assert np.isnan(row["precision"])
    assert store.images()["image"].tolist() == ["007"]
