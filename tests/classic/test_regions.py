"""Numbering and joining regions, against loops and scikit-image."""

import numpy as np
import pytest
from skimage.measure import label as number_regions

from segtrain.classic.regions import connected, linked, merge_regions


def loop_merge(label, values, reach, min_area, grain=0):
    """Join small regions one at a time, then in rounds those that are each other's nearest; values have no equals."""
    label = label.copy()

    def touching(number):
        inside = label == number
        around = np.zeros_like(inside)
        for axis in (0, 1):
            for step in (1, -1):
                rolled = np.roll(inside, step, axis)
                edge = np.s_[:, 0 if step == 1 else -1] if axis else np.s_[0 if step == 1 else -1]
                rolled[edge] = False
                around |= rolled
        return set(label[around & ~inside].tolist())

    def distance(one, other, grain=0):
        one, other = label == one, label == other
        return abs(values[one].mean() - values[other].mean()) / np.sqrt(1 + grain / one.sum() + grain / other.sum())

    while len(numbers := np.unique(label)) > 1:
        small = [n for n in numbers if (label == n).sum() < min_area]
        if not small:
            break
        label[label == small[0]] = min(touching(small[0]), key=lambda n: distance(small[0], n))
    while len(numbers := np.unique(label)) > 1:
        nearest = {n: min(touching(n), key=lambda m, n=n: distance(n, m, grain)) for n in numbers.tolist()}
        pairs = [(n, m) for n, m in nearest.items() if nearest[m] == n and n < m and distance(n, m, grain) <= reach]
        if not pairs:
            break
        for one, other in pairs:
            label[label == one] = other
    return label


def same_regions(one, other):
    pairs = len(np.unique(np.stack([one.ravel(), other.ravel()]), axis=1).T)
    return pairs == len(np.unique(one)) == len(np.unique(other))


def test_connected_parts_what_only_corners_join():
    assert connected(np.array([[3, 5], [5, 3]])).tolist() == [[0, 1], [2, 3]]


def test_linked_joins_neighbours_that_are_alike():
    ramp = np.array([[0.0, 0.4, 0.8, 2.0], [5.0, 5.1, 9.0, 2.1]])[..., None]
    assert linked(ramp, 0.45).tolist() == [[0, 0, 0, 1], [2, 2, 3, 1]]
    assert linked(ramp, 0.0).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize("seed", range(5))
def test_linked_of_a_label_map_is_connected(seed):
    label = np.random.default_rng(seed).integers(0, 3, (17, 23))
    assert np.array_equal(linked(label[..., None].astype(float), 0), connected(label))
    assert np.array_equal(connected(label), number_regions(label, background=-1, connectivity=1) - 1)


@pytest.mark.parametrize("grain", [0.0, 5.0])
@pytest.mark.parametrize("seed", range(6))
def test_alike_neighbours_join_as_in_a_loop(seed, grain):
    rng = np.random.default_rng(seed)
    label = connected(rng.integers(0, 3, (9, 11)))
    values = rng.normal(0, 1, label.max() + 1)[label]
    merged = merge_regions(label, values[..., None], reach=0.4, grain=grain)
    assert same_regions(merged, loop_merge(label, values, 0.4, 1, grain))


def test_a_small_region_goes_to_its_nearest_neighbour():
    label = np.repeat([[0, 1, 2]], 6, axis=0).repeat([6, 1, 6], axis=1)
    values = np.array([0.0, 0.4, 1.0])[label]
    merged = merge_regions(label, values[..., None], min_area=7)
    assert same_regions(merged, np.where(label == 1, 0, label))
    assert same_regions(merged, loop_merge(label, values, 0, 7))


@pytest.mark.parametrize("min_area", [2, 10, 1000])
def test_no_region_stays_small(min_area):
    rng = np.random.default_rng(1)
    label = connected(rng.integers(0, 4, (20, 31)))
    merged = merge_regions(label, rng.normal(size=(20, 31, 3)), min_area=min_area)
    areas = np.bincount(merged.ravel())
    assert areas.min() >= min(min_area, merged.size)
    assert np.array_equal(np.unique(connected(merged)), np.unique(merged))  # still connected


def test_many_regions_that_do_not_differ_join_in_few_rounds():
    label = np.arange(300 * 300).reshape(300, 300)
    assert not merge_regions(label, np.zeros((300, 300, 1))).any()


def test_one_pixel_is_one_region():
    assert merge_regions(np.zeros((1, 1), int), np.zeros((1, 1, 2)), 1.0, 100).tolist() == [[0]]
