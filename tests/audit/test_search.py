"""Each kind of fault is drawn on purpose and found under its name, where it is, pixel by pixel."""

from collections.abc import Callable

import numpy as np
import pytest

from segtrain.audit.issue import apply_issues
from segtrain.audit.search import find_differences
from segtrain.types import IGNORE

SIZE = (80, 100)
ROWS, COLUMNS = np.ogrid[: SIZE[0], : SIZE[1]]


def disc(row: float, column: float, radius: float) -> np.ndarray:
    return (ROWS - row) ** 2 + (COLUMNS - column) ** 2 <= radius**2


def wavy(waves: int, depth: float, square: bool = False) -> np.ndarray:
    angle = np.arctan2(ROWS - 40.0, COLUMNS - 50.0)
    wave = np.sin(waves * angle)
    return np.hypot(ROWS - 40.0, COLUMNS - 50.0) < 20 + depth * (np.sign(wave) if square else wave)


def label(*masks: np.ndarray) -> np.ndarray:
    """Draw masks of classes 1, 2, ..., the later over the earlier."""
    drawn = np.zeros(SIZE, np.uint8)
    for number, mask in enumerate(masks, 1):
        drawn[mask] = number
    return drawn


NOTHING = np.zeros(SIZE, bool)
BIG, PAIR = disc(40, 50, 20), disc(40, 30, 12) | disc(40, 62, 12)
BRIDGE = (np.abs(ROWS - 40) < 3) & (COLUMNS > 30) & (COLUMNS < 62)
GAP = np.broadcast_to(np.abs(COLUMNS - 50) < 3, SIZE)
CASES = {
    "missing": (label(NOTHING), label(BIG)),
    "extra": (label(BIG), label(NOTHING)),
    "wrong class": (label(BIG), label(NOTHING, BIG)),
    "wide": (label(disc(40, 50, 24)), label(BIG)),
    "tight": (label(disc(40, 50, 16)), label(BIG)),
    "displaced": (label(disc(43, 54, 20)), label(BIG)),
    "merged": (label(PAIR | BRIDGE), label(PAIR)),
    "split": (label(BIG & ~GAP), label(BIG)),
    "shaky": (label(wavy(5, 4)), label(BIG)),
    "ragged": (label(wavy(24, 4, square=True)), label(BIG)),
    "hole": (label(BIG & ~disc(38, 48, 4)), label(BIG)),
    "speck": (label(BIG | disc(8, 8, 1) | disc(70, 90, 1)), label(BIG)),
}
DRAWN = pytest.mark.parametrize("kind", CASES)


@DRAWN
def test_a_fault_is_found_under_its_name(kind: str) -> None:
    given, meant = CASES[kind]
    issues = find_differences(given, meant)
    assert [issue.kind for issue in issues] == [kind]
    assert issues[0].number == 1


@DRAWN
def test_mending_all_that_is_found_gives_what_is_meant(kind: str) -> None:
    given, meant = CASES[kind]
    mended = apply_issues(given, meant, find_differences(given, meant, tolerance=0))
    left = (mended != meant).sum()
    assert left <= 0.02 * (given != meant).sum()  # specks of a difference are nobody's fault


@DRAWN
def test_overlapping_classes_are_looked_at_one_by_one(kind: str) -> None:
    given, meant = (np.stack([part == number for number in (1, 2)]).astype(np.uint8) for part in CASES[kind])
    issues = find_differences(given, meant)
    if kind == "wrong class":  # where classes may overlap, the one says nothing of the other
        assert sorted((issue.kind, issue.number) for issue in issues) == [("extra", 0), ("missing", 1)]
        assert {issue.kind: (issue.given, issue.suggested) for issue in issues} == {
            "extra": (0, -1),
            "missing": (-1, 1),
        }
    else:
        assert [(issue.kind, issue.number) for issue in issues] == [(kind, 0)]


