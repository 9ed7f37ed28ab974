"""The field's published noise hits its stated amount and sign, against independent witnesses."""

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import measure, morphology

from segtrain.data.corrupt import (
    Affine,
    Annotator,
    ClassFlip,
    CorruptedSource,
    EdgeDistort,
    ErodeDilate,
    ExtraObject,
    Markov,
    Superpixel,
)
from segtrain.data.source import Item
from segtrain.errors import ConfigError
from segtrain.types import IGNORE, Samples


def run(corruption, mask, seed=0, num_classes=2, annotator=None):
    return corruption(mask, num_classes, np.random.default_rng(seed), annotator)


def disc(radius=20, size=96):
    rows, columns = np.indices((size, size)) - size / 2 + 0.5
    return (np.hypot(rows, columns) < radius).astype(np.uint8)


def lattice(side=12, gap=24, number=4, kinds=1):
    """number x number separate squares; the classes run 1..kinds in turn."""
    mask = np.zeros((gap * number, gap * number), np.uint8)
    for index in range(number**2):
        top, left = (index // number) * gap + gap // 4, (index % number) * gap + gap // 4
        mask[top : top + side, left : left + side] = index % kinds + 1
    return mask


def half(rows=200, columns=120):
    """A straight outline, on which displacements can be read off."""
    mask = np.zeros((rows, columns), np.uint8)
    mask[:, : columns // 2] = 1
    return mask


def areas(corruption, mask, seeds):
    return np.array([run(corruption, mask, seed).sum() for seed in range(seeds)]) / mask.sum() - 1


def tiny():
    """A pixel, a block, a thin line."""
    mask = np.zeros((40, 40), np.uint8)
    mask[5, 5] = mask[12:15, 12:15] = mask[24, 4:36] = 1
    return mask


# Markov noise.


def published(mask, steps, growth, pace, rng):
    """Definition 1 of the paper, by distance transforms: flips left out, blur and cut included."""
    wandered = mask.astype(float)
    for _ in range(steps):
        grows = rng.random() < growth
        edge = ndimage.distance_transform_edt(1 - wandered if grows else wandered) == 1
        wandered[edge & (rng.random(mask.shape) < pace)] = grows
    return cv2.GaussianBlur(wandered, (5, 5), 2) > 0.5


@pytest.mark.parametrize("growth", [0.2, 0.5, 0.8])
def test_markov_noise_grows_and_shrinks_as_published(growth):
    mask = disc(20, 80)
    theirs = [published(mask, 60, growth, 0.1, np.random.default_rng(seed)).sum() for seed in range(30)]
    theirs = np.array(theirs) / mask.sum() - 1
    ours = areas(Markov(steps=60, growth=growth, pace=0.1, flips=0.0), mask, 60)
    error = 4 * np.sqrt(theirs.var() / 30 + ours.var() / 60)
    assert abs(ours.mean() - theirs.mean()) < error
    assert ours.std() == pytest.approx(theirs.std(), rel=0.5)


def test_markov_noise_that_always_moves_is_a_dilation_by_diamonds():
    mask = disc(8, 40)
    grown = ndimage.binary_dilation(mask, iterations=3).astype(np.float64)  # its default neighbours are the cross
    axis = np.exp(-((np.arange(5) - 2) ** 2) / 8)
    kernel = np.outer(axis, axis) / axis.sum() ** 2
    expected = ndimage.convolve(grown, kernel, mode="mirror") > 0.5
    assert np.array_equal(run(Markov(steps=3, growth=1.0, pace=1.0, flips=0.0), mask) > 0, expected)


@pytest.mark.parametrize(("growth", "low", "high"), [(0.8, 0.15, 1), (0.2, -1, -0.15), (0.5, -0.04, 0.04)])
def test_markov_noise_has_the_sign_of_its_growth(growth, low, high):
    assert low < areas(Markov(steps=60, growth=growth), disc(30, 120), 20).mean() < high


def test_flips_roughen_the_outline_and_leave_no_specks_far_from_it():
    mask = disc(24, 120)
    smooth, rough = Markov(steps=40, flips=0.0), Markov(steps=40, flips=0.4)

    def perimeters(corruption):
        return np.mean([measure.perimeter(run(corruption, mask, seed)) for seed in range(10)])

    assert perimeters(rough) > 1.05 * perimeters(smooth)
    for seed in range(20):
        drawn = run(Markov(steps=40, flips=0.3), mask, seed)
        parts = measure.label(drawn)
        main = parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1
        assert ndimage.distance_transform_edt(~main)[drawn > 0].max() < 8


@pytest.mark.parametrize(
    "corruption",
    [Markov(growth=0.0), Markov(growth=0.2), EdgeDistort(radius=[6, 12]), ErodeDilate(radius=[9, 9])],
    ids=["markov", "markov_small", "edge_distort", "erode_dilate"],
)
def test_small_and_thin_objects_keep_their_innermost_pixels(corruption):
    mask = tiny()
    for seed in range(10):
        drawn = run(corruption, mask, seed)
        assert drawn[5, 5]
        assert drawn[13, 13]
        assert drawn[24, 20]


# Rims and discs.


def test_erode_dilate_goes_either_way_with_equal_chance_by_its_radius():
    mask, straight = disc(20), half()
    near = morphology.disk(3, strict_radius=False)
    both = [morphology.erosion(mask, near), morphology.dilation(mask, near)]
    wide = 0
    for seed in range(200):
        drawn = run(ErodeDilate(radius=[3, 3]), mask, seed)
        wide += np.array_equal(drawn, both[1])
        assert any(np.array_equal(drawn, one) for one in both)
    assert abs(wide - 100) < 4 * np.sqrt(50)
    moves = [run(ErodeDilate(radius=[2, 6]), straight, seed).sum(axis=1)[0] - 60.0 for seed in range(300)]
    assert abs(np.mean(moves)) < 4 * 4.2 / np.sqrt(300)
    assert np.mean(np.abs(moves)) == pytest.approx(4, abs=0.4)


def test_all_objects_of_a_sample_go_the_same_way_or_each_its_own():
    mask = lattice()
    for per, most in (("sample", 1), ("object", 2)):
        kinds = set()
        for seed in range(10):
            drawn = run(ErodeDilate(radius=[2, 2], per=per), mask, seed)
            kinds.add(len({region.area for region in measure.regionprops(measure.label(drawn))}))
        assert max(kinds) == most


def test_discs_roughen_a_large_object_without_moving_its_outline():
    mask = disc(40, 140)
    drift = areas(EdgeDistort(radius=[3, 6]), mask, 30)
    assert abs(drift.mean()) < 0.05
    drawn = run(EdgeDistort(radius=[3, 6]), mask)
    assert 0.03 < (drawn != mask).sum() / mask.sum() < 0.3
    assert measure.perimeter(drawn) > 1.1 * measure.perimeter(mask)
    assert np.array_equal(run(EdgeDistort(share=0.0), mask), mask)


# Out of place by a stated amount.


def wrong(drawn, mask):
    return (drawn != mask).sum() / (mask > 0).sum()


@pytest.mark.parametrize("settings", [{"amount": 0.3}, {"amount": 0.7}, {"amount": 0.5, "scale": 0.2, "angle": 10}])
def test_affine_noise_hits_its_amount_and_keeps_the_area(settings):
    mask = disc(14, 128)
    mask[50:56, 20:100] = 1
    drawn = [run(Affine(**settings), mask, seed) for seed in range(80)]
    assert np.allclose([wrong(one, mask) for one in drawn], settings["amount"], atol=0.02)
    drift = np.array([one.sum() for one in drawn]) / mask.sum() - 1
    assert abs(drift.mean()) < 4 * drift.std() / np.sqrt(80) + 1e-3
    assert drift.std() < 0.02 or "scale" in settings


def test_affine_noise_moves_all_objects_as_one_piece_or_each_by_itself():
    mask = np.zeros((96, 96), np.uint8)
    mask[20:32, 20:32] = mask[60:72, 60:72] = 1
    spread = {"sample": [], "object": []}
    for per, moves in spread.items():
        for seed in range(10):
            drawn = run(Affine(amount=0.4, angle=0.0, per=per), mask, seed)
            middles = np.array([region.centroid for region in measure.regionprops(measure.label(drawn))])
            moves.append(np.linalg.norm(np.diff(middles - [[25.5, 25.5], [65.5, 65.5]], axis=0)))
    assert max(spread["sample"]) == pytest.approx(0, abs=1e-6)
    assert max(spread["object"]) > 1


def test_affine_noise_turns_by_up_to_its_angle():
    mask = np.zeros((120, 120), np.uint8)
    mask[40:80, 30:90] = 1
    turns = []
    for seed in range(40):
        (region,) = measure.regionprops(run(Affine(amount=0.9, angle=25.0), mask, seed).astype(int))
        turn = np.rad2deg(region.orientation)
        turns.append(turn - 90 if turn > 0 else turn + 90)
    assert 15 < np.abs(turns).max() < 26
    assert 8 < (np.array(turns) > 0).sum() < 32


def test_a_single_pixel_stays_or_moves_by_one():
    mask = np.zeros((20, 20), np.uint8)
    mask[10, 10] = 1
    for seed in range(10):
        assert run(Affine(amount=0.5), mask, seed).sum() == 1


# Superpixels.


def test_superpixels_become_one_class_and_no_class_gains_area():
    mask = lattice(side=13, kinds=2)
    corruption = Superpixel(rate=1.0, size=6)
    counts = []
    for seed in range(120):
        drawn = run(corruption, mask, seed, num_classes=3)
        pieces = corruption._pieces(mask.shape, np.random.default_rng(seed))
        numbers = np.arange(pieces.max() + 1)
        assert np.array_equal(ndimage.minimum(drawn, pieces, numbers), ndimage.maximum(drawn, pieces, numbers))
        counts.append(np.bincount(drawn.ravel(), minlength=3))
    counts = np.array(counts)
    drift = counts.mean(axis=0) - np.bincount(mask.ravel())
    assert np.all(np.abs(drift) < 4 * counts.std(axis=0) / np.sqrt(120))
    assert counts.std(axis=0).min() > 10


@pytest.mark.parametrize("rate", [0.3, 0.7])
def test_the_stated_share_of_superpixels_at_outlines_is_touched(rate):
    mask = lattice()
    touched = mixed = 0
    for seed in range(40):
        corruption = Superpixel(rate=rate, size=6)
        drawn = run(corruption, mask, seed)
        pieces = corruption._pieces(mask.shape, np.random.default_rng(seed))
        numbers = np.arange(pieces.max() + 1)
        straddles = ndimage.minimum(mask, pieces, numbers) != ndimage.maximum(mask, pieces, numbers)
        left = ndimage.minimum(drawn, pieces, numbers) != ndimage.maximum(drawn, pieces, numbers)
        assert not (left & ~straddles).any()
        mixed += straddles.sum()
        touched += (straddles & ~left).sum()
    assert abs(touched / mixed - rate) < 4 * np.sqrt(rate * (1 - rate) / mixed)


def test_superpixels_have_about_their_size():
    pieces = Superpixel(size=8)._pieces((96, 96), np.random.default_rng(0))
    assert np.bincount(pieces.ravel()).mean() == pytest.approx(64, rel=0.05)


# What is there.


@pytest.mark.parametrize("rate", [0.2, 0.6])
def test_extra_objects_are_copies_at_the_stated_rate_and_real_ones_stay(rate):
    mask = np.zeros((200, 200), np.uint8)
    mask[20:30, 20:34] = 1
    mask[150:158, 150:170] = 2
    gained = []
    for seed in range(150):
        drawn = run(ExtraObject(rate=rate), mask, seed, num_classes=3)
        assert np.array_equal(drawn[mask > 0], mask[mask > 0])
        gained.append([(drawn == kind).sum() / (mask == kind).sum() - 1 for kind in (1, 2)])
    gained = np.array(gained)
    assert set(np.unique(gained.round(6))) <= {0.0, 1.0}
    assert abs(gained.mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / 300)


def test_extra_objects_appear_all_over():
    mask = np.zeros((100, 100), np.uint8)
    mask[2:8, 2:8] = 1
    middles = []
    for seed in range(60):
        drawn = run(ExtraObject(rate=1.0), mask, seed)
        middles.append(np.argwhere(drawn & ~mask).mean(axis=0))
    assert np.allclose(np.mean(middles, axis=0), 50, atol=4 * 28 / np.sqrt(60))
    assert np.min(middles) < 15
    assert np.max(middles) > 85


# Classes.


def confusion(corruption, mask, seeds, num_classes):
    table = np.zeros((num_classes, num_classes))
    for seed in range(seeds):
        np.add.at(table, (mask, run(corruption, mask, seed, num_classes)), 1)
    return table


MATRIX = [[0, 0.5, 0.5, 0], [0.2, 0, 0.8, 0], [1, 0, 0, 0], [0.1, 0.6, 0.3, 0]]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"rate": 0.3}, [[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1], [0.1, 0.1, 0.1, 0.7]]),
        (
            {"rate": 0.4, "targets": "next"},
            [[0.6, 0.4, 0, 0], [0, 0.6, 0.4, 0], [0, 0, 0.6, 0.4], [0.4, 0, 0, 0.6]],
        ),
        (
            {"rate": 0.5, "rates": {0: 0.0, 2: 0.2}, "targets": MATRIX},
            [[1, 0, 0, 0], [0.1, 0.5, 0.4, 0], [0.2, 0, 0.8, 0], [0.05, 0.3, 0.15, 0.5]],
        ),
    ],
)
def test_pixels_flip_as_the_matrix_says(settings, expected):
    mask = np.random.default_rng(0).integers(0, 4, (120, 120)).astype(np.uint8)
    table = confusion(ClassFlip(per="pixel", **settings), mask, 4, 4)
    found = table / table.sum(axis=1, keepdims=True)
    assert np.allclose(found, expected, atol=4 * 0.5 / np.sqrt(table.sum(axis=1).min()))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"rate": 0.4}, [[1, 0, 0, 0], [0, 0.6, 0.2, 0.2], [0, 0.2, 0.6, 0.2], [0, 0.2, 0.2, 0.6]]),
        (
            {"rate": 0.1, "rates": {1: 0.5}, "targets": "next"},
            [[1, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0.9, 0.1], [0, 0.1, 0, 0.9]],
        ),
        (
            {"rate": 0.5, "targets": MATRIX},
            [[1, 0, 0, 0], [0.1, 0.5, 0.4, 0], [0.5, 0, 0.5, 0], [0.05, 0.3, 0.15, 0.5]],
        ),
    ],
)
def test_objects_flip_as_a_whole_and_class_0_stays(settings, expected):
    mask = lattice(kinds=3)
    table = confusion(ClassFlip(**settings), mask, 120, 4) / 144  # pixels of an object
    assert (table[1:] % 1 == 0).all()
    found = table / table.sum(axis=1, keepdims=True)
    assert np.allclose(found, expected, atol=4 * 0.5 / np.sqrt(table[1:].sum(axis=1).min()))


