"""Outliers of their class, among made-up regions: a cell of 16 x 16 pixels has one feature vector and one class."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import DBSCAN, KMeans, MiniBatchKMeans

from segtrain.audit.evidence import Clustering, Look
from segtrain.audit.evidence.clusters import Centres, Density, knee
from segtrain.audit.evidence.regions import Cells, colours, regions_of
from segtrain.audit.evidence.reservoir import Reservoir
from segtrain.errors import ConfigError
from segtrain.types import IGNORE
from tests.audit.evidence.looks import look_at, probs_of

SIDE = 16
CELLS = 8
METHODS = ["kmeans", "dbscan", "hdbscan"]
DIRECTIONS = np.eye(8)
"""Of a mode each: class 0 has modes 0 and 1, class 1 has 2 and 3; others have none."""
Mistakes = Callable[[np.ndarray, np.ndarray, np.random.Generator], None]
"""(modes, classes, rng): change them in place."""


def look(modes: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> Look:
    """Give a look whose cells (n, n) show these modes and bear these classes."""
    features = DIRECTIONS[modes] + rng.normal(0, 0.05, (*modes.shape, 8))
    label = np.kron(classes, np.ones((SIDE, SIDE))).astype(np.uint8)
    return look_at(label, probs_of(label, classes=2), features=features.transpose(2, 0, 1).astype(np.float32))


def drawn(seed: int, mistakes: Mistakes | None = None) -> tuple[Look, np.ndarray]:
    """Give a look with regions of both classes, and its modes."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 2, (CELLS, CELLS))
    modes = 2 * classes + rng.integers(0, 2, classes.shape)
    if mistakes is not None:
        mistakes(modes, classes, rng)
    return look(modes, classes, rng), modes


def learned(looks: Sequence[Look], **options: Any) -> Clustering:
    evidence = Clustering(**options)
    for each in looks:
        evidence.learn(each)
    evidence.settle()
    return evidence


def sample(mistakes: Mistakes | None = None, count: int = 25) -> list[Look]:
    return [drawn(seed, mistakes)[0] for seed in range(count)]


def per_cell(doubt: np.ndarray) -> np.ndarray:
    cells = doubt.reshape(CELLS, SIDE, CELLS, SIDE)
    assert (cells == cells[:, :1, :, :1]).all()
    return cells[:, 0, :, 0]


@pytest.mark.parametrize("method", METHODS)
def test_where_nothing_is_wrong_hardly_anything_is_flagged(method: str) -> None:
    evidence = learned(sample(), method=method)
    flagged = [evidence(drawn(seed)[0]) > 0 for seed in range(100, 110)]
    seen = [evidence(each) > 0 for each in sample()[:10]]
    assert np.mean(flagged) < 0.05
    assert np.mean(seen) < 0.05


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("apart", [0.0, 2.0, 4.0])
def test_classes_that_features_hardly_part_do_not_outvote_each_other(method: str, apart: float) -> None:
    """Either class is one cloud, which k-means cuts into pieces all the same; new regions are judged."""
    rng = np.random.default_rng(0)
    clouds = [{c: rng.normal(size=(2000, 16)) + apart * c * np.eye(16)[0] for c in (0, 1)} for _ in range(2)]
    known, new = clouds
    clusters = Centres(known, 4, 3.0, 0.05, 0) if method == "kmeans" else Density(known, method, 3.0, 0.05)  # type: ignore[arg-type]
    for c, points in new.items():
        outliers = clusters.judge(points, np.full(len(points), c))
        assert (outliers.outvoted > 0).mean() < 0.01
        assert (outliers.doubt > 0).mean() < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_what_looks_like_nothing_known_is_far(method: str) -> None:
    evidence = learned(sample(), method=method)
    strange, modes = drawn(100)
    modes[2, 3] = 7
    strange = look(modes, strange.label[::SIDE, ::SIDE], np.random.default_rng(0))
    outliers = evidence.embedding(strange).outliers
    assert outliers.far[2 * CELLS + 3] > 0.5
    assert not outliers.outvoted[2 * CELLS + 3]
    doubt = per_cell(evidence(strange))
    assert doubt[2, 3] == doubt.max()
    assert np.median(doubt) == 0


