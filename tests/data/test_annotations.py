"""Masks of the same images by several annotators: where they are found, read, passed on and looked at."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segtrain.data import Annotator, Folder, Source, Synthetic, Table, check
from segtrain.data.cache import CachedSource
from segtrain.errors import ConfigError, DataError
from segtrain.noise import NoiseStrategy
from segtrain.run.build import build, build_sources, plan
from tests.small import small_config


def save(path: Path, content: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(content).save(path)


def square(top: int, left: int, side: int = 6) -> np.ndarray:
    mask = np.zeros((16, 20), np.uint8)
    mask[top : top + side, left : left + side] = 1
    return mask


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four images; "x" drew them all, "y" the first three, each a pixel beside the other."""
    rng = np.random.default_rng(0)
    for number in range(4):
        name = f"i{number}.png"
        save(tmp_path / "images" / name, rng.integers(0, 255, (16, 20), dtype=np.uint8))
        save(tmp_path / "masks" / name, square(3, 4))
        save(tmp_path / "crowd" / "x" / name, square(3, 5))
        if number < 3:
            save(tmp_path / "crowd" / "y" / name, square(4, 4))
    (tmp_path / "all.txt").write_text("i0\ni1\ni2\ni3\n")
    rows = [f"i{number},{'test' if number == 3 else 'train'}" for number in range(4)]
    (tmp_path / "index.csv").write_text("\n".join(["id,split", *rows]) + "\n")
    return tmp_path


def folder(root: Path, **settings: Any) -> Folder:
    plain = {"root": str(root), "classes": ["background", "cell"], "channels": 1, "split": {"train": "all.txt"}}
    return Folder(**{**plain, "annotations": {"x": "crowd/x", "y": "crowd/y"}, **settings})


def table(root: Path, **settings: Any) -> Table:
    places = {"image": "images/{id}.png", "mask": "masks/{id}.png", "id": "id"}
    names = {"x": "crowd/x/{id}.png", "y": "crowd/y/{id}.png"}
    plain = {"root": str(root), "classes": ["background", "cell"], "channels": 1, **places, "annotations": names}
    return Table(**{**plain, **settings})


@pytest.mark.parametrize("make", [folder, table])
def test_those_that_are_there_are_read_and_counted(root: Path, make: Any) -> None:
    splits = make(root).splits()
    source = splits["train"]
    assert source.annotation_names == ["x", "y"]
    assert source.samples.annotations.tolist() == ([2, 2, 2, 1] if make is folder else [2, 2, 2])
    masks = source.annotations(1)
    assert list(masks) == ["x", "y"]
    assert np.array_equal(masks["x"], square(3, 5))
    assert np.array_equal(masks["y"], square(4, 4))
    last = splits["train" if make is folder else "test"]
    assert list(last.annotations(len(last) - 1)) == ["x"]
    assert source.references(0) == {}


def test_without_any_nothing_is_found(root: Path) -> None:
    source = folder(root, annotations={}).splits()["train"]
    assert source.annotation_names == []
    assert source.samples.annotations.tolist() == [0] * 4
    assert source.annotations(0) == {}


def test_overlapping_classes_have_a_plane_each(root: Path) -> None:
    for number in range(4):
        for who, top in (("x", 1), ("y", 5)):
            for left, name in enumerate(("lung", "heart")):
                save(root / "organs" / who / name / f"i{number}.png", square(top, left))
    settings = {"classes": ["lung", "heart"], "labels": "overlapping", "masks": "organs/x/{class}"}
    both = {"x": "organs/x/{class}", "y": "organs/y/{class}"}
    masks = folder(root, annotations=both, **settings).splits()["train"].annotations(2)
    assert masks["y"].shape == (2, 16, 20)
    assert np.array_equal(masks["y"][1], square(5, 1))
    with pytest.raises(ConfigError, match=r"'annotations' of Folder must hold \{class\}"):
        folder(root, annotations={"x": "organs/x"}, **settings)


@pytest.mark.parametrize(
    ("make", "annotations", "sentence"),
    [
        (folder, {"x": "crowd/{annotator}"}, "asks for {annotator}"),
        (table, {"x": "crowd/{who}/{id}.png"}, "data.annotations: .* asks for {who}"),
    ],
)
def test_places_that_mean_nothing_are_refused(root: Path, make: Any, annotations: Any, sentence: str) -> None:
    with pytest.raises((ConfigError, DataError), match=sentence):
        make(root, annotations=annotations).splits()


def test_one_that_cannot_be_used_is_a_fault_of_its_sample(root: Path) -> None:
    save(root / "crowd" / "y" / "i1.png", np.zeros((16, 21), np.uint8))
    save(root / "crowd" / "x" / "i2.png", np.full((16, 20), 7, np.uint8))
    source = folder(root).splits()["train"]
    with pytest.raises(DataError, match="the annotations of sample 'i1' cannot be used") as caught:
        source.annotations(1)
    assert "crowd/y/i1.png is 21 x 16 pixels" in caught.value.faults[0]
    report = check(folder(root))
    assert [(fault.id, fault.fault.split(" ")[0].rpartition("/")[2].rstrip(":")) for fault in report.faults] == [
        ("i1", "i1.png"),
        ("i2", "i2.png"),
    ]