def test_all_objects_of_a_touched_sample_flip():
    mask = lattice(kinds=2)
    kept = [(run(ClassFlip(per="sample", rate=0.3), mask, seed, 3) == mask).all() for seed in range(300)]
    changed = [
        (run(ClassFlip(per="sample", rate=0.3), mask, seed, 3)[mask > 0] != mask[mask > 0]).all() for seed in range(300)
    ]
    assert np.array_equal(kept, ~np.array(changed))
    assert abs(np.mean(changed) - 0.3) < 4 * np.sqrt(0.21 / 300)


def test_pixels_of_overlapping_classes_go_in_and_out():
    stack = np.random.default_rng(0).integers(0, 2, (3, 100, 100)).astype(np.uint8)
    stack[:, :10] = IGNORE
    drawn = run(ClassFlip(per="pixel", rate=0.1, rates={1: 0.4}), stack, num_classes=3)
    assert np.array_equal(drawn == IGNORE, stack == IGNORE)
    for inside, rate in ((0, 0.1), (1, 0.4)):
        flipped = (drawn != stack)[stack == inside].mean()
        assert abs(flipped - rate) < 4 * np.sqrt(rate * (1 - rate) / (stack == inside).sum())


def test_an_overlooked_object_of_overlapping_classes_leaves_its_plane():
    stack = np.zeros((2, 20, 20), np.uint8)
    stack[1, 5:10, 5:10] = 1
    assert not run(ClassFlip(rate=1.0, targets=[[0, 1, 0], [1, 0, 0], [1, 0, 0]]), stack, num_classes=2).any()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"targets": [[0, 1], [1, 0]]}, "asked for 2 classes in 'targets' .* classes run from 1 to 3"),
        ({"rates": {4: 0.1}}, r"for \[4\] in 'rates'"),
        ({"rates": {0: 0.1}}, "classes run from 1 to 3"),
    ],
)
def test_a_matrix_or_rates_for_other_classes_are_refused(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        run(ClassFlip(**settings), lattice(kinds=3), num_classes=4)


# Annotators.


def test_an_annotator_keeps_his_habits():
    corruption = Annotator(bias=3.0, jitter=1.0, miss=0.3)
    straight, many = half(), lattice()
    for who in range(4):
        habit = corruption.habit(who)
        sure = Annotator(bias=3.0, jitter=1.0, miss=0.0)
        moves = np.stack([run(sure, straight, seed, annotator=who).sum(axis=1) - 60.0 for seed in range(60)])
        bias, jitter, _ = sure.habit(who)
        assert moves.mean() == pytest.approx(bias, abs=0.1 + 4 * jitter / np.sqrt(60 * 10))
        assert moves.std() == pytest.approx(jitter, abs=0.35)
        apart = Annotator(bias=0.0, jitter=0.0, miss=0.3)
        left = [measure.label(run(apart, many, seed, annotator=who)).max() for seed in range(60)]
        miss = apart.habit(who).miss
        assert abs(1 - np.mean(left) / 16 - miss) < 4 * np.sqrt(miss * (1 - miss) / 960) + 1e-9
        assert habit == Annotator(bias=3.0, jitter=1.0, miss=0.3).habit(who)
        assert habit != Annotator(bias=3.0, jitter=1.0, miss=0.3, seed=1).habit(who)


def test_over_many_annotators_the_error_is_unbiased_and_as_stated():
    habits = [Annotator(bias=2.0, jitter=1.5, miss=0.2).habit(who) for who in range(600)]
    biases, jitters, misses = np.array(habits).T
    assert abs(biases.mean()) < 4 * 2 / np.sqrt(600)
    assert biases.std() == pytest.approx(2, rel=0.1)
    assert jitters.mean() == pytest.approx(1.5, abs=4 * 0.87 / np.sqrt(600))
    assert misses.mean() == pytest.approx(0.2, abs=4 * 0.12 / np.sqrt(600))
    assert 0 <= misses.min() <= misses.max() <= 0.4


def test_one_annotator_draws_a_whole_sample():
    mask = lattice()
    corruption = Annotator(num_annotators=3, bias=3.0, jitter=0.0, miss=0.0, seed=1)
    drawn = [run(corruption, mask, seed, annotator=who) for who in range(3) for seed in (0,)]
    hands = set()
    for seed in range(30):
        sample = run(corruption, mask, seed)
        same = [np.array_equal(sample, one) for one in drawn]
        assert any(same)
        hands.add(same.index(True))
    assert len(hands) >= 2


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Markov(steps=0), "The 'steps' of Markov must be at least 1, got 0"),
        (lambda: Markov(flips=0.5), "The 'flips' of Markov must be in .0, 0.5., got 0.5"),
        (lambda: EdgeDistort(share=2), "The 'share' of EdgeDistort"),
        (lambda: Affine(amount=0), "The 'amount' of Affine must be in .0, 1., got 0"),
        (lambda: Superpixel(size=1), "The 'size' of Superpixel must be at least 2"),
        (lambda: ClassFlip(targets="other"), "The 'targets' of ClassFlip"),
        (lambda: ClassFlip(targets=[[0.5, 0.5], [1, 0]]), "The 'targets' of ClassFlip must be a square matrix"),
        (lambda: ClassFlip(rates={1: 2}), "The 'rates' of ClassFlip"),
        (lambda: Annotator(num_annotators=0), "The 'num_annotators' of Annotator must be at least 1"),
        (lambda: Annotator(miss=0.6), "The 'miss' of Annotator"),
    ],
)
def test_bad_values_are_refused(make, sentence):
    with pytest.raises(ConfigError, match=sentence):
        make()


