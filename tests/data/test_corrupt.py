"""Simulated mistakes hit what they state: rate, sign and strength, against independent witnesses."""

import pickle

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage import measure, morphology

from segtrain.data.corrupt import (
    BoundaryJitter,
    CorruptedSource,
    CorruptionChain,
    CorruptionChoice,
    Dilate,
    DropObject,
    Erode,
    Polygon,
    Rotate,
    Shift,
    SwapClass,
)
from segtrain.data.corrupt.base import find_shapes, replace
from segtrain.data.source import Item
from segtrain.errors import ConfigError
from segtrain.types import IGNORE, Samples


def run(corruption, mask, seed=0, num_classes=2):
    return corruption(mask, num_classes, np.random.default_rng(seed))


def blob(seed=0, size=96, border=16):
    """One smooth irregular object away from the border."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((size, size)), 6) > 0
    noise = morphology.opening(noise, morphology.disk(4))
    noise[:border] = noise[-border:] = noise[:, :border] = noise[:, -border:] = False
    labels = measure.label(noise, connectivity=2)
    largest = np.argmax(np.bincount(labels.ravel())[1:]) + 1
    return (labels == largest).astype(np.uint8)


def lattice(side=12, gap=24, number=4, kinds=1):
    """number x number separate squares; the classes run 1..kinds in turn."""
    mask = np.zeros((gap * number, gap * number), np.uint8)
    for index in range(number**2):
        top, left = (index // number) * gap + gap // 4, (index % number) * gap + gap // 4
        mask[top : top + side, left : left + side] = index % kinds + 1
    return mask


def middles(mask):
    return np.array([region.centroid for region in measure.regionprops(measure.label(mask))])


# Outlines.


@pytest.mark.parametrize("radius", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_erode_and_dilate_agree_with_scikit_image(radius, seed):
    mask = blob(seed)
    disc = morphology.disk(radius, strict_radius=False)
    eroded, dilated = morphology.erosion(mask, disc), morphology.dilation(mask, disc)
    assert eroded.any()
    assert np.array_equal(run(Erode(radius=[radius, radius]), mask), eroded)
    assert np.array_equal(run(Dilate(radius=[radius, radius]), mask), dilated)


def test_an_object_is_not_eroded_from_the_border_of_the_picture():
    mask = np.zeros((40, 40), np.uint8)
    mask[:, :20] = 1
    assert (run(Erode(radius=[3, 3]), mask).sum(axis=1) == 17).all()
    full = np.ones((20, 20), np.uint8)
    assert np.array_equal(run(Erode(radius=[3, 3]), full), full)


def test_erosion_leaves_the_innermost_pixels_of_a_small_object():
    mask = np.zeros((30, 30), np.uint8)
    mask[5, 5] = mask[12:15, 12:15] = mask[20:22, 20:28] = 1
    eroded = run(Erode(radius=[9, 9]), mask)
    assert measure.label(eroded).max() == 3
    assert eroded[5, 5] == eroded[13, 13] == 1


def test_width_in_diameters_grows_with_the_object():
    def gained(radius):
        mask = np.zeros((200, 200), np.uint8)
        mask[100 - radius : 100 + radius, 100 - radius : 100 + radius] = 1
        dilated = run(Dilate(radius=[0.1, 0.1], unit="diameters"), mask)
        return dilated.any(axis=0).sum() - 2 * radius

    assert gained(20) == 2 * round(0.1 * 40 * 2 / np.sqrt(np.pi))
    assert gained(40) == 2 * round(0.1 * 80 * 2 / np.sqrt(np.pi))


def test_strength_is_spread_evenly_between_its_limits():
    mask = np.zeros((60, 60), np.uint8)
    mask[20:40, 20:40] = 1
    corruption = Dilate(radius=[1.5, 6.5])
    gains = [(run(corruption, mask, seed).any(axis=0).sum() - 20) / 2 for seed in range(600)]
    counts = np.bincount(np.array(gains, int), minlength=8)
    assert counts[:2].sum() == counts[7:].sum() == 0
    assert np.all(np.abs(counts[2:7] - 120) < 4 * np.sqrt(600 * 0.2 * 0.8))


@pytest.mark.parametrize(("length", "deviation"), [(4.0, 1.5), (10.0, 3.0)])
def test_jitter_has_its_stated_deviation_sign_and_smoothness(length, deviation):
    """On a straight outline the displacement of each row can be read off."""
    mask = np.zeros((400, 120), np.uint8)
    mask[:, :60] = 1
    corruption = BoundaryJitter(displacement=[deviation, deviation], length=length)
    moves = np.stack([run(corruption, mask, seed).sum(axis=1) - 60.0 for seed in range(40)])  # (seeds, rows)
    assert abs(moves.mean()) < 0.1 * deviation
    assert moves.std() == pytest.approx(deviation, rel=0.1)
    lag = round(length)
    correlation = (moves[:, lag:] * moves[:, :-lag]).mean() / (moves**2).mean()
    assert correlation == pytest.approx(np.exp(-1 / 4), abs=0.1)  # of Gaussian noise: exp(-lag^2 / 4 length^2)


def test_jitter_leaves_the_area_as_it_is_on_average():
    mask = morphology.disk(20).astype(np.uint8)
    mask = np.pad(mask, 15)
    areas = [run(BoundaryJitter(displacement=[2, 2], length=5), mask, seed).sum() for seed in range(300)]
    assert np.mean(areas) / mask.sum() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("tolerance", [1.0, 2.5, 5.0])
def test_polygon_stays_within_its_tolerance_and_has_fewer_corners(tolerance):
    for seed in range(5):
        mask = blob(seed, size=128)
        drawn = run(Polygon(tolerance=[tolerance, tolerance]), mask)
        true, coarse = (measure.find_contours(np.pad(part, 1), 0.5) for part in (mask, drawn))
        distances = cdist(np.concatenate(true), np.concatenate(coarse)).min(axis=1)
        assert distances.max() <= tolerance + 1.5  # half a pixel of the contour and one of the raster
        assert 0.7 < drawn.sum() / mask.sum() < 1.1
        assert distances.max() > 0.5


def test_polygon_without_tolerance_is_the_object_with_its_holes():
    mask = blob(1)
    mask[tuple(np.argwhere(morphology.erosion(mask, morphology.disk(4)))[0])] = 0
    assert np.array_equal(run(Polygon(tolerance=[0, 0]), mask), mask)


# Places.


def test_shift_moves_each_object_by_a_distance_within_its_limits_and_in_all_directions():
    mask = lattice()
    corruption = Shift(distance=[2, 5], per="object")
    moves = []
    for seed in range(60):
        apart = middles(run(corruption, mask, seed))[:, None] - middles(mask)  # (16, 16, 2)
        nearest = np.linalg.norm(apart, axis=-1).argmin(axis=1)
        moves.extend(apart[np.arange(16), nearest])
    moves = np.array(moves)
    distances = np.linalg.norm(moves, axis=1)
    assert distances.min() >= 2 - 0.71
    assert distances.max() <= 5 + 0.71
    assert np.linalg.norm(moves.mean(axis=0)) < 4 * 3.6 / np.sqrt(len(moves))
    assert abs(distances.mean() - 3.5) < 0.1


def test_objects_of_a_sample_shift_together_and_keep_their_pixels():
    mask = lattice()
    for seed in range(10):
        shifted = run(Shift(distance=[1, 4]), mask, seed)
        moves = middles(shifted) - middles(mask)
        assert np.allclose(moves, moves[0])
        assert shifted.sum() == mask.sum()


def test_a_shift_out_of_the_picture():
    mask = np.zeros((20, 20), np.uint8)
    mask[8:12, 8:12] = 1
    assert not run(Shift(distance=[100, 100]), mask).any()


def test_rotation_neither_shrinks_nor_grows_objects():
    """The published simulators interpolate and cut off, which always shrinks (methods: noise simulators are buggy)."""
    drift = []
    for seed in range(150):
        mask = blob(seed % 10)
        drift.append(run(Rotate(angle=[1, 30]), mask, seed).sum() / mask.sum() - 1)
    assert abs(np.mean(drift)) < 4 * np.std(drift) / np.sqrt(len(drift)) + 1e-4
    assert abs(np.mean(drift)) < 0.005


def test_rotation_turns_by_its_angle_either_way_about_the_centre():
    mask = np.zeros((120, 120), np.uint8)
    mask[56:64, 20:100] = 1
    turns = []
    for seed in range(60):
        rotated = run(Rotate(angle=[10, 30]), mask, seed)
        (region,) = measure.regionprops(rotated.astype(int))
        assert np.allclose(region.centroid, (59.5, 59.5), atol=0.5)
        turn = np.rad2deg(region.orientation)
        turns.append(turn - 90 if turn > 0 else turn + 90)
    sizes = np.abs(turns)
    assert sizes.min() > 9.5
    assert sizes.max() < 30.5
    assert abs(sizes.mean() - 20) < 4 * 20 / np.sqrt(12 * 60)
    assert 15 < (np.array(turns) > 0).sum() < 45


# Presence and class.


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_stated_share_of_objects_is_dropped(rate):
    mask = lattice()
    left = [measure.label(run(DropObject(rate=rate), mask, seed)).max() for seed in range(100)]
    dropped = 1 - np.mean(left) / 16
    assert abs(dropped - rate) < 4 * np.sqrt(rate * (1 - rate) / 1600)


def test_the_stated_share_of_samples_is_touched_as_a_whole():
    mask = lattice()
    left = np.array([measure.label(run(DropObject(rate=0.3, per="sample"), mask, seed)).max() for seed in range(400)])
    assert set(left) == {0, 16}
    assert abs((left == 0).mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 400)


def test_a_sample_is_touched_on_all_planes_or_on_none():
    stack = np.stack([lattice()] * 3)
    left = np.array([run(DropObject(rate=0.5, per="sample"), stack, seed).any(axis=(1, 2)).sum() for seed in range(60)])
    assert set(left) == {0, 3}
    assert 15 < (left == 0).sum() < 45


def test_each_object_has_its_own_strength_or_all_have_the_same():
    mask = lattice()
    areas = {per: [] for per in ("sample", "object")}
    for per, found in areas.items():
        dilated = run(Dilate(radius=[1, 5], per=per), mask)
        found.extend(region.area for region in measure.regionprops(measure.label(dilated)))
    assert len(set(areas["sample"])) == 1
    assert len(set(areas["object"])) > 3


def test_a_dropped_object_becomes_class_0_where_it_touches_it_else_the_nearest_label():
    mask = np.full((40, 60), 2, np.uint8)
    mask[:, :10] = 0
    mask[20:24, 8:14] = 1  # touches class 0
    assert not (run(DropObject(rate=1.0), np.where(mask == 2, 0, mask))).any()
    mask[:, 50:] = 3
    mask[10:20, 45:55] = 1  # half in class 2, half in class 3
    dropped = mask.copy()
    for shape in find_shapes(mask):
        if shape.kind == 1:
            replace(dropped, shape, shape._replace(pixels=np.zeros_like(shape.pixels)))
    assert (dropped[20:24, 8:14] == 0).all()
    assert (dropped[10:20, 45:50] == 2).all()
    assert (dropped[10:20, 50:55] == 3).all()


def test_lost_rims_between_touching_objects_become_class_0():
    mask = np.zeros((30, 60), np.uint8)
    mask[5:25, 10:30] = 1
    mask[5:25, 30:50] = 2
    eroded = run(Erode(radius=[3, 3]), mask, num_classes=3)
    row = eroded[15]
    assert row.tolist() == [0] * 13 + [1] * 14 + [0] * 6 + [2] * 14 + [0] * 13


def test_of_two_redrawn_objects_the_smaller_lies_on_top():
    mask = np.zeros((30, 60), np.uint8)
    mask[5:25, 10:30] = 1
    mask[10:20, 30:40] = 2
    row = run(Dilate(radius=[3, 3]), mask, num_classes=3)[15]
    assert row.tolist() == [0] * 7 + [1] * 20 + [2] * 16 + [0] * 17


def test_swapped_classes_are_other_classes_with_equal_chance():
    mask = lattice(kinds=3)
    pairs = np.zeros((4, 4), int)
    for seed in range(150):
        swapped = run(SwapClass(rate=0.4), mask, seed, num_classes=4)
        assert np.array_equal(swapped > 0, mask > 0)
        for region in measure.regionprops(measure.label(mask > 0)):
            place = tuple(region.coords[0])
            pairs[mask[place], swapped[place]] += 1
    total = pairs.sum()
    kept = np.trace(pairs)
    assert pairs[:, 0].sum() == 0
    assert abs(1 - kept / total - 0.4) < 4 * np.sqrt(0.24 / total)
    moved = pairs[1:, 1:][~np.eye(3, dtype=bool)]
    assert np.all(np.abs(moved - moved.mean()) < 4 * np.sqrt(moved.mean()))


def test_swap_moves_an_object_to_another_plane():
    stack = np.zeros((3, 20, 20), np.uint8)
    stack[1, 5:10, 5:10] = 1
    swapped = run(SwapClass(rate=1.0), stack, num_classes=3)
    assert not swapped[1].any()
    assert np.array_equal(swapped.sum(axis=0), stack[1])


@pytest.mark.parametrize("stack", [np.zeros((8, 8), np.uint8), np.zeros((1, 8, 8), np.uint8)])
def test_swap_needs_two_classes_of_objects(stack):
    with pytest.raises(ConfigError, match="at least 2 classes of objects, the data have 1"):
        run(SwapClass(), stack, num_classes=1 if stack.ndim == 3 else 2)


# Together.


def test_a_chain_applies_its_steps_in_order():
    mask = np.zeros((30, 30), np.uint8)
    mask[10:20, 10:13] = 1
    wide, tight = Dilate(radius=[2, 2]), Erode(radius=[2, 2])
    opened = run(CorruptionChain(steps={"tight": tight, "wide": wide}), mask)
    closed = run(CorruptionChain(steps={"wide": wide, "tight": tight}), mask)
    assert np.array_equal(opened, run(wide, run(tight, mask)))
    assert np.array_equal(closed, run(tight, run(wide, mask)))
    assert not np.array_equal(opened, closed)


def test_a_step_does_not_hang_on_the_random_numbers_of_those_before_it():
    mask = lattice(kinds=1)
    drop = DropObject(rate=0.5)
    kept = [
        middles(run(CorruptionChain(steps={"first": first, "drop": drop}), mask))
        for first in (DropObject(rate=0.0), BoundaryJitter(rate=0.0), Dilate(radius=[2, 2], per="object"))
    ]
    assert np.array_equal(kept[0], kept[1])
    assert np.array_equal(kept[0], kept[2])


def test_a_choice_takes_one_of_its_steps_with_equal_chance():
    mask = lattice()
    choice = CorruptionChoice(steps={"wide": Dilate(radius=[2, 2]), "none": DropObject(rate=1.0)})
    areas = np.array([run(choice, mask, seed).sum() for seed in range(200)])
    assert set(areas) == {0, run(Dilate(radius=[2, 2]), mask).sum()}
    assert 70 < (areas == 0).sum() < 130


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Erode(radius=[3, 1]), "The 'radius' of Erode must be .low, high. with 0 <= low <= high, got .3, 1."),
        (lambda: Dilate(radius=[-1, 1]), "The 'radius' of Dilate"),
        (lambda: Shift(unit="metres"), "The 'unit' of Shift must be"),
        (lambda: Rotate(angle=[0, 200]), "The 'angle' of Rotate must be at most 180"),
        (lambda: BoundaryJitter(length=0), "The 'length' of BoundaryJitter must be greater than 0"),
        (lambda: Polygon(rate=2), "The 'rate' of Polygon must be in .0, 1., got 2"),
        (lambda: CorruptionChoice(steps={}), "The 'steps' of CorruptionChoice must be at least one"),
    ],
)
def test_bad_values_are_refused(make, sentence):
    with pytest.raises(ConfigError, match=sentence):
        make()


# The source.


class Plain:
    """Five samples: one clean, one without a label."""

    reference_names = ("expert",)

    def __init__(self, names=("expert",)):
        self.reference_names = list(names)
        self.ids = [f"cell/{number}" for number in range(5)]
        flags = torch.arange(5)
        unknown = torch.full((5,), -1)
        self.samples = Samples(clean=flags == 1, labelled=flags != 2, annotator=unknown, group=unknown)

    def __len__(self):
        return 5

    def read(self, index):
        label = None if index == 2 else lattice()
        return Item(np.zeros((96, 96, 1), np.uint8), label)

    def references(self, index):
        return {name: np.full((96, 96), 7, np.uint8) for name in self.reference_names}

    def fingerprint(self):
        return "plain"


def wrap(corruption=None, seed=3, names=("expert",)):
    return CorruptedSource(Plain(names), corruption or DropObject(rate=0.5), num_classes=2, seed=seed)


def test_labels_are_corrupted_but_not_clean_or_missing_ones():
    source = wrap()
    assert not np.array_equal(source.read(0).label, lattice())
    assert np.array_equal(source.read(1).label, lattice())
    assert source.read(2).label is None
    assert not np.array_equal(source.read(0).label, source.read(3).label)  # each its own
    assert source.samples.clean.tolist() == [False, True, False, False, False]
    assert len(source) == 5


def test_corruption_hangs_on_seed_and_id_alone():
    forward, backward = wrap(), wrap()
    first = [forward.read(index).label for index in (0, 3, 4)]
    second = [backward.read(index).label for index in (4, 3, 0)][::-1]
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
    assert not np.array_equal(wrap(seed=4).read(0).label, first[0])
    renamed = wrap()
    renamed.source.ids[0] = "another"
    assert not np.array_equal(renamed.read(0).label, first[0])
    copy = pickle.loads(pickle.dumps(forward))  # a worker started by spawn
    assert np.array_equal(copy.read(0).label, first[0])


def test_the_label_as_it_was_becomes_the_reference_clean():
    source = wrap()
    assert source.reference_names == ["expert", "clean"]
    references = source.references(0)
    assert np.array_equal(references["clean"], lattice())
    assert (references["expert"] == 7).all()
    assert set(source.references(2)) == {"expert"}


def test_a_reference_clean_that_exists_is_kept():
    source = wrap(names=("clean",))
    assert source.reference_names == ["clean"]
    assert (source.references(0)["clean"] == 7).all()


def test_the_fingerprint_knows_the_settings():
    prints = {
        wrap().fingerprint(),
        wrap(seed=4).fingerprint(),
        wrap(DropObject(rate=0.6)).fingerprint(),
        wrap(Erode()).fingerprint(),
    }
    assert len(prints) == 4
    assert wrap().fingerprint() == wrap().fingerprint()


def test_the_source_refuses_a_corruption_that_its_classes_leave_nothing_to_do_for():
    chain = CorruptionChain(steps={"erode": Erode(), "swap": SwapClass()})
    with pytest.raises(ConfigError, match="needs at least 2 classes of objects"):
        wrap(chain)


def test_ignored_pixels_are_no_objects():
    mask = np.full((20, 20), IGNORE, np.uint8)
    mask[5:9, 5:9] = 1
    eroded = run(Erode(radius=[1, 1]), mask)
    assert np.array_equal(eroded == IGNORE, mask == IGNORE)
    assert (eroded == 1).sum() == 4
