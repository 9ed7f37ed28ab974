"""Labels are moved back to the truth, and nothing vanishes or tears on the way."""

import numpy as np
import pytest
import torch

from segtrain.audit import Corrector, corrected, estimate_bias, habits, redraw, survey
from segtrain.audit.bias import Bias
from segtrain.audit.redraw import filled
from tests.audit.scenes import SIDE, SceneView, dice, disc, moved, scene

NOTHING = np.zeros(2)


def bias_of(displacement: float, **others: float) -> Bias:
    """Give a bias of class 1 of two."""
    numbers = {name: np.array([0.0, others.get(name, 0.0)]) for name in Bias._fields}
    sign = np.sign(displacement) * np.inf if displacement else np.nan
    limits = {"low": np.array([-np.inf, sign or 0.0]), "high": np.array([np.inf, sign or 0.0])}
    return Bias(**{**numbers, **limits, "displacement": np.array([0.0, displacement])})


def planes(mask: np.ndarray) -> np.ndarray:
    return np.stack([np.zeros_like(mask), mask])


def undone(given: np.ndarray, bias: Bias, predicted: np.ndarray | None = None, offset: float = np.nan) -> np.ndarray:
    """Give class 1 of a corrected label of two exclusive classes."""
    found = corrected(planes(given), planes(given if predicted is None else predicted), np.full(2, offset), bias, True)
    return given if found is None else found[1] > 0.5


@pytest.mark.parametrize("by", [3.0, 1.5, -1.5, -3.0])
def test_a_displaced_outline_is_moved_back(by: float) -> None:
    true = disc(12)
    given = moved(by)(planes(true), np.random.default_rng(0))[1]
    assert dice(given, true) < 0.9
    assert dice(undone(given, bias_of(by)), true) > 0.95


def test_no_displacement_changes_no_pixel() -> None:
    label = np.stack([np.zeros((SIDE, SIDE), bool), disc(12, 20, 20), disc(9, 40, 40)])
    found = redraw(label, np.zeros(label.shape, np.float32), exclusive=True)
    assert (found[1:] == label[1:]).all()
    overlapping = redraw(label, np.zeros(label.shape, np.float32), exclusive=False)
    assert (overlapping[:, 1] == label).all()
    assert corrected(label, label, np.zeros(3), Bias(*(np.zeros(3) for _ in Bias._fields)), True) is None


@pytest.mark.parametrize("exclusive", [True, False])
def test_probabilities_stay_probabilities(exclusive: bool) -> None:
    label = np.stack([np.zeros((SIDE, SIDE), bool), disc(12, 20, 20), disc(9, 40, 40) & ~disc(12, 20, 20)])
    found = redraw(label, np.full(label.shape, 1.7, np.float32), exclusive)
    assert found.sum(-3) == pytest.approx(np.ones(found.sum(-3).shape), abs=1e-5)
    assert found.min() >= 0


def test_a_part_of_a_pixel_is_a_part_of_its_probability() -> None:
    label = planes(np.arange(SIDE)[None] * np.ones((SIDE, 1)) < 20)
    found = redraw(label, np.full(label.shape, 2.25, np.float32), exclusive=True)
    assert found[1, 5, 16:19].tolist() == pytest.approx([1.0, 0.75, 0.0])


def test_an_object_thinner_than_the_displacement_keeps_its_core() -> None:
    thin = np.zeros((SIDE, SIDE), bool)
    thin[20:23, 10:50] = True
    given = thin | disc(14, 45, 32)
    after = undone(given, bias_of(5.0))
    assert after[21, 15:45].all()
    assert not after[20, 15:45].any()
    assert dice(after & (np.arange(SIDE)[:, None] > 28), disc(9, 45, 32)) > 0.95


def test_neighbours_drawn_too_wide_together_leave_no_gap_between_them() -> None:
    left = np.zeros((SIDE, SIDE), bool)
    left[20:40, 10:30] = True
    right = np.roll(left, 20, axis=1)
    label = np.stack([np.zeros_like(left), left, right])
    found = redraw(label, np.full(label.shape, 3.0, np.float32), exclusive=True).argmax(0)
    assert set(found[30, 14:46].tolist()) == {1, 2}  # side by side as before
    assert found[30, 29] == 1
    assert found[30, 30] == 2
    assert (found[30, :13] == 0).all()
    one = redraw(label, np.array([0, 3, 0], np.float32)[:, None, None] * np.ones((3, SIDE, SIDE), np.float32), True)
    assert one.argmax(0)[30, 26:30].tolist() == [1, 2, 2, 2]  # the wide one gives way to its neighbour


