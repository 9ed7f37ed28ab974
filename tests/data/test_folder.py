"""Data sets laid out in folders."""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segtrain.data import Folder
from segtrain.errors import ConfigError, DataError

CLASSES = ["background", "cell"]


def save(path: Path, value: int = 0, shape: tuple[int, int] = (4, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)


def pairs(root: Path, names: list[str], images: str = "images/{}.png", masks: str = "masks/{}.png") -> None:
    for number, name in enumerate(names):
        save(root / images.format(name), number % 256)
        save(root / masks.format(name), number % 2)


def folder(root: Path, **settings: Any) -> Folder:
    return Folder(**{"root": str(root), "classes": CLASSES, "channels": 1, **settings})


def ids(data_set: Folder) -> dict[str, list[str]]:
    return {split: source.ids for split, source in data_set.splits().items()}


def lists(root: Path, **names: list[str]) -> dict[str, str]:
    for split, lines in names.items():
        (root / f"{split}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {split: f"{split}.txt" for split in names}


def faults(data_set: Folder) -> str:
    with pytest.raises(DataError) as caught:
        data_set.splits()
    return str(caught.value)


# Images and masks


@pytest.mark.parametrize(
    ("images", "masks", "settings"),
    [
        ("images/{}.png", "masks/{}.png", {}),
        ("images/{}.jpg", "masks/{}.png", {}),
        ("images/{}.PNG", "masks/{}.TIF", {}),
        ("x/{}_image.png", "y/{}_mask.png", {"images": "x/{stem}_image.png", "masks": "y/{stem}_mask.png"}),
        ("{}.jpg", "{}_mask.png", {"images": ".", "masks": "{stem}_mask"}),
        ("both/{}.jpg", "both/{}_segmentation.png", {"images": "both", "masks": "both/{stem}_segmentation.png"}),
        ("images/deep/{}.png", "masks/deep/{}.png", {}),
        ("cases/{}/{0}.png", "cases/{}/{0}_mask.png", {"images": "cases/{stem}/{stem}.png",
                                                       "masks": "cases/{stem}/{stem}_mask.png"}),
    ],
)  # fmt: skip
def test_masks_are_found_by_name_or_template(tmp_path: Path, images: str, masks: str, settings: dict[str, str]) -> None:
    images, masks = images.replace("{}", "{0}"), masks.replace("{}", "{0}")
    names = ["a", "b.v2", "c"]
    pairs(tmp_path, names, images, masks)
    splits = folder(tmp_path, split=[0.34, 0.33, 0.33], **settings).splits()
    found = {source.ids[0]: source.read(0) for source in splits.values()}
    prefix = "deep__" if "deep" in images else ""
    assert sorted(found) == [prefix + name for name in names]
    for number, name in enumerate(names):
        label = found[prefix + name].label
        assert label is not None
        assert (label == number % 2).all()


def test_names_may_hold_anything_a_file_system_lets_through(tmp_path: Path) -> None:
    names = ["mit leer zeichen", "\u0137=\u00e4,b", "z\u00fcrich", "[1]*x", "50%", "{braces}"]
    pairs(tmp_path, names)
    decomposed = tmp_path / "masks" / "zu\u0308rich.png"  # as macOS writes an umlaut
    (tmp_path / "masks" / "z\u00fcrich.png").rename(decomposed)
    splits = folder(tmp_path, split=lists(tmp_path, train=names[:3], val=names[3:5], test=names[5:])).splits()
    assert {name for source in splits.values() for name in source.ids} == set(names)
    for source in splits.values():
        for index in range(len(source)):
            assert source.read(index).label is not None


def test_hidden_files_and_other_kinds_of_files_are_not_seen(tmp_path: Path) -> None:
    pairs(tmp_path, ["a", "b", "c"])
    (tmp_path / "images" / "._a.png").write_bytes(b"x")
    (tmp_path / "images" / "Thumbs.db").write_bytes(b"x")
    assert sum(map(len, ids(folder(tmp_path)).values())) == 3


def test_a_folder_that_links_to_itself_is_walked_once(tmp_path: Path) -> None:
    pairs(tmp_path, ["a", "b", "c"])
    (tmp_path / "images" / "loop").symlink_to(tmp_path / "images")
    assert sum(map(len, ids(folder(tmp_path)).values())) == 3


def test_masks_may_come_from_the_first_of_several_places_that_has_them(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / "images" / f"{name}.png")
        save(tmp_path / "clean" / f"{name}.png", 1)
    save(tmp_path / "noisy" / "a.png", 0)
    splits = folder(tmp_path, masks=["noisy", "clean"], split=lists(tmp_path, train=["a"], val=["b"])).splits()
    for split, expected in (("train", 0), ("val", 1)):
        label = splits[split].read(0).label
        assert label is not None
        assert (label == expected).all()


def test_a_missing_mask_is_a_fault_and_missing_masks_are_counted(tmp_path: Path) -> None:
    pairs(tmp_path, ["a"])
    for number in range(20):
        save(tmp_path / "images" / f"x{number:02}.png")
    text = faults(folder(tmp_path))
    assert "images/x00.png has no mask (looked for masks/x00)" in text
    assert "data.unlabelled=true" in text
    assert "... and 12 more images without a mask" in text
    assert "x19" not in text


def test_two_masks_of_one_name_are_a_fault(tmp_path: Path) -> None:
    pairs(tmp_path, ["a", "b", "c"])
    save(tmp_path / "masks" / "a.tif")
    assert "masks/a may be a.png or a.tif" in faults(folder(tmp_path))
    save(tmp_path / "masks" / "a.png.tif")
    assert len(ids(folder(tmp_path, masks="masks/{stem}.png"))) == 3


def test_two_images_of_one_name_are_a_fault(tmp_path: Path) -> None:
    pairs(tmp_path, ["a", "b", "c"])
    save(tmp_path / "images" / "a.bmp")
    assert "images/a.bmp and images/a.png are both 'a'" in faults(folder(tmp_path))


def test_no_root_and_no_images_say_what_to_set(tmp_path: Path) -> None:
    assert "set data.root" in faults(folder(tmp_path / "gone"))
    (tmp_path / "images").mkdir()
    assert "see data.images" in faults(folder(tmp_path))


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    pairs(tmp_path, ["p1_a", "p1_b", "odd"])
    save(tmp_path / "images" / "p2_c.png")
    chosen = lists(tmp_path, train=["p1_a", "odd", "p2_c"], val=["p1_b", "nobody"])
    text = faults(folder(tmp_path, split=chosen, group="^(p[0-9])_"))
    assert "no sample is called 'nobody'" in text
    assert "gives sample 'odd' no group" in text
    assert "images/p2_c.png has no mask" in text


# Splits


def test_splits_may_be_folders(tmp_path: Path) -> None:
    for split, name in (("train", "1"), ("train", "2"), ("val", "1"), ("test", "3")):
        save(tmp_path / split / "images" / f"{name}.png", ord(split[0]))
        save(tmp_path / split / "masks" / f"{name}.png")
    data_set = folder(tmp_path, images="{split}/images", masks="{split}/masks")
    assert ids(data_set) == {"train": ["1", "2"], "val": ["1"], "test": ["3"]}


def test_folders_of_splits_may_have_other_names(tmp_path: Path) -> None:
    pairs(tmp_path, ["training/1", "validation/2", "unused/3"])
    settings = {"images": "images/{split}", "masks": "masks/{split}"}
    named = {"train": "training", "val": "validation"}
    assert ids(folder(tmp_path, split=named, **settings)) == {"train": ["1"], "val": ["2"]}
    assert "names the split 'training' (1 samples)" in faults(folder(tmp_path, **settings))


def test_one_file_in_two_folders_is_a_leak_but_one_name_is_not(tmp_path: Path) -> None:
    save(tmp_path / "images" / "train" / "1.png", 1)
    save(tmp_path / "images" / "val" / "1.png", 2)
    data_set = folder(tmp_path, images="images/{split}", unlabelled=True, masks="images/{split}/{stem}_mask")
    assert "has no mask: nothing can be measured" in faults(data_set)
    for split in ("train", "val"):
        save(tmp_path / "images" / split / "1_mask.png")
    assert ids(data_set) == {"train": ["1"], "val": ["1"]}
    save(tmp_path / "images" / "val" / "1.png", 1)
    assert "images/train/1.png (train) and images/val/1.png (val) are the same file" in faults(data_set)


def test_lists_name_samples_by_stem_by_file_and_by_path(tmp_path: Path) -> None:
    pairs(tmp_path, ["a", "sub/b", "c", "d", "e"])
    chosen = lists(tmp_path, train=["a", "", "  sub/b  "], val=["c.png"], test=["images/d.png"])
    assert ids(folder(tmp_path, split=chosen)) == {"train": ["a", "sub__b"], "val": ["c"], "test": ["d"]}


def test_a_list_from_windows_is_read(tmp_path: Path) -> None:
    pairs(tmp_path, ["a", "\u00fc"])
    (tmp_path / "train.txt").write_bytes("\ufeffa\r\n\u00fc\r\n".encode())
    assert ids(folder(tmp_path, split={"train": "train.txt"})) == {"train": ["a", "\u00fc"]}


def test_faults_of_lists(tmp_path: Path) -> None:
    pairs(tmp_path, ["a", "b", "c"])
    chosen = lists(tmp_path, train=["a", "a", "b"], val=["b", "../../secret", "/etc/passwd"])
    text = faults(folder(tmp_path, split=chosen))
    assert "train.txt: 'a' is in train.txt already" in text
    assert "val.txt: 'b' is in train.txt already" in text
    assert "no sample is called '../../secret'" in text
    assert "no sample is called '/etc/passwd'" in text
    assert "the list" in faults(folder(tmp_path, split={"train": "gone.txt"}))
    (tmp_path / "empty.txt").write_text("\n")
    assert "is empty" in faults(folder(tmp_path, split={"train": "empty.txt"}))


def test_a_split_that_is_not_there_is_named_when_it_is_asked_for(tmp_path: Path) -> None:
    pairs(tmp_path, ["a"])
    splits = folder(tmp_path, split=lists(tmp_path, train=["a"])).splits()
    with pytest.raises(DataError, match="there is no split 'val': the data set has train"):
        splits["val"]


def test_groups_stay_together_in_shares_and_leaks_are_named_in_lists(tmp_path: Path) -> None:
    names = [f"p{patient}_{slide}" for patient in range(10) for slide in range(1 + patient % 4)]
    pairs(tmp_path, names)
    found = ids(folder(tmp_path, group="^(p[0-9]+)_", split=[0.6, 0.2, 0.2]))
    patients = [{name.split("_")[0] for name in split} for split in found.values()]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 10
    chosen = lists(tmp_path, train=["p1_0", "p3_0"], val=["p3_1"])
    text = faults(folder(tmp_path, group="^(p[0-9]+)_", split=chosen))
    assert "the group 'p3' is in train (p3_0) and val (p3_1)" in text
    assert "p1" not in text


def test_groups_may_come_from_a_table(tmp_path: Path) -> None:
    pairs(tmp_path, ["a", "b", "c"])
    (tmp_path / "groups.csv").write_text("id,group\na,x\nb,x\nc,y\n")
    chosen = lists(tmp_path, train=["a"], val=["b"], test=["c"])
    assert "the group 'x' is in train (a) and val (b)" in faults(folder(tmp_path, group="groups.csv", split=chosen))
    (tmp_path / "groups.csv").write_text("id,patient\na,x\n")
    assert "lacks the column group" in faults(folder(tmp_path, group="groups.csv", split=chosen))
    (tmp_path / "groups.csv").write_text("id,group\na,x\nc,y\n")
    assert "gives sample 'b' no group" in faults(folder(tmp_path, group="groups.csv", split=chosen))


# Clean, annotators, references, overlapping, unlabelled


def test_clean_samples_by_list_and_by_pattern_take_their_own_masks(tmp_path: Path) -> None:
    names = ["clean_1", "clean_2", "noisy_3"]
    pairs(tmp_path, names, masks="masks/{}.png")
    for name in names:
        save(tmp_path / "gold" / f"{name}.png", 1)
        save(tmp_path / "masks" / f"{name}.png", 0)
    chosen = lists(tmp_path, train=names)
    (tmp_path / "good.txt").write_text("clean_1\nclean_2\n")
    for clean in ("clean_*", "good.txt"):
        source = folder(tmp_path, split=chosen, clean=clean, clean_masks="gold").splits()["train"]
        assert source.samples.clean.tolist() == [True, True, False]
        labels = [source.read(index).label for index in range(3)]
        assert [int(label.max()) for label in labels if label is not None] == [1, 1, 0]
    assert "matches no sample" in faults(folder(tmp_path, split=chosen, clean="gold_*"))
    (tmp_path / "gold" / "clean_1.png").unlink()
    text = faults(folder(tmp_path, split=chosen, clean="clean_*", clean_masks="gold"))
    assert "images/clean_1.png has no mask (looked for gold/clean_1)" in text


def test_every_annotators_mask_is_a_sample(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        save(tmp_path / "images" / f"{name}.png")
    for path in ("anna/a", "bo/a", "bo/b"):
        save(tmp_path / "crowd" / f"{path}.png", 1)
    save(tmp_path / "plain" / "c.png")
    chosen = lists(tmp_path, train=["a", "c"], val=["b"])
    splits = folder(tmp_path, masks=["crowd/{annotator}", "plain"], split=chosen).splits()
    assert splits["train"].ids == ["a@anna", "a@bo", "c"]
    assert splits["val"].ids == ["b@bo"]
    assert splits["train"].samples.annotator.tolist() == [0, 1, -1]
    assert splits["val"].samples.annotator.tolist() == [1]
    in_names = folder(tmp_path, masks=["crowd/{annotator}/{stem}.png", "plain"], split=chosen).splits()
    assert in_names["train"].ids == splits["train"].ids


def test_annotators_may_stand_in_the_names_of_files(tmp_path: Path) -> None:
    save(tmp_path / "images" / "case_1.png")
    for who in ("a", "b"):
        save(tmp_path / "masks" / f"case_1_{who}.png")
    source = folder(tmp_path, masks="masks/{stem}_{annotator}.png", split=lists(tmp_path, train=["case_1"])).splits()
    assert source["train"].ids == ["case_1@a", "case_1@b"]


def test_annotators_of_one_image_stay_on_one_side_of_shares(tmp_path: Path) -> None:
    for name in map(str, range(9)):
        save(tmp_path / "images" / f"{name}.png")
        for who in "abc":
            save(tmp_path / "crowd" / who / f"{name}.png")
    found = ids(folder(tmp_path, masks="crowd/{annotator}"))
    assert sum(map(len, found.values())) == 27
    images = [{name.split("@")[0] for name in split} for split in found.values()]
    assert sum(map(len, images)) == 9


def test_references_are_read_where_there_are_any(tmp_path: Path) -> None:
    pairs(tmp_path, ["a", "b"])
    save(tmp_path / "gold" / "a.png", 1)
    data_set = folder(tmp_path, references={"gold": "gold", "none": "none"}, split=lists(tmp_path, train=["a", "b"]))
    source = data_set.splits()["train"]
    assert source.reference_names == ["gold", "none"]
    assert source.references(0)["gold"].tolist() == np.ones((4, 6)).tolist()
    assert source.references(1) == {}


def test_overlapping_classes_have_a_mask_each(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / "images" / f"{name}.png")
        for organ, value in (("lung", 255), ("heart", 0), ("bone", 255)):
            save(tmp_path / "masks" / organ / f"{name}.png", value)
    settings = {"classes": ["lung", "heart", "bone"], "labels": "overlapping", "masks": "masks/{class}"}
    data_set = folder(tmp_path, split=lists(tmp_path, train=["a"], val=["b"]), **settings)
    label = data_set.splits()["train"].read(0).label
    assert label is not None
    assert label.shape == (3, 4, 6)
    assert label.reshape(3, -1).max(axis=1).tolist() == [1, 0, 1]
    (tmp_path / "masks" / "heart" / "b.png").unlink()
    assert "sample 'b' has masks of some classes only, there is no masks/heart/b" in faults(data_set)


def test_unlabelled_samples_go_to_training(tmp_path: Path) -> None:
    pairs(tmp_path, [f"p{number}_x" for number in range(8)])
    for number in range(4):
        save(tmp_path / "images" / f"p{number}_new.png")
    splits = folder(tmp_path, unlabelled=True, split=[0.5, 0.25, 0.25]).splits()
    assert splits["train"].read(splits["train"].ids.index("p0_new")).label is None
    assert int((~splits["train"].samples.labelled).sum()) == 4
    assert splits["val"].samples.labelled.all()
    assert splits["test"].samples.labelled.all()
    grouped = folder(tmp_path, unlabelled=True, split=[0.5, 0.25, 0.25], group="(p[0-9])").splits()
    assert {f"p{number}_x" for number in range(4)} < set(grouped["train"].ids)


# Settings


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"masks": "masks/{id}.png"}, "asks for {id}"),
        ({"masks": "masks/{stm}.png"}, "did you mean {stem}?"),
        ({"images": "images/{annotator}/{stem}"}, "asks for {annotator}"),
        ({"references": {"gold": "gold/{annotator}"}}, "asks for {annotator}"),
        ({"masks": "masks/{class}"}, "only with labels=overlapping"),
        ({"labels": "overlapping"}, "must hold {class}"),
        ({"split": [0.5, 0.6]}, "2 or 3 shares that sum to 1"),
        ({"split": [1.0]}, "2 or 3 shares that sum to 1"),
        ({"split": [1.5, -0.5]}, "2 or 3 shares that sum to 1"),
        ({"images": "images/{split}", "split": [0.5, 0.5]}, "must be null, or name folders"),
        ({"masks": "masks/{split}"}, "asks for {split}"),
        ({"group": "([a-z"}, "one group in brackets"),
        ({"group": "(a)(b)"}, "one group in brackets"),
        ({"mask_values": {"red": "cell"}}, "is no value of a mask"),
        ({"size": 100}, "multiple of 32"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, settings: Mapping[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        folder(tmp_path, **settings)
    assert fault in str(caught.value)


# Real data


def test_seven_annotators_of_crowdcells(real_data: Path) -> None:
    root = real_data / "crowdcells"
    chosen = {"train": "train.txt", "val": "val.txt", "test": "test.txt"}
    data_set = folder(
        root, masks="crowd/{annotator}", references={"gold": "masks_clean"}, group="index.csv", split=chosen
    )
    splits = data_set.splits()
    empty = 7 * 270 - sum(map(len, splits.values()))
    assert {name: len(source) // 7 for name, source in splits.items()} == {"train": 203, "val": 21, "test": 46}
    assert empty == 0
    assert splits["train"].samples.annotator.unique().tolist() == list(range(7))
    item = splits["train"].read(0)
    assert item.label is not None
    assert item.label.shape == splits["train"].references(0)["gold"].shape == item.image.shape[:2]


def test_the_organs_of_chest_overlap_and_fall_back_to_clean_masks(real_data: Path) -> None:
    data_set = folder(
        real_data / "chest",
        classes=["lung", "heart", "clavicle"],
        labels="overlapping",
        masks=["masks_noisy/{class}", "masks_clean/{class}"],
        references={"clean": "masks_clean/{class}"},
        split={"train": "train.txt", "val": "val.txt", "test": "test.txt"},
    )
    splits = data_set.splits()
    assert [len(splits[name]) for name in ("train", "val", "test")] == [148, 24, 75]
    for name, same in (("train", False), ("val", True), ("test", True)):
        label = splits[name].read(3).label
        assert label is not None
        assert (label == splits[name].references(3)["clean"]).all() == same
        assert (label[0] & label[2]).any()


def test_the_folders_of_camvid(real_data: Path) -> None:
    classes = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]
    data_set = Folder(
        root=str(real_data / "camvid_half"),
        classes=classes,
        images="images/{split}",
        masks="labels/{split}",
        ignore_value=11,
    )
    splits = data_set.splits()
    assert [len(splits[name]) for name in ("train", "val", "test")] == [367, 101, 233]
    label = splits["train"].read(0).label
    assert label is not None
    assert set(np.unique(label)) <= {*range(11), 255}


def test_a_relative_root_and_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs(tmp_path / "data", ["a", "b", "c"])
    monkeypatch.setenv("HOME", str(tmp_path))
    for root in ("data", "~/data", Path("..") / tmp_path.name / "data"):
        assert sum(map(len, ids(folder(Path(root))).values())) == 3


def test_sample_stands_for_the_id_in_places_of_masks(tmp_path: Path) -> None:
    names = [f"deep/{number}" for number in range(10)]
    pairs(tmp_path, names)
    save(tmp_path / "mended" / "deep__3.png", 1)
    found = folder(tmp_path, masks=[f"{tmp_path}/mended/{{sample}}.png", "masks"]).splits()
    files = {record.id: record.masks for source in found.values() for record in source.records}  # type: ignore[attr-defined]
    assert files.pop("deep__3") == (f"{tmp_path}/mended/deep__3.png",)
    assert {masks[0].partition("/")[0] for masks in files.values()} == {"masks"}
    with pytest.raises(ConfigError, match=r"asks for \{sample\}"):
        folder(tmp_path, images="images/{sample}")


def test_masks_by_sample_may_lie_among_the_images(tmp_path: Path) -> None:
    pairs(tmp_path, [str(number) for number in range(10)], "{}.png", "m/{}.png")
    found = ids(folder(tmp_path, images="{stem}.png", masks="m/{sample}.png"))
    assert sorted(chain(*found.values())) == sorted(map(str, range(10)))
