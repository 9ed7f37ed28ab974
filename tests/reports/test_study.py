"""A study's table: who is in it, in which order, and what becomes of each class, against sums done by hand."""

import statistics
from pathlib import Path

import pytest

from segtrain.errors import DataError
from segtrain.reports.records import Record
from segtrain.reports.study import StudyFacts, write_study

LUNG = {"noisy": (0.9, 0.92), "plain": (0.91, 0.93), "weighted": (0.88, 0.9)}
CLAVICLE = {"noisy": (0.0, 0.1), "plain": (0.2, 0.6), "weighted": (0.7, 0.75)}

SETTINGS = {
    "noisy": ["data.size=96", "loss=bce"],
    "plain": ["data.size=96", "loss=dice"],
    "weighted": ["data.size=96", "loss=bce", "loss.bce.class_weights=[1,16]"],
}


def records() -> list[Record]:
    """Two seeds of three arms, on two images that have the same scores."""
    return [
        Record(
            arm, seed, SETTINGS[arm], 10.0, None, [(lung + clavicle) / 2] * 2,
            {"dice/lung@clean": lung, "dice/clavicle@clean": clavicle, "dice/clavicle": 0.5,
             "iou@clean": 0.5, "boundary_f1@clean": 0.5},
        )
        for arm in LUNG
        for seed, (lung, clavicle) in enumerate(zip(LUNG[arm], CLAVICLE[arm], strict=True))
    ]  # fmt: skip


def rows(table: str) -> list[dict[str, str]]:
    head, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    return [dict(zip(head, line, strict=True)) for line in lines]


def facts(*classes: str) -> StudyFacts:
    return StudyFacts("rare", "A rare class", "clean", [], list(classes))


def test_each_class_that_is_asked_for_has_its_dice_and_spread(tmp_path: Path) -> None:
    for row in rows(write_study(records(), tmp_path, facts("clavicle", "lung"))):
        for name, scores in (("lung", LUNG), ("clavicle", CLAVICLE)):
            seeds = scores[row["arm"]]
            expected = f"{statistics.mean(seeds):.3f} ± {statistics.stdev(seeds):.3f}"
            assert row[f"Dice {name}"] == expected


def test_no_class_is_told_unasked(tmp_path: Path) -> None:
    assert not [name for name in rows(write_study(records(), tmp_path, facts()))[0] if name.startswith("Dice ")]


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    first = [record for record in records() if record.seed == 0]
    table = rows(write_study(first, tmp_path, facts("clavicle")))
    assert {row["arm"]: row["Dice clavicle"] for row in table} == {
        "noisy": "0.000",
        "plain": "0.200",
        "weighted": "0.700",
    }


def test_the_baseline_is_first_and_the_best_arm_next(tmp_path: Path) -> None:
    table = rows(write_study(records(), tmp_path, facts("clavicle")))
    assert [row["arm"] for row in table] == ["noisy", "weighted", "plain"]
    assert [row["seeds"] for row in table] == ["2", "2", "2"]


def test_without_the_baseline_there_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="noisy baseline"):
        write_study([record for record in records() if record.arm != "noisy"], tmp_path, facts())


def test_a_seed_without_its_baseline_gives_no_table(tmp_path: Path) -> None:
    more = records()[-1]._replace(seed=7)
    with pytest.raises(DataError, match="noisy baseline with seed 7, which weighted"):
        write_study([*records(), more], tmp_path, facts())


def test_a_class_that_was_not_scored_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no scores of a class 'clavicel'"):
        write_study(records(), tmp_path, facts("clavicel"))


def test_a_column_that_says_nothing_is_left_out(tmp_path: Path) -> None:
    """Without clean samples, rewritten labels and an oracle nothing is to be said of them."""
    told = rows(write_study(records(), tmp_path, facts()))[0]
    assert not {"recovered gap [95 %]", "beats clean only", "labels' Dice"} & set(told)
    more = [record._replace(arm="clean_only", dice=[0.2, 0.2]) for record in records() if record.arm == "noisy"]
    more += [record._replace(arm="oracle", dice=[0.99, 0.99]) for record in more]
    own = [*records()[:-1], records()[-1]._replace(labels=[0.7, 0.9])]
    by_arm = {row["arm"]: row for row in rows(write_study([*own, *more], tmp_path, facts()))}
    assert by_arm["plain"]["beats clean only"].startswith("yes")
    assert by_arm["weighted"]["labels' Dice"] == "0.700 to 0.900"
    assert by_arm["plain"]["recovered gap [95 %]"]


def test_the_page_tells_how_to_repeat_each_arm(tmp_path: Path) -> None:
    write_study(records(), tmp_path, facts())
    page = (tmp_path / "rare.md").read_text()
    assert "All arms share: `data.size=96`" in page
    assert "- plain: `loss=dice`" in page
    assert "- weighted: `loss=bce 'loss.bce.class_weights=[1,16]'`" in page


def test_the_picture_has_a_panel_for_each_class(tmp_path: Path) -> None:
    write_study(records(), tmp_path, facts())
    assert "clavicle" not in (tmp_path / "rare.svg").read_text()
    write_study(records(), tmp_path, facts("lung", "clavicle"))
    picture = (tmp_path / "rare.svg").read_text()
    assert [picture.count(f">{name}<") for name in ("lung", "clavicle", "weighted")] == [1, 1, 1]
