"""The signed displacement of one outline against another, and where objects do not correspond."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from segtrain.audit.displacement import displacement, matching, middle_offset, object_displacements
from segtrain.audit.outline import objects_of, ruggedness, signed_distance, smoothed, trace
from tests.audit.scenes import SIDE, disc, margin

EVERYWHERE = np.ones((SIDE, SIDE), bool)


def blob(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return disc(9, 20, 25) | disc(7, 30, 33) & ~disc(2, 22, 24) | (rng.random((SIDE, SIDE)) > 0.999)


def test_signed_distance_is_the_distance_to_the_nearest_pixel_of_the_other_side_less_a_half() -> None:
    mask = blob(0)
    inside, outside = np.argwhere(mask), np.argwhere(~mask)
    expected = np.zeros(mask.shape)
    expected[mask] = 0.5 - cdist(inside, outside).min(1)
    expected[~mask] = cdist(outside, inside).min(1) - 0.5
    assert signed_distance(mask) == pytest.approx(expected, abs=1e-4)


def test_without_an_outline_everything_is_far_away() -> None:
    full, empty = signed_distance(EVERYWHERE), signed_distance(~EVERYWHERE)
    assert (full < -SIDE).all()
    assert (empty > SIDE).all()
    assert np.isfinite(full).all()


def test_an_outline_runs_between_the_pixels_and_not_along_the_frame_or_ignored_ones() -> None:
    mask = COLUMNS_FROM_LEFT < 10
    outline = trace(margin(mask), EVERYWHERE)
    assert len(outline.inner) == SIDE  # one crossing in each row, none at the frame
    columns = outline.values(COLUMNS_FROM_LEFT.astype(float))
    assert columns == pytest.approx(np.full(SIDE, 9.5))
    assert outline.values(signed_distance(mask)) == pytest.approx(np.zeros(SIDE))
    valid = COLUMNS_FROM_LEFT != 10
    assert len(trace(margin(mask), valid).inner) == 0


COLUMNS_FROM_LEFT = np.arange(SIDE)[None] * np.ones((SIDE, 1))


@pytest.mark.parametrize("crossing", [20.25, 20.5, 20.75])
def test_probabilities_place_the_outline_between_the_pixels(crossing: float) -> None:
    drawn = np.clip(crossing - COLUMNS_FROM_LEFT, -1, 1)
    outline = trace(drawn, EVERYWHERE)
    assert outline.values(COLUMNS_FROM_LEFT) == pytest.approx(np.full(SIDE, crossing), abs=1e-5)


@pytest.mark.parametrize(("drawn", "true"), [(14, 11), (9, 12), (12.5, 12), (12, 12)])
def test_concentric_discs_lie_apart_by_the_difference_of_their_radii(drawn: float, true: float) -> None:
    found = displacement(margin(disc(drawn)), margin(disc(true)), EVERYWHERE)
    radii = [np.sqrt(disc(radius).sum() / np.pi) for radius in (drawn, true)]  # of the discs as pixels
    assert found.offset == pytest.approx(radii[0] - radii[1], abs=0.25)
    assert displacement(margin(disc(true)), margin(disc(drawn)), EVERYWHERE).offset == pytest.approx(-found.offset)


def test_a_shifted_disc_is_spread_but_not_displaced() -> None:
    found = displacement(margin(disc(12, 34, 30)), margin(disc(12)), EVERYWHERE)
    assert abs(found.offset) < 0.2
    assert found.spread == pytest.approx(np.sqrt((2**2 + 2**2) / 2), abs=0.5)  # of 2 sin: its root mean square


def test_objects_that_the_other_mask_lacks_say_nothing() -> None:
    drawn = disc(14, 20, 20)
    alone = displacement(margin(drawn), margin(disc(12, 20, 20)), EVERYWHERE)
    extra = displacement(margin(drawn | disc(6, 50, 50)), margin(disc(12, 20, 20)), EVERYWHERE)
    missing = displacement(margin(drawn), margin(disc(12, 20, 20) | disc(6, 50, 50)), EVERYWHERE)
    holes = displacement(margin(drawn & ~disc(2, 20, 20)), margin(disc(12, 20, 20)), EVERYWHERE)
    for found in (extra, missing, holes):
        assert found.offset == pytest.approx(alone.offset)
        assert found.spread == pytest.approx(alone.spread)


def test_an_empty_or_full_mask_has_no_displacement() -> None:
    for drawn, true in (
        (~EVERYWHERE, disc(9)),
        (disc(9), ~EVERYWHERE),
        (EVERYWHERE, disc(9)),
        (disc(5, 9, 9), disc(5, 50, 50)),
    ):
        found = displacement(margin(drawn), margin(true), EVERYWHERE)
        assert np.isnan(found.offset)
        assert np.isnan(found.spread)


def test_an_object_cut_by_the_frame_is_measured_where_it_has_an_outline() -> None:
    found = displacement(margin(disc(20, 0, 32)), margin(disc(17, 0, 32)), EVERYWHERE)
    assert found.offset == pytest.approx(3, abs=0.3)


def test_a_line_of_two_pixels_is_measured() -> None:
    drawn, true = np.zeros((2, SIDE, SIDE), bool)
    drawn[20:24, 5:60], true[21:23, 5:60] = True, True
    assert displacement(margin(drawn), margin(true), EVERYWHERE).offset == pytest.approx(1, abs=0.1)


def test_matching_drops_what_is_unknown_on_either_side() -> None:
    first, second = disc(6, 15, 15) | disc(6, 15, 50), disc(7, 15, 15) | disc(5, 50, 32)
    ours, theirs = matching(first, second)
    assert (ours == disc(6, 15, 15)).all()
    assert (theirs == disc(7, 15, 15)).all()


def test_each_object_has_its_own_displacement() -> None:
    true = disc(9, 16, 16) | disc(6, 48, 48)
    drawn = disc(12, 16, 16) | disc(7, 48, 48)
    found = object_displacements(margin(drawn), margin(true), EVERYWHERE, most=4)
    assert found[:2, 0] == pytest.approx([18, 12], abs=0.8)  # diameters, the largest first
    assert found[:2, 1] == pytest.approx([3, 1], abs=0.35)
    assert np.isnan(found[2:]).all()


def test_teeth_are_ruggedness_and_smoothing_takes_them_off() -> None:
    true, rng = disc(16), np.random.default_rng(0)
    rim = np.abs(signed_distance(true)) < 1
    toothed = true ^ (rim & (rng.random(true.shape) < 0.4))
    assert ruggedness(true) < 0.05 < 0.1 < ruggedness(toothed)
    assert (smoothed(toothed) ^ true).sum() < 0.5 * (toothed ^ true).sum()
    assert np.isnan(ruggedness(~EVERYWHERE))


def test_objects_are_joined_at_corners_and_holes_are_not() -> None:
    mask = np.eye(4, dtype=bool)
    assert len(objects_of(mask)[1]) == 2
    assert len(objects_of(mask, connectivity=4)[1]) == 5


def test_a_move_leaves_no_wandering_and_a_wave_leaves_all_of_it() -> None:
    moved = displacement(margin(disc(14, 35, 30)), margin(disc(14)), EVERYWHERE)
    assert moved.spread > 1.5
    assert moved.wander < 0.5
    down, right = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    waved = np.hypot(down, right) <= 14 + 2 * np.sin(5 * np.arctan2(down, right))
    wave = displacement(margin(waved), margin(disc(14)), EVERYWHERE)
    assert wave.wander == pytest.approx(wave.spread, rel=0.15)
    assert wave.wander > 1


def test_the_middle_of_a_doubtful_outline_is_where_its_doubt_is_even() -> None:
    ramp = np.clip((30 - COLUMNS_FROM_LEFT) / 8, -1, 1)  # sure left of 22, sure of the contrary right of 38
    tilted = np.where(ramp > 0, ramp, ramp / 4)
    drawn = margin(COLUMNS_FROM_LEFT < 33)
    assert middle_offset(drawn, ramp, EVERYWHERE) == pytest.approx(2.5, abs=0.3)
    assert np.isnan(middle_offset(drawn, tilted, EVERYWHERE))  # nowhere sure of the contrary
    assert np.isnan(middle_offset(~EVERYWHERE - 0.5, ramp, EVERYWHERE))
