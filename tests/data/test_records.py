"""Splits as rows: reading, sending to workers, fingerprints."""

import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from segtrain.data import Folder, Source
from segtrain.errors import DataError


def save(path: Path, value: int, shape: tuple[int, int] = (4, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(6):
        save(tmp_path / "images" / f"p{number // 2}_{number}.png", number)
        save(tmp_path / "masks" / f"p{number // 2}_{number}.png", number % 2)
        save(tmp_path / "gold" / f"p{number // 2}_{number}.png", 1)
    (tmp_path / "all.txt").write_text("\n".join(f"p{number // 2}_{number}" for number in range(6)))
    return tmp_path


def source_of(root: Path, **settings: str) -> Source:
    data_set = Folder(
        root=str(root),
        classes=["a", "b"],
        channels=1,
        split={"train": "all.txt"},
        group="(p.)_",
        references={"gold": "gold"},
        **settings,
    )
    return data_set.splits()["train"]


class _Labels(Dataset[int]):
    def __init__(self, source: Source) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> int:
        label = self.source.read(index).label
        assert label is not None
        return int(label[0, 0]) + 10 * int(self.source.samples.group[index]) + 100 * int(self.source.ids[index][-1])


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_read_what_this_process_reads(root: Path, method: str) -> None:
    labels = _Labels(source_of(root))
    context = multiprocessing.get_context(method)
    loader = DataLoader(labels, batch_size=None, num_workers=2, multiprocessing_context=context)
    assert list(loader) == [labels[index] for index in range(6)] == [0, 101, 210, 311, 420, 521]


def test_a_source_is_cheap_to_send_and_the_same_afterwards(root: Path) -> None:
    source = source_of(root)
    before = len(pickle.dumps(source))
    samples, ids = source.samples, source.ids
    assert source.samples is samples  # asked for with every sample that is read
    assert source.ids is ids
    assert len(pickle.dumps(source)) == before < 3000
    again = pickle.loads(pickle.dumps(source))
    assert again.ids == ids
    assert again.samples.group.tolist() == samples.group.tolist() == [0, 0, 1, 1, 2, 2]
    assert again.fingerprint() == source.fingerprint()


def test_the_fingerprint_follows_files_and_settings_not_the_place(root: Path, tmp_path: Path) -> None:
    first = source_of(root).fingerprint()
    assert source_of(root).fingerprint() == first
    assert Folder(
        root=str(root), classes=["b", "a"], channels=1, split={"train": "all.txt"}, references={"gold": "gold"}
    ).splits()["train"].fingerprint() != first  # fmt: skip
    mask = root / "masks" / "p0_0.png"
    stat = mask.stat()
    save(mask, 1)
    os.utime(mask, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    second = source_of(root).fingerprint()
    assert second != first
    moved = tmp_path.rename(tmp_path.parent / (tmp_path.name + "_moved"))
    assert source_of(moved).fingerprint() == second
    moved.rename(tmp_path)


def test_every_fault_of_a_sample_is_named_at_once(root: Path) -> None:
    (root / "images" / "p0_0.png").write_bytes(b"")
    save(root / "masks" / "p0_0.png", 7)
    source = source_of(root)
    with pytest.raises(DataError) as caught:
        source.read(0)
    assert caught.value.heading == "sample 'p0_0' of the split 'train' cannot be used:"
    assert len(caught.value.faults) == 2
    assert str(root / "images" / "p0_0.png") in caught.value.faults[0]
    assert str(root / "masks" / "p0_0.png") in caught.value.faults[1]
    assert source.read(1).label is not None


def test_a_mask_of_another_size_is_named_with_both_sizes(root: Path) -> None:
    save(root / "masks" / "p0_0.png", 0, (5, 6))
    save(root / "gold" / "p0_1.png", 0, (4, 7))
    source = source_of(root)
    with pytest.raises(DataError, match=r"masks/p0_0\.png is 6 x 5 pixels, its image .*p0_0\.png 6 x 4: make them"):
        source.read(0)
    with pytest.raises(DataError, match=r"gold/p0_1\.png is 7 x 4 pixels, its image .*p0_1\.png 6 x 4"):
        source.references(1)
    assert source.references(2)["gold"].shape == (4, 6)


def test_a_mask_that_was_not_turned_with_its_image_is_told_so(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(root / "images" / "p0_0.png", exif=exif)
    with pytest.raises(DataError, match=r"is 6 x 4 pixels, .* 4 x 6: the image's EXIF orientation turns it"):
        source_of(root).read(0)
    with pytest.raises(DataError, match="is 6 x 4 pixels"):
        source_of(root).references(0)
    save(root / "masks" / "p0_0.png", 1, (6, 4))
    assert source_of(root).read(0).image.shape == (6, 4, 1)
