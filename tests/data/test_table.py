"""Data sets listed in tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

from segtrain.data import Table
from segtrain.errors import ConfigError, DataError

CLASSES = ["background", "cell"]


def save(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 6), value, np.uint8)).save(path)


def write(root: Path, header: str, *lines: str, name: str = "index.csv") -> None:
    (root / name).write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def images(root: Path, names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        save(root / "images" / f"{name}.png", number)
        save(root / "masks" / f"{name}.png", number % 2)


def table(root: Path, **settings: Any) -> Table:
    return Table(**{"root": str(root), "classes": CLASSES, "channels": 1, **settings})


def by_id(root: Path, **settings: Any) -> Table:
    return table(root, **{"image": "images/{id}.png", "mask": "masks/{id}", "id": "id", **settings})


def ids(data_set: Table) -> dict[str, list[str]]:
    return {split: source.ids for split, source in data_set.splits().items()}


def faults(data_set: Table) -> str:
    with pytest.raises(DataError) as caught:
        data_set.splits()
    return str(caught.value)


def test_columns_with_paths(tmp_path: Path) -> None:
    images(tmp_path, ["a", "b", "c"])
    rows = [f"images/{name}.png,masks/{name}.png,{split}" for name, split in (("a", "train"), ("b", "val"), ("c", ""))]
    write(tmp_path, "image,mask,split", *rows)
    data_set = table(tmp_path)
    assert ids(data_set) == {"train": ["a"], "val": ["b"]}
    label = data_set.splits()["val"].read(0).label
    assert label is not None
    assert (label == 1).all()


def test_templates_over_columns(tmp_path: Path) -> None:
    for patient, slide in (("p 1", "007"), ("p 2", "008")):
        save(tmp_path / patient / f"{slide}.png")
        save(tmp_path / patient / f"{slide}-mask.png")
    write(tmp_path, "the patient,slide,split", "p 1,007,train", "p 2,008,test")
    data_set = table(
        tmp_path, image="{the patient}/{slide}", mask="{the patient}/{slide}-mask.png", group="the patient"
    )
    assert ids(data_set) == {"train": ["007"], "test": ["008"]}
    assert data_set.splits()["test"].samples.group.tolist() == [1]


@pytest.mark.parametrize(("name", "separator"), [("t.csv", ","), ("t.csv", ";"), ("t.tsv", "\t")])
def test_separators_quotes_and_a_byte_order_mark(tmp_path: Path, name: str, separator: str) -> None:
    images(tmp_path, ["a,b", "c"])
    lines = [separator.join(cells) for cells in (("id", " split"), ('"a,b"', "train"), ("c ", "val"))]
    (tmp_path / name).write_bytes("\ufeff".encode() + "\r\n".join(lines).encode() + b"\r\n")
    assert ids(by_id(tmp_path, table=name)) == {"train": ["a,b"], "val": ["c"]}


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    images(tmp_path, ["7", "8", "9"])
    frame = pandas.DataFrame({"id": [7, 8, 9], "split": ["train", "train", "val"], "clean": [True, False, True]})
    frame["group"] = [1.0, np.nan, 2.0]
    frame["slide"] = pandas.Series([7, 8, None], dtype=float)  # whole numbers, stored as floats beside the empty cell
    frame.loc[2, "split"] = None
    frame.to_parquet(tmp_path / "t.parquet")
    data_set = by_id(tmp_path, table="t.parquet", clean="clean", group="group", image="images/{slide}.png")
    source = data_set.splits()["train"]
    assert source.ids == ["7", "8"]
    assert source.samples.clean.tolist() == [True, False]
    assert source.samples.group.tolist() == [0, -1]


def test_clean_column_and_clean_masks(tmp_path: Path) -> None:
    images(tmp_path, list("abcdef"))
    save(tmp_path / "gold" / "a.png", 1)
    save(tmp_path / "gold" / "b.png", 1)
    save(tmp_path / "gold" / "c.png", 1)
    cells = ["TRUE", "1", "yes", "false", "0", ""]
    write(tmp_path, "id,ok,split", *(f"{name},{cell},train" for name, cell in zip("abcdef", cells, strict=True)))
    source = by_id(tmp_path, clean="ok", clean_masks="gold/{id}.png").splits()["train"]
    assert source.samples.clean.tolist() == [True, True, True, False, False, False]
    labels = [source.read(index).label for index in range(6)]
    assert [int(label.max()) for label in labels if label is not None] == [1, 1, 1, 1, 0, 1]
    write(tmp_path, "id,ok,split", "a,maybe,train")
    assert "row 1: ok = 'maybe' is none of true, 1, yes, false, 0, no and empty" in faults(by_id(tmp_path, clean="ok"))


def test_annotators_share_an_id(tmp_path: Path) -> None:
    images(tmp_path, ["a", "b"])
    for who in ("x", "y"):
        save(tmp_path / "crowd" / f"a-{who}.png")
    header = "id,mask,who,split"
    write(tmp_path, header, "a,crowd/a-x.png,x,train", "a,crowd/a-y.png,y,train", "b,masks/b.png,x,val")
    splits = by_id(tmp_path, mask="mask", annotator="who").splits()
    assert splits["train"].ids == ["a@x", "a@y"]
    assert splits["val"].ids == ["b"]
    assert splits["train"].samples.annotator.tolist() == [0, 1]
    assert splits["val"].samples.annotator.tolist() == [0]
    assert "several rows have the id 'a'" in faults(by_id(tmp_path, mask="mask"))
    write(tmp_path, header, "a,crowd/a-x.png,x,train", "a,crowd/a-y.png,y,val")
    assert "the id 'a' is in train and in val" in faults(by_id(tmp_path, mask="mask", annotator="who"))


def test_leaks_between_splits_are_named(tmp_path: Path) -> None:
    images(tmp_path, ["a", "b", "c"])
    write(tmp_path, "id,file,patient,split", "a,a,p1,train", "b,b,p1,val", "d,a,p2,test")
    text = faults(by_id(tmp_path, image="images/{file}", mask="masks/{file}", group="patient"))
    assert "the group 'p1' is in train (a) and val (b)" in text
    assert "the image 'images/a.png' is in train (a) and test (d)" in text


@pytest.mark.parametrize(
    "path", ["../secret.png", "images/../../secret.png", "/etc/secret.png", "C:\\secret.png", "..\\x"]
)
def test_paths_must_not_leave_the_root(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    images(root, ["a"])
    save(tmp_path / "secret.png")
    write(root, "image,mask,split", f"{path},masks/a.png,train", f"images/a.png,{path},train")
    text = faults(table(root))
    assert f"row 1: image = '{path}' leaves data.root" in text
    assert f"row 2: mask = '{path}' leaves data.root" in text
    write(root, "id,split", f"{path},train")
    assert "leaves data.root" in faults(by_id(root))


def test_names_may_have_two_dots(tmp_path: Path) -> None:
    images(tmp_path, ["a..b"])
    write(tmp_path, "id,split", "a..b,train")
    assert ids(by_id(tmp_path)) == {"train": ["a..b"]}


def test_braces_in_cells_are_not_templates(tmp_path: Path) -> None:
    images(tmp_path, ["{split}"])
    write(tmp_path, "id,split", "{split},train")
    assert ids(by_id(tmp_path)) == {"train": ["{split}"]}


def test_splits_by_shares_and_by_lists(tmp_path: Path) -> None:
    names = [f"i{number}" for number in range(10)]
    images(tmp_path, names)
    write(tmp_path, "id,patient", *(f"{name},p{number // 2}" for number, name in enumerate(names)))
    found = ids(by_id(tmp_path, split=[0.6, 0.2, 0.2], group="patient"))
    assert {split: len(rows) for split, rows in found.items()} == {"train": 6, "val": 2, "test": 2}
    (tmp_path / "train.txt").write_text("i1\nimages/i2.png\n")
    assert ids(by_id(tmp_path, split={"train": "train.txt"})) == {"train": ["i1", "i2"]}


def test_unlabelled_rows(tmp_path: Path) -> None:
    images(tmp_path, ["a", "b"])
    write(tmp_path, "image,mask,split", "images/a.png,,train", "images/b.png,masks/b.png,train")
    assert "images/a.png has no mask (its cell is empty)" in faults(table(tmp_path))
    source = table(tmp_path, unlabelled=True).splits()["train"]
    assert source.samples.labelled.tolist() == [False, True]
    assert source.read(0).label is None


def test_references_and_a_list_of_places(tmp_path: Path) -> None:
    images(tmp_path, ["a", "b"])
    save(tmp_path / "gold" / "a.png", 1)
    write(tmp_path, "id,split", "a,train", "b,train")
    data_set = by_id(
        tmp_path, mask=["gold/{id}", "masks/{id}"], references={"gold": "gold/{id}", "given": "masks/{id}"}
    )
    source = data_set.splits()["train"]
    assert source.references(0)["given"].max() == 0
    assert sorted(source.references(1)) == ["given"]
    label = source.read(0).label
    assert label is not None
    assert (label == 1).all()


def test_overlapping_classes(tmp_path: Path) -> None:
    images(tmp_path, ["a"])
    for organ in ("lung", "heart"):
        save(tmp_path / organ / "a.png", 255)
    write(tmp_path, "id,split", "a,train")
    data_set = by_id(tmp_path, classes=["lung", "heart"], labels="overlapping", mask="{class}/{id}.png")
    label = data_set.splits()["train"].read(0).label
    assert label is not None
    assert label.shape == (2, 4, 6)
    with pytest.raises(ConfigError, match=r"must hold \{class\}"):
        by_id(tmp_path, classes=["lung", "heart"], labels="overlapping", mask="mask")


def test_missing_columns_are_named_with_what_may_be_meant(tmp_path: Path) -> None:
    write(tmp_path, "id,splitt,patient", "a,train,p")
    text = faults(by_id(tmp_path, image="images/{idd}.png", group="patients"))
    assert "data.split: '{split}' asks for {split}, did you mean {splitt}?" in text
    assert "data.group: '{patients}' asks for {patients}, did you mean {patient}?" in text
    assert "data.image: 'images/{idd}.png' asks for {idd}, did you mean {id}?" in text


def test_missing_files_misnamed_splits_and_empty_ids(tmp_path: Path) -> None:
    images(tmp_path, ["a"])
    write(tmp_path, "id,split", "a,train", "gone,train", "a2,valid", ",train")
    text = faults(by_id(tmp_path))
    assert "sample 'gone': there is no image images/gone.png" in text
    assert "images/gone.png has no mask" in text
    assert "index.csv names the split 'valid' (1 samples), the splits are called train, val, test" in text
    assert "row 4 has no id" in text


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "has no rows"),
        (b"id,split\n", "has no rows"),
        (b"id,id\na,b\n", "the column 'id' is there more than once"),
        (b"id,split\na,train,more\nb\n", "row 2 has 1 cells, the header 2"),
        (b"id,split\n\xff\xfe,train\n", "cannot be read"),
        (b'id,split\n"a,train\n', "cannot be read"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "index.csv").write_bytes(content)
    assert fault in faults(by_id(tmp_path))


def test_a_missing_table_and_a_broken_parquet(tmp_path: Path) -> None:
    assert "cannot be read" in faults(by_id(tmp_path))
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and nothing else")
    assert "t.parquet cannot be read" in faults(by_id(tmp_path, table="t.parquet"))


def crowdcells(root: Path) -> Table:
    return by_id(
        root / "crowdcells",
        mask="masks_noisy/{id}.png",
        references={"gold": "masks_clean/{id}.png", "expert": "masks_expert_majority/{id}.png"},
        annotator="noisy_annotator",
        group="group",
    )


def test_crowdcells(real_data: Path) -> None:
    splits = crowdcells(real_data).splits()
    assert {name: len(source) for name, source in splits.items()} == {"train": 203, "val": 21, "test": 46}
    assert splits["train"].reference_names == ["gold", "expert"]
    assert splits["train"].samples.annotator.unique().tolist() == list(range(7))
    groups = [set(source.samples.group.tolist()) for source in splits.values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 103  # the tracks that the data set's README counts


def test_the_noise_of_crowdcells_is_what_its_makers_measured(real_data: Path) -> None:
    """The table holds the Dice of the drawn crowd mask with the gold standard."""
    splits = crowdcells(real_data).splits()
    frame = pandas.read_csv(real_data / "crowdcells" / "index.csv").set_index("id")
    for source in splits.values():
        for index in range(0, len(source), 9):
            given, gold = source.read(index).label, source.references(index)["gold"]
            assert given is not None
            dice = 2 * (given & gold).sum() / (given.sum() + gold.sum())
            assert dice == pytest.approx(frame.loc[source.ids[index], "dice_noisy"], abs=1e-4)


def test_sample_stands_for_the_id_in_places_of_masks(tmp_path: Path) -> None:
    write(tmp_path, "id,image,split", "x/1,images/a.png,train", "2,images/b.png,train")
    images(tmp_path, "ab")
    save(tmp_path / "mended" / "x__1.png", 1)
    save(tmp_path / "mended" / "2.png", 1)
    source = table(tmp_path, id="id", mask=f"{tmp_path}/mended/{{sample}}.png").splits()["train"]
    assert [source.read(index).label.max() for index in range(2)] == [1, 1]  # type: ignore[union-attr]