def test_given_and_suggested_classes_are_told() -> None:
    told = {kind: find_differences(*CASES[kind])[0] for kind in CASES}
    assert (told["missing"].given, told["missing"].suggested) == (0, 1)
    assert (told["extra"].given, told["extra"].suggested) == (1, 0)
    assert (told["wrong class"].given, told["wrong class"].suggested) == (1, 2)
    assert (told["wide"].given, told["wide"].suggested) == (1, 0)
    assert (told["displaced"].given, told["displaced"].suggested) == (1, 1)  # some pixels come and some go


def test_equal_labels_have_no_issue() -> None:
    assert not find_differences(label(BIG, PAIR), label(BIG, PAIR))


def test_an_outline_may_be_off_by_the_tolerance() -> None:
    given, meant = label(disc(40, 50, 21.5)), label(BIG)
    assert not find_differences(given, meant, tolerance=2.0)
    assert [issue.kind for issue in find_differences(given, meant, tolerance=1.0)] == ["wide"]


def test_what_is_ignored_is_no_fault() -> None:
    given = label(NOTHING)
    given[:, 50:] = IGNORE
    (issue,) = find_differences(given, label(BIG))
    assert issue.left + issue.mask.shape[1] == 50
    given[:] = IGNORE
    assert not find_differences(given, label(BIG))


def test_an_object_that_is_drawn_as_part_of_another_class_is_missing() -> None:
    given, meant = label(disc(40, 50, 30)), label(disc(40, 50, 30), disc(40, 50, 8))
    (issue,) = find_differences(given, meant)
    assert (issue.kind, issue.number, issue.given, issue.suggested) == ("missing", 2, 1, 2)
    assert issue.area == disc(40, 50, 8).sum()


def test_a_shared_outline_is_told_once() -> None:
    """Where two classes meet, what the one has too much the other has too little."""
    left, right = np.broadcast_to(COLUMNS < 55, SIZE), np.broadcast_to(COLUMNS >= 50, SIZE)
    given, meant = label(left, ~left), label(~right, right)
    issues = find_differences(given, meant)
    assert [(issue.kind, issue.number) for issue in issues] == [("wide", 1)]
    assert issues[0].area == 5 * SIZE[0]


def scattered(rng: np.random.Generator) -> np.ndarray:
    masks = []
    for _ in range(3):
        mask = NOTHING.copy()
        for _ in range(3):
            mask |= disc(rng.uniform(0, 80), rng.uniform(0, 100), rng.uniform(1, 14))
        masks.append(mask)
    return label(*masks)


@pytest.mark.parametrize("seed", range(30))
def test_no_pixel_is_in_two_issues_and_every_one_differs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    given, meant = scattered(rng), scattered(rng)
    given[rng.random(SIZE) < 0.02] = IGNORE
    seen = np.zeros(SIZE, int)
    for issue in find_differences(given, meant, tolerance=0):
        seen[issue.window][issue.mask] += 1
    assert seen.max() <= 1
    differs = (given != meant) & (given != IGNORE)
    assert not seen[~differs].any()
    assert seen.sum() >= 0.9 * differs.sum()  # what is left are specks


@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, np.rot90])
def test_a_turned_image_has_the_same_faults(turn: Callable[[np.ndarray], np.ndarray]) -> None:
    for given, meant in CASES.values():
        one, other = find_differences(given, meant), find_differences(turn(given), turn(meant))
        assert [(issue.kind, issue.area) for issue in one] == [(issue.kind, issue.area) for issue in other]


def test_applying_changes_the_regions_alone() -> None:
    given, meant = label(NOTHING), label(disc(20, 20, 8) | disc(60, 70, 8))
    _, second = sorted(find_differences(given, meant), key=lambda issue: issue.top)
    mended = apply_issues(given, meant, [second])
    assert np.array_equal(mended, label(disc(60, 70, 8)))
    assert not given.any()
