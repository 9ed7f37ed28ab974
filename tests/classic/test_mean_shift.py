"""Mean shift against scikit-learn's, a loop in double precision, and pictures whose regions are known."""

import numpy as np
import pytest
from sklearn.cluster import MeanShift as Witness

from segtrain.classic import MeanShift
from segtrain.classic.features import pixel_features
from segtrain.classic.modes import LEAST, estimate_bandwidth, find_modes
from segtrain.errors import ConfigError

POSITION = 5.0


def picture(size=(16, 20), spread=6.0):
    """Three noisy areas."""
    rng = np.random.default_rng(0)
    areas = np.zeros(size, int)
    areas[:, size[1] // 2 :], areas[size[0] // 2 :, : size[1] // 2] = 1, 2
    colours = np.array([[200, 60, 40], [40, 160, 60], [50, 60, 200]])[areas] + rng.normal(0, spread, (*size, 3))
    return colours.clip(0, 255).astype(np.uint8), areas


def features_of(image, bandwidth=12.0):
    return pixel_features(image, colour=1 / bandwidth)


def loop(features, position, kernel):
    """Each window by itself, over all pixels."""
    height, width, count = features.shape
    points = np.concatenate([np.indices((height, width)).reshape(2, -1).T / position, features.reshape(-1, count)], 1)
    modes = points.copy()
    for mode in modes:
        for _ in range(50):
            square = np.square(points - mode).sum(1)
            weight = (square <= 1) if kernel == "flat" else np.where(square <= 9, np.exp(-square / 2), 0)
            moved = (weight @ points) / weight.sum()
            still = np.linalg.norm(moved - mode) <= 0.01
            mode[:] = moved
            if still:
                break
    modes[:, :2] *= position
    return modes.reshape(height, width, -1)


@pytest.mark.parametrize("kernel", ["flat", "gaussian"])
def test_modes_are_those_of_a_loop(kernel):
    features = features_of(picture((9, 11))[0])
    found = find_modes(features, 3.0, kernel)
    expected = loop(features.astype(float), 3.0, kernel)
    far = np.abs(found - expected).max(-1) > 1e-3
    assert far.mean() <= 0.02  # a pixel on the rim of a flat window may fall to either side


def test_modes_are_scikit_learns():
    features = features_of(picture()[0])
    found = find_modes(features, POSITION).reshape(-1, 5) / [POSITION, POSITION, 1, 1, 1]
    points = np.concatenate([np.indices((16, 20)).reshape(2, -1).T / POSITION, features.reshape(-1, 3)], axis=1)
    centres = Witness(bandwidth=1.0, max_iter=50).fit(points).cluster_centers_
    distances = np.linalg.norm(found[:, None] - centres, axis=-1)  # (P, centres)
    assert (distances.min(0) < 0.05).all()  # each of its modes is one of ours
    assert (distances.min(1) <= 1.05).all()  # it keeps one of several nearer than a bandwidth


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize("kernel", ["flat", "gaussian"])
def test_areas_are_found(mode, kernel):
    image, areas = picture((40, 56))
    segmenter = MeanShift(mode=mode, position_bandwidth=6, colour_bandwidth=10, kernel=kernel, min_area=50)
    label = segmenter(image)
    assert label.max() == 2
    best = [np.bincount(areas[label == number]).argmax() for number in range(3)]
    assert (np.array(best)[label] == areas).mean() > (0.98 if mode == "fast" else 0.999)


def test_fast_is_exact_where_a_block_is_a_pixel():
    image, _ = picture((30, 40), 20.0)
    fast, exact = (MeanShift(mode=mode, position_bandwidth=5, min_area=20)(image) for mode in ("fast", "exact"))
    assert np.array_equal(fast, exact)


def test_texture_and_gradient_part_what_colour_does_not():
    rows, columns = np.mgrid[:64, :96]
    stripes = np.sin(np.where(columns < 48, rows, columns) * 1.2)
    image = (127 + 40 * stripes).astype(np.uint8)[..., None]
    given = {"position_bandwidth": 8, "colour_bandwidth": 40, "min_area": 200}
    assert not MeanShift(gradient=0, texture=0, **given)(image).any()
    label = MeanShift(gradient=0, texture=10.0, **given)(image)
    assert len(np.unique(label[:, :40])) == len(np.unique(label[:, 56:])) == 1
    assert label[0, 0] != label[0, -1]
    framed = np.where(np.abs(columns - 48) < 16, 40 * (rows % 4 < 2), 20).astype(np.uint8)[..., None]
    assert MeanShift(gradient=30.0, texture=0, **given)(framed).any()


def test_the_bandwidth_is_that_of_the_image():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 5, (40, 40, 1))
    distances = np.abs(noise[10:30, 10:30, None] - noise[10:30, None, :, 0][:, :, 10:30])
    assert estimate_bandwidth(noise, 4) == pytest.approx(np.median(distances), rel=0.1)
    assert estimate_bandwidth(2 * noise, 4) == pytest.approx(2 * estimate_bandwidth(noise, 4))
    assert estimate_bandwidth(np.zeros((5, 5, 3)), 9) == LEAST


def test_all_bad_values_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        MeanShift(
            position_bandwidth=0,
            colour_bandwidth=-1,
            gradient=-1,
            texture=-1,
            merge=-1,
            grain=-1,
            min_area=0,
            max_moves=0,
        )
    assert len(caught.value.faults) == 8
    assert "The 'min_area' of MeanShift must be at least 1, got 0" in str(caught.value)