def test_the_fingerprint_knows_them(root: Path) -> None:
    before = folder(root).splits()["train"].fingerprint()
    save(root / "crowd" / "y" / "i1.png", square(9, 9, side=4))
    assert folder(root).splits()["train"].fingerprint() != before
    assert folder(root, annotations={}).splits()["train"].fingerprint() != before


def test_a_look_at_the_data_tells_how_annotators_agree(root: Path) -> None:
    save(root / "crowd" / "y" / "i0.png", square(3, 5))
    report = check(folder(root))
    assert report.ok
    found = report.summaries()["train"]["annotations"]
    apart = 2 * 5 * 5 / (36 + 36)  # the two squares share 25 of 36 pixels each
    assert found["y"] == {"samples": 3, "mutual": pytest.approx((1 + 2 * apart) / 3)}
    assert found["x"]["samples"] == 3  # alone, the fourth mask has nobody to agree with
    text = report.to_text()
    assert "Masks of the same images by several annotators" in text
    assert json.loads(report.to_json())["splits"]["train"]["annotations"]["x"]["samples"] == 3
    assert "Masks of the same images" not in check(folder(root, annotations={})).to_text()


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return list(one) == list(other) and all(np.array_equal(one[name], other[name]) for name in one)


def test_wrapped_sources_pass_them_on(root: Path) -> None:
    source: Source = folder(root).splits()["train"]
    cached = CachedSource(source)
    assert cached.annotation_names == ["x", "y"]
    assert same(cached.annotations(1), source.annotations(1))
    cfg = small_config("data.annotators=3", "trusted.reference=clean", "trusted.split=val", "trusted.count=2")
    train = build_sources(cfg, plan(cfg))["train"]
    plain = build_sources(small_config("data.annotators=3"), plan(small_config("data.annotators=3")))
    assert train.annotation_names == ["a1", "a2", "a3"]
    assert train.samples.annotations.tolist() == [3] * 16
    assert same(train.annotations(2), plain["train"].annotations(2))
    assert same(train.annotations(13), plain["val"].annotations(1))


# The embedded cells.


def test_simulated_people_draw_every_picture_each_in_his_own_way() -> None:
    noise = plan(small_config()).data.label_noise  # type: ignore[attr-defined]
    few, alone = (Synthetic(size=64, num_train=6, label_noise=noise, annotators=count) for count in (3, 1))
    source, other = few.splits()["train"], alone.splits()["train"]
    assert source.annotation_names == ["a1", "a2", "a3"]
    assert other.annotation_names == []
    assert other.annotations(0) == {}
    assert source.samples.annotations.tolist() == [3] * 6
    assert other.samples.annotations.tolist() == [0] * 6
    masks = source.annotations(4)
    drawn = [masks[name].tobytes() for name in masks] + [source.read(4).label.tobytes()]  # type: ignore[union-attr]
    assert len(set(drawn)) == 4
    assert same(masks, few.splits()["train"].annotations(4))
    assert np.array_equal(source.read(4).label, other.read(4).label)  # type: ignore[arg-type]
    quiet = Synthetic(size=64, num_train=2, annotators=2).splits()["train"]
    assert np.array_equal(quiet.annotations(0)["a2"], quiet.references(0)["clean"])
    with pytest.raises(ConfigError, match="'annotators' of Synthetic must be at least 1"):
        Synthetic(annotators=0)


def test_a_simulated_person_keeps_his_habits_from_picture_to_picture() -> None:
    noise = Annotator(num_annotators=4, bias=4.0, jitter=0.0, miss=0.0)
    source = Synthetic(size=64, num_train=8, clean_fraction=0.0, label_noise=noise, annotators=4).splits()["train"]
    who = source.samples.annotator.tolist()
    assert len(set(who)) > 1
    for index in range(8):
        masks = source.annotations(index)
        assert np.array_equal(masks[f"a{who[index] + 1}"], source.read(index).label)  # type: ignore[arg-type]
        areas = [masks[f"a{number + 1}"].sum() for number in range(4)]
        biases = [noise.habit(number).bias for number in range(4)]
        assert np.argmax(areas) == np.argmax(biases)
        assert np.argmin(areas) == np.argmin(biases)


def test_the_view_gives_them_at_the_images_own_scale(tmp_path: Path) -> None:
    class Look(NoiseStrategy):
        def audit(self, view: Any, epoch: int) -> None:
            assert view.annotation_names == ["a1", "a2"]
            assert list(view.share) == list(range(12))
            masks = view.annotations(5)
            assert {name: mask.shape for name, mask in masks.items()} == {"a1": (64, 64), "a2": (64, 64)}
            expected = parts.data.splits["train"].annotations(5)
            assert all(np.array_equal(mask.numpy(), expected[name]) for name, mask in masks.items())
            self.looked = True

    parts = build(small_config("data.annotators=2", "data.size=64", "trainer.max_epochs=1"), tmp_path)
    strategy = Look()
    parts.task.strategy = parts.data.strategy = strategy
    parts.trainer.fit(parts.task, datamodule=parts.data)
    assert strategy.looked