def test_the_frame_is_no_outline() -> None:
    given = disc(20, 0, 32)
    after = undone(given, bias_of(4.0))
    assert after[0, 32 - 14 : 32 + 14].all()
    assert dice(after, disc(16, 0, 32)) > 0.97


def test_ignored_pixels_draw_no_outline() -> None:
    valid = np.ones((SIDE, SIDE), bool)
    valid[:, 30:34] = False
    label = planes(disc(14) & valid)
    assert (filled(label, valid)[1] == disc(14)).mean() > 0.99


def test_small_holes_and_specks_that_nobody_else_sees_do_not_grow() -> None:
    true = disc(14)
    given = moved(3.0)(planes(true), np.random.default_rng(0))[1]
    given[32, 32] = given[28, 36] = False
    given[3, 3] = True
    after = undone(given, bias_of(3.0), predicted=disc(17))
    assert dice(after, true) > 0.98
    assert not after[3, 3]
    hole = given & ~disc(3)
    assert (undone(hole, bias_of(3.0), predicted=disc(17)) & disc(3)).sum() == 0  # a large hole stays, as it is
    assert undone(hole, bias_of(3.0), predicted=disc(17))[32, 37]


def test_a_labels_own_deviation_is_undone_as_far_as_it_is_the_labels() -> None:
    true, given = disc(12), disc(16)
    half = undone(given, bias_of(0.0, own=0.5), offset=4.0)
    whole = undone(given, bias_of(0.0, own=0.99), offset=4.0)
    assert dice(half, disc(14)) > 0.98
    assert dice(whole, true) > 0.98
    assert (undone(given, bias_of(0.0, own=0.5)) == given).all()  # not measured: as usual


def test_a_shaky_outline_is_averaged_with_the_prediction() -> None:
    true = disc(14)
    given = disc(14, 34, 32)  # displaced down by two
    after = undone(given, bias_of(0.0, jitter=0.9, reach=2.0, model=1.0), predicted=disc(15))
    assert dice(after, true) > dice(given, true) + 0.05


def test_size_decides_how_far_where_it_should() -> None:
    true = disc(12, 20, 20) | disc(6, 48, 48)
    given = disc(15.6, 20, 20) | disc(7.8, 48, 48)  # 15 % of the diameter
    by_size, alike = undone(given, bias_of(3.6, slope=0.15)), undone(given, bias_of(3.6))
    small = disc(10, 48, 48)
    assert dice(by_size & ~small, true & ~small) > 0.96
    assert dice(by_size & small, true & small) > 0.92 > 0.85 > dice(alike & small, true & small)


def test_a_whole_set_is_mended_and_clean_samples_are_not_touched() -> None:
    truths = [scene(number) for number in range(40)]
    view = SceneView(truths, moved(2.5, 1.0), moved(3.0, 0.3))
    measured = survey(view, 2)
    Corrector(estimate_bias(measured), np.eye(2), habits(measured)).rewrite(view, measured)
    assert set(view.relabelled) == set(range(8, 40))
    before, after = (
        np.mean([dice(label(index)[1], truths[index][1]) for index in range(8, 40)])
        for label in (view.given, view.after)
    )
    assert before < 0.85
    assert after > 0.94


def test_a_confused_class_is_shared_out() -> None:
    truth = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0.25, 0.75]])
    view = SceneView([scene(number, 3) for number in range(10)], moved(0.0), moved(0.0), num_clean=2)
    unbiased = Bias(*(np.zeros(3) for _ in Bias._fields))
    Corrector(unbiased, truth, {}).rewrite(view, survey(view, 3))
    assert len(view.relabelled) == 8
    inside = torch.from_numpy(view.given(5)[2])
    assert view.relabelled[5][:, inside].mean(1).tolist() == pytest.approx([0, 0.25, 0.75], abs=1e-5)


def test_nothing_to_undo_costs_no_pass() -> None:
    view = SceneView([scene(number) for number in range(10)], moved(0.0), moved(0.0))
    measured = survey(view, 2)
    Corrector(Bias(*(np.zeros(2) for _ in Bias._fields)), np.eye(2), {}).rewrite(view, measured)
    assert view.passes == 1
    assert not view.relabelled