def rare(modes: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> None:
    modes[rng.random(modes.shape) < 0.025] = 6


@pytest.mark.parametrize("method", METHODS)
def test_a_small_cluster_is_rare(method: str) -> None:
    """Regions of a look of their own, so many that they are no single outliers, in labels of either class."""
    looks = sample(rare, 60)
    evidence = learned(looks, method=method, sample=4000)
    for seed in range(10):
        given, modes = drawn(seed, rare)
        outliers = evidence.embedding(given).outliers
        odd = (modes == 6).ravel()
        assert (outliers.doubt[odd] >= 0.5).all()
        assert (outliers.doubt[~odd] > 0).mean() < 0.1
        if method != "dbscan":  # whose eps may leave so few regions out of any cluster
            assert (outliers.rare[odd] >= 0.5).all()


def confused(modes: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> None:
    wrong = (rng.random(modes.shape) < 0.15) & (classes == 1)
    modes[wrong] = 0


@pytest.mark.parametrize("method", METHODS)
def test_regions_among_another_class_are_outvoted(method: str) -> None:
    """A seventh of class 1 shows what is class 0: it makes a cluster of its own, larger than a rare one."""
    evidence = learned(sample(confused), method=method)
    votes, others = [], []
    for seed in range(50, 60):
        given, modes = drawn(seed, confused)
        outliers = evidence.embedding(given).outliers
        wrong = ((modes < 2) & (given.label[::SIDE, ::SIDE] == 1)).ravel()
        assert (outliers.doubt[wrong] >= 0.5).all()
        votes += outliers.outvoted[wrong].tolist()
        others += outliers.outvoted[~wrong].tolist()
    assert np.mean(np.array(votes) > 0.6) > 0.95  # by chance, one or the other lies too far off to have a say
    assert np.mean(np.array(others) > 0) < 0.01


def test_a_region_far_nearer_to_another_class_is_outvoted() -> None:
    """Nobody made this mistake in the sample, so that no cluster of it is there to vote."""
    evidence = learned(sample())
    modes, classes = np.full((CELLS, CELLS), 1), np.zeros((CELLS, CELLS), int)
    classes[4, 4] = 1
    outliers = evidence.embedding(look(modes, classes, np.random.default_rng(0))).outliers
    assert outliers.outvoted.argmax() == 4 * CELLS + 4
    assert (outliers.outvoted > 0).sum() == 1


def test_k_means_is_that_of_scikit_learn() -> None:
    evidence = learned(sample(), k=2)
    space = evidence._spaces[0]
    assert space is not None
    for c, rows in evidence.samples().items():
        points = evidence.points(rows)
        theirs = MiniBatchKMeans(2, batch_size=1024, n_init=3, random_state=0).fit(points)
        clusters: Any = space.clusters
        ours = clusters.centres[clusters.owners == c]
        assert np.array_equal(ours, theirs.cluster_centers_)
        full = KMeans(2, n_init=3, random_state=0).fit(points)  # not fed in batches
        inertia = (np.linalg.norm(points[:, None] - ours, axis=2).min(1) ** 2).sum()
        assert inertia < 1.02 * full.inertia_


def test_dbscan_is_that_of_scikit_learn() -> None:
    evidence = learned(sample(rare), method="dbscan")
    points = np.concatenate([evidence.points(rows) for rows in evidence.samples().values()])
    clusters: Any = evidence._spaces[0].clusters  # type: ignore[union-attr]
    theirs = DBSCAN(eps=clusters.bounds[0], min_samples=17).fit(points)
    assert np.array_equal(np.unique(clusters.numbers), np.unique(theirs.labels_[theirs.core_sample_indices_]))
    classes = np.concatenate([np.full(len(rows), c) for c, rows in evidence.samples().items()])
    far = clusters.judge(points, classes).far > 0
    assert np.array_equal(far, theirs.labels_ == -1)


def test_main_axes_keep_distances() -> None:
    evidence = learned(sample(), dimensions=8)
    rows = np.concatenate(list(evidence.samples().values()))
    points = evidence.points(rows)
    before, after = (np.linalg.norm(each[:, None] - each[:50], axis=2) for each in (rows, points))
    assert np.allclose(before, after, atol=1e-5)
    assert points[:, 0].var() >= points[:, 1].var() >= points[:, -1].var()


@pytest.mark.parametrize("method", METHODS)
def test_neither_the_order_nor_more_images_than_it_keeps_matter(method: str) -> None:
    looks = sample(confused)
    given, _ = drawn(200, confused)
    first, backward = (learned(each, method=method, sample=200) for each in (looks, looks[::-1]))
    assert all(len(rows) == 200 for rows in first.samples().values())
    for c, rows in first.samples().items():
        assert np.array_equal(rows, backward.samples()[c])
    assert np.array_equal(first(given), backward(given))


def test_another_seed_keeps_another_sample() -> None:
    first, second = (learned(sample(), sample=200, seed=seed).samples()[0] for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_a_reservoir_gives_each_row_the_same_chance() -> None:
    counts = np.zeros(40)
    for seed in range(400):
        reservoir = Reservoir(10, seed)
        for batch in np.arange(40.0).reshape(8, 5):
            reservoir.add(batch[:, None])
        counts[reservoir.rows.ravel().astype(int)] += 1
    assert len(reservoir) == 10
    assert abs(counts / 400 - 0.25).max() < 0.1  # 4.6 standard deviations


def test_overlapping_classes_are_compared_each_by_itself() -> None:
    looks = []
    for seed in range(25):
        given, _ = drawn(seed)
        label = np.stack([given.label, np.ones_like(given.label)])
        label[1, :64] = 0
        looks.append(given._replace(label=label, probs=probs_of(label)))
    evidence = learned(looks)
    wrong = looks[0].label.copy()
    wrong[0, :SIDE, :SIDE] = 1 - wrong[0, :SIDE, :SIDE]
    doubt = evidence(looks[0]._replace(label=wrong))
    assert (doubt[0, :SIDE, :SIDE] > 0.6).all()
    assert (doubt[1] > 0).mean() < 0.05
    embedding = evidence.embedding(looks[0])
    assert sorted(np.unique(embedding.problems)) == [0, 1]
    assert len(embedding.points) == len(embedding.centres) == len(embedding.outliers.far) == 2 * CELLS**2


def test_the_map_tells_where_regions_are() -> None:
    given, _ = drawn(0)
    embedding = learned(sample()).embedding(given)
    assert embedding.centres[:3].tolist() == [[8, 8], [8, 24], [8, 40]]
    assert np.array_equal(embedding.classes, given.label[tuple(embedding.centres.T)])
    assert embedding.points.shape == (CELLS**2, 8)


@pytest.mark.parametrize("scale", [1, 2, 3, 8])
def test_means_are_those_of_each_pixel_by_itself(scale: int) -> None:
    rng = np.random.default_rng(scale)
    label = rng.integers(0, 3, (48, 40)).astype(np.uint8)
    label[rng.random(label.shape) < 0.1] = IGNORE
    features = rng.normal(size=(5, 48 // scale, 40 // scale)).astype(np.float32)
    cells = Cells.grid((48, 40), 16)
    regions = regions_of(features, label, 3, cells)
    rows, columns = (np.arange(n) * m // n for n, m in zip((48, 40), features.shape[1:], strict=True))
    large = features[:, rows[:, None], columns]
    for mean, c, cell in zip(*regions, strict=True):
        inside = (label == c) & (cells.of == cell)
        assert np.allclose(mean, large[:, inside].mean(axis=1), atol=1e-5)
    assert len(np.unique(regions.cells * 3 + regions.classes)) == len(regions.cells)


def test_a_thin_object_is_not_lost_where_features_are_small() -> None:
    label = np.zeros((64, 64), np.uint8)
    label[:, 13] = 1
    regions = regions_of(np.ones((2, 4, 4), np.float32), label, 2, Cells.grid((64, 64), 16))
    assert (regions.classes == 1).sum() == 4


def test_colour_and_texture_tell_classes_apart_without_a_model() -> None:
    rng = np.random.default_rng(0)
    looks = []
    for _ in range(12):
        classes = rng.integers(0, 2, (6, 6))
        label = np.kron(classes, np.ones((SIDE, SIDE))).astype(np.uint8)
        image = rng.normal(100, np.where(label == 1, 30, 3))[..., None].clip(0, 255).astype(np.uint8)
        looks.append(Look(image, label, probs_of(label, classes=2)))
    evidence = learned(looks, features="colour")
    assert evidence.needs == frozenset()
    wrong = looks[0]._replace(label=1 - looks[0].label)
    assert (evidence(wrong) > 0).mean() > 0.9
    assert np.mean([evidence(each) > 0 for each in looks]) < 0.05


def test_superpixels_keep_to_edges_where_a_grid_cuts_them() -> None:
    image = np.full((64, 64, 3), 40, np.uint8)
    disc = np.hypot(*(np.mgrid[:64, :64] - 31.5)) < 19
    image[disc] = 210
    cells = Cells.superpixels(image, 16)
    assert np.array_equal(np.unique(cells.of), np.arange(cells.number))
    pure = [max(disc[cells.of == cell].mean(), 1 - disc[cells.of == cell].mean()) for cell in range(cells.number)]
    assert min(pure) > 0.95
    middles = cells.middles()
    for cell in range(cells.number):
        assert np.abs(np.argwhere(cells.of == cell).mean(axis=0) - middles[cell]).max() <= 1
    label = disc.astype(np.uint8)
    label[20:26, 28:34] = 0  # somebody rubbed out a piece of it
    rng = np.random.default_rng(0)
    grainy = [(image + rng.normal(0, 5, image.shape)).clip(0, 255).astype(np.uint8) for _ in range(9)]
    looks = [Look(each, disc.astype(np.uint8), probs_of(disc, classes=2)) for each in grainy[1:]]
    evidence = learned(looks, features="colour", cells="superpixels", least_share=0.0, spread=6.0)
    doubt = evidence(Look(grainy[0], label, probs_of(disc, classes=2)))
    assert (doubt[20:26, 28:34] > 0).mean() > 0.9
    assert (doubt[~disc] > 0).mean() < 0.1


def test_colours_of_large_numbers_are_not_rounded_away() -> None:
    image = np.full((20, 20, 1), 60000, np.uint16)
    assert np.array_equal(colours(image)[0], image[..., 0])
    assert np.allclose(colours(image)[1], 0)
    assert colours(np.dstack([image, image, image])).shape == (4, 20, 20)


def test_a_class_with_hardly_any_region_is_not_judged() -> None:
    looks = sample()
    label = looks[0].label.copy()
    label[:SIDE, :SIDE] = 2
    odd = looks[0]._replace(label=label, probs=probs_of(label))
    evidence = learned([each._replace(probs=probs_of(each.label)) for each in looks[1:]] + [odd])
    assert sorted(evidence.samples()) == [0, 1]
    assert not evidence(odd)[:SIDE, :SIDE].any()


def test_the_knee_is_where_the_curve_bends() -> None:
    values = np.r_[np.linspace(0, 1, 91), np.linspace(2, 30, 9)]
    assert knee(np.random.default_rng(0).permutation(values)) == pytest.approx(1, abs=0.02)
    assert knee(np.ones(5)) == 1


@pytest.mark.parametrize(
    "option",
    [
        {"features": "edges"}, {"method": "birch"}, {"k": 0}, {"block": 2}, {"dimensions": 0}, {"spread": 0.0},
        {"least_share": 1.0}, {"sample": 5},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"The '{next(iter(option))}' of Clustering must be"):
        Clustering(**option)


def test_it_judges_after_it_has_settled() -> None:
    with pytest.raises(RuntimeError, match="settled"):
        Clustering()(sample()[0])
