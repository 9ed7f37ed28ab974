"""k-means over pixels against scikit-learn's on the same points, and pictures whose regions are known."""

import numpy as np
import pytest
from sklearn.cluster import KMeans as Witness

from segtrain.classic import KMeans
from segtrain.classic.features import lab
from segtrain.classic.regions import connected
from segtrain.errors import ConfigError


def picture():
    rng = np.random.default_rng(0)
    areas = (np.indices((24, 30)).sum(0) // 12) % 3
    return (areas[..., None] * [90, 40, 70] + rng.normal(20, 3, (24, 30, 3))).clip(0, 255).astype(np.uint8), areas


def test_regions_are_connected_clusters():
    image, areas = picture()
    label = KMeans(num_clusters=3, min_area=1)(image)
    clusters = Witness(3, n_init=10, random_state=0).fit_predict(lab(image).reshape(-1, 3)).reshape(24, 30)
    assert np.array_equal(label, connected(clusters))
    assert np.array_equal(label, connected(areas))


def test_position_parts_what_is_far_apart():
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, :20] = 10  # one colour step on the left
    assert KMeans(num_clusters=1)(image).max() == 0
    noisy = np.random.default_rng(0).integers(0, 3, (20, 40, 1), dtype=np.uint8)
    label = KMeans(num_clusters=2, position=10.0, min_area=1)(noisy)
    assert label[10, 0] != label[10, -1]


def test_fewer_colours_than_clusters():
    image = np.zeros((6, 6, 1), np.uint8)
    image[:, 3:] = 200
    assert KMeans(num_clusters=8, min_area=1)(image).max() == 1


def test_all_bad_values_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        KMeans(num_clusters=0, position=-1, gradient=-1, texture=-1, merge=-1, min_area=0)
    assert len(caught.value.faults) == 6