# In a source.


class Drawn:
    """Six samples of which number 1 is clean and number 2 unlabelled; with names, masks of several annotators."""

    def __init__(self, names=(), annotator=-1):
        self.reference_names = []
        self.annotation_names = list(names)
        self.ids = [f"cell{number}" for number in range(6)]
        flags, unknown = torch.arange(6), torch.full((6,), -1)
        known = torch.full((6,), annotator)
        counts = torch.full((6,), len(names))
        self.samples = Samples(flags == 1, flags != 2, known, unknown, counts)

    def __len__(self):
        return 6

    def read(self, index):
        return Item(np.zeros((96, 96, 1), np.uint8), None if index == 2 else lattice())

    def references(self, index):
        return {}

    def annotations(self, index):
        return {name: lattice() for name in self.annotation_names}

    def fingerprint(self):
        return "drawn"


def corrupted(corruption, **settings):
    return CorruptedSource(Drawn(**settings), corruption, num_classes=2, seed=3)


def test_simulated_annotators_give_masks_of_all_of_them_one_of_which_is_the_label():
    source = corrupted(Annotator(num_annotators=3, bias=3.0))
    assert source.annotation_names == ["a1", "a2", "a3"]
    who = source.samples.annotator
    assert (who >= 0).tolist() == [True, False, False, True, True, True]
    assert len(set(who[who >= 0].tolist())) > 1
    assert source.samples.annotations.tolist() == [3, 3, 0, 3, 3, 3]
    assert source.annotations(2) == {}
    assert set(source.annotations(1)) == {"a1", "a2", "a3"}
    for index in (0, 3, 4, 5):
        masks = source.annotations(index)
        assert np.array_equal(masks[f"a{int(who[index]) + 1}"], source.read(index).label)
        assert not np.array_equal(masks["a1"], masks["a2"])
    again = corrupted(Annotator(num_annotators=3, bias=3.0))
    assert np.array_equal(again.annotations(4)["a2"], source.annotations(4)["a2"])


def test_annotators_that_the_data_know_are_taken():
    corruption = Annotator(num_annotators=2, bias=4.0, jitter=0.0, miss=0.0)
    source = corrupted(corruption, annotator=9)
    assert set(source.samples.annotator.tolist()) == {9}
    assert np.array_equal(source.read(0).label, run(corruption, lattice(), annotator=9))


def test_masks_of_several_annotators_are_corrupted_one_by_one():
    source = corrupted(ErodeDilate(rate=1.0, per="object"), names=["x", "y"])
    assert source.annotation_names == ["x", "y"]
    assert source.samples.annotations.tolist() == [2] * 6
    assert (source.samples.annotator == -1).all()
    masks = source.annotations(0)
    assert not np.array_equal(masks["x"], masks["y"])
    assert not np.array_equal(masks["x"], lattice())
    assert np.array_equal(masks["x"], corrupted(ErodeDilate(per="object"), names=["x", "y"]).annotations(0)["x"])
