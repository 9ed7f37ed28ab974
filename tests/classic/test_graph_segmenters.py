"""The segmenters that cut graphs, on scenes whose regions are known."""

import numpy as np
import pytest
from skimage.metrics import adapted_rand_error

from segtrain.classic.graph_cut import GraphCut
from segtrain.classic.graph_ties import Ties
from segtrain.classic.min_cut import MinCut
from segtrain.classic.normalized_cut import NormalizedCut
from segtrain.errors import ConfigError

TIES = [
    {"connectivity": "full", "regions": 120},
    {"connectivity": "neighbours", "neighbours": 4, "regions": 0},
    {"connectivity": "neighbours", "neighbours": 8, "regions": 120},
    {"connectivity": "local", "radius": 3.0, "regions": 0},
    {"connectivity": "local", "radius": 4.0, "contour": True, "regions": 120},
]


def scene(size=(48, 64), noise=12, seed=0):
    """Give four regions (H, W) of three colours, and their noisy image."""
    regions = np.zeros(size, int)
    regions[:, 40:] = 1
    regions[8:30, 8:30] = 2
    regions[34:44, 48:60] = 3
    colours = np.array([[60, 90, 160], [190, 170, 60], [200, 60, 60], [60, 90, 160]])
    noisy = colours[regions] + np.random.default_rng(seed).normal(0, noise, (*size, 3))
    return regions, np.clip(noisy, 0, 255).astype(np.uint8)


def disagreement(found, regions):
    return adapted_rand_error(regions + 1, found + 1)[0]


@pytest.mark.parametrize("ties", TIES, ids=str)
def test_graph_cut_finds_regions_on_every_graph(ties):
    regions, image = scene()
    found = GraphCut(looks=3, **ties)(image)
    assert disagreement(found, regions) < 0.05
    assert found.max() + 1 <= 6


@pytest.mark.parametrize("ties", TIES, ids=str)
def test_normalized_cut_finds_regions_on_every_graph(ties):
    regions, image = scene(noise=4)
    # a full graph ties the two regions of one colour, which lie apart
    found = NormalizedCut(segments=3 if ties["connectivity"] == "full" else 4, **ties)(image)
    assert disagreement(found, regions) < 0.05


def test_the_least_cut_takes_crumbs_where_the_normalized_one_takes_regions():
    """The bias of the least cut in numbers: after three cuts one piece still has 97 % of the image."""
    regions, image = scene(noise=20)
    biased = np.bincount(MinCut(segments=4, sigma=None, regions=120)(image).ravel())
    assert len(biased) == 4
    assert biased.max() > 0.97 * regions.size
    cured = NormalizedCut(segments=3, regions=120)(image)
    assert np.bincount(cured.ravel()).max() < 0.5 * regions.size
    assert disagreement(cured, regions) < 0.06


def test_smoothness_shortens_borders():
    _, image = scene(noise=40)
    borders = []
    for smoothness in (0, 1, 10):
        segment = GraphCut(looks=3, smoothness=smoothness, connectivity="neighbours", sigma=None, regions=0)
        found = segment(image)
        borders.append((np.diff(found, axis=0) != 0).sum() + (np.diff(found, axis=1) != 0).sum())
    assert borders[0] > borders[1] > 2 * borders[2]


def test_looks_may_be_told_by_place_alone():
    found = GraphCut(looks=2, colour=0.0, position=1.0, smoothness=0.0, regions=0, connectivity="neighbours")(
        scene()[1]
    )
    assert found.max() == 1
    assert (found == found[:1]).all()  # the longer side is halved
    assert set(np.flatnonzero(np.diff(found[0]))) == {31}


@pytest.mark.parametrize("build", [GraphCut, MinCut, NormalizedCut])
def test_small_and_flat_images(build):
    segment = build()
    for shape in ((1, 1, 3), (1, 9, 1), (2, 2, 5), (1, 600, 3)):
        image = np.random.default_rng(0).integers(0, 65535, shape, dtype=np.uint16)
        before = image.copy()
        found = segment(image)
        assert found.shape == shape[:2]
        assert np.issubdtype(found.dtype, np.integer)
        assert np.array_equal(np.unique(found), np.arange(found.max() + 1))
        assert np.array_equal(segment(image), found)
        assert np.array_equal(image, before)
        assert not segment(np.full(shape, 7, np.float32)).any()


def test_a_graph_of_regions_is_the_pixels_contracted():
    _, image = scene()
    features = image.astype(np.float32)
    ties = Ties("neighbours", 8, 5.0, None, False, 0)
    pixels, single = ties.graph(features)
    assert np.array_equal(single, np.arange(48 * 64))
    regions, nodes = ties._replace(regions=100).graph(features)
    assert np.array_equal(np.unique(nodes), np.arange(len(regions.loops)))
    assert 20 < len(regions.loops) < 200
    parts = np.random.default_rng(0).random(len(regions.loops)) < 0.5
    cut = parts[regions.tails] != parts[regions.heads]
    side = parts[nodes]
    expected = pixels.weights[side[pixels.tails] != side[pixels.heads]].sum()
    assert regions.weights[cut].sum() == pytest.approx(expected, rel=1e-5)


def test_a_full_graph_of_pixels_is_refused():
    image = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    with pytest.raises(ConfigError, match="40,000 nodes has 799,980,000 pairs"):
        GraphCut(regions=0)(image)


@pytest.mark.parametrize("build", [GraphCut, MinCut, NormalizedCut])
def test_bad_ties_are_refused_at_once(build):
    with pytest.raises(ConfigError) as error:
        build(connectivity="some", neighbours=6, radius=0.5, sigma=0.0, regions=-1)
    for sentence in (
        f"The 'connectivity' of {build.__name__} must be full, neighbours or local, got some",
        f"The 'neighbours' of {build.__name__} must be 4 or 8, got 6",
        f"The 'radius' of {build.__name__} must be at least 1 pixel, got 0.5",
        f"The 'sigma' of {build.__name__} must be above 0, or null, got 0.0",
        f"The 'regions' of {build.__name__} must be at least 0, got -1",
    ):
        assert sentence in str(error.value)


def test_bad_values_are_refused_at_once():
    with pytest.raises(ConfigError) as error:
        GraphCut(looks=0, smoothness=-1.0, colour=0.0, cycles=0, solver="fast")  # type: ignore[arg-type]
    for sentence in (
        "The 'looks' of GraphCut must be at least 1, got 0",
        "The 'smoothness' of GraphCut must be at least 0, got -1.0",
        "The 'cycles' of GraphCut must be at least 1, got 0",
        "GraphCut must look at something",
        "The 'solver' of GraphCut must be scipy or pymaxflow, got fast",
    ):
        assert sentence in str(error.value)
    with pytest.raises(ConfigError, match="The 'segments' of MinCut must be at least 1, got 0"):
        MinCut(segments=0)
    with pytest.raises(ConfigError, match=r"The 'most_value' of NormalizedCut must be in \(0, 2\], got 3"):
        NormalizedCut(most_value=3)
