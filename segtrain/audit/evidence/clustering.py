"""clustering: a label is doubtful where it does not look like others of its class."""

from typing import Literal, NamedTuple

import numpy as np

from segtrain.audit.evidence.base import Evidence, Look, planes_of
from segtrain.audit.evidence.clusters import Centres, Clusters, Density, Outliers
from segtrain.audit.evidence.regions import Cells, Regions, colours, regions_of
from segtrain.audit.evidence.reservoir import Reservoir
from segtrain.losses.base import require

__all__ = ["Clustering", "Embedding"]

FEW = 10
"""Regions of a class in the sample, below which it has no look of its own."""


class Embedding(NamedTuple):
    """An image's regions as the clusters see them, to draw a map of."""

    points: np.ndarray
    """(R, d) float32; the first two axes are those along which regions differ most."""
    problems: np.ndarray
    """(R,) int, the overlapping class; 0 of exclusive ones."""
    classes: np.ndarray
    """(R,) int, exclusive class, or 0 and 1 of an overlapping one."""
    centres: np.ndarray
    """(R, 2) int, row and column of the middle of the region's cell."""
    outliers: Outliers
    """Why each is doubtful."""


class _Space(NamedTuple):
    """Where the regions of one problem are compared: scaled, turned onto their main axes, and clustered."""

    middle: np.ndarray
    """(F,)."""
    axes: np.ndarray
    """(F, d)."""
    clusters: Clusters

    def points(self, means: np.ndarray) -> np.ndarray:
        return (means - self.middle) @ self.axes


class Clustering(Evidence):
    """A region that is an outlier of its class is doubtful: it lies far off, in a rare cluster, or among another class.

    A region is what bears one class in a cell of the image, told by the mean of its features, of length 1 (of "colour":
    each feature's variation is 1 instead) and on their main axes (PCA). See `Centres` and `Density` for the reasons.
    A region's doubt is the strongest, 0 or at least one half, for all of its pixels. Features that were learned from
    the noisy labels part by the labels, not by what is seen: their model must not have learned these labels.

    From each class and image it learns in a random sample of bounded size, the same in any order of the images.

    Args:
        features: "layer": `Look.features`, from the layer that the audit's `layer` names; "colour": the image's own
            colours and texture, which ask no model.
        method: "kmeans" for each class; "dbscan" or "hdbscan" for all together, which need no k.
        k: clusters of a class, of kmeans, >= 1.
        block: pixels, a cell's side, >= 4.
        cells: "grid": squares; "superpixels": pieces of about that size that keep to the image's edges (SLIC).
        dimensions: main axes at most, >= 1.
        spread: robust deviations (1.4826 MAD) above the median from which on a region is far, > 0.
        least_share: of its class, in [0, 1): a smaller cluster is rare.
        sample: regions of each class that are kept, >= 20.
        seed: of the sample and of the first centres.

    Raises:
        ConfigError: one of them is out of range.
    """

    def __init__(
        self,
        features: Literal["layer", "colour"] = "layer",
        method: Literal["kmeans", "dbscan", "hdbscan"] = "kmeans",
        k: int = 4,
        block: int = 16,
        cells: Literal["grid", "superpixels"] = "grid",
        dimensions: int = 16,
        spread: float = 3.0,
        least_share: float = 0.05,
        sample: int = 2000,
        seed: int = 0,
    ) -> None:
        require(features in ("layer", "colour"), self, "features", "layer or colour", features)
        require(method in ("kmeans", "dbscan", "hdbscan"), self, "method", "kmeans, dbscan or hdbscan", method)
        require(k >= 1, self, "k", "at least 1", k)
        require(block >= 4, self, "block", "at least 4 pixels", block)
        require(cells in ("grid", "superpixels"), self, "cells", "grid or superpixels", cells)
        require(dimensions >= 1, self, "dimensions", "at least 1", dimensions)
        require(spread > 0, self, "spread", "above 0", spread)
        require(0 <= least_share < 1, self, "least_share", "in [0, 1)", least_share)
        require(sample >= 20, self, "sample", "at least 20 regions", sample)
        self.features = features
        self.method = method
        self.k = k
        self.block = block
        self.cells = cells
        self.dimensions = dimensions
        self.spread = spread
        self.least_share = least_share
        self.sample = sample
        self.seed = seed
        self.needs = frozenset({"features"}) if features == "layer" else frozenset()
        self._samples: list[dict[int, Reservoir]] = []
        self._spaces: list[_Space | None] = []

    def learn(self, look: Look) -> None:
        _, found = self._regions(look)
        self._samples = self._samples or [{} for _ in found]
        for sample, regions in zip(self._samples, found, strict=True):
            for c in np.unique(regions.classes).tolist():
                reservoir = sample.setdefault(c, Reservoir(self.sample, self.seed))
                reservoir.add(regions.means[regions.classes == c])

    def settle(self) -> None:
        self._spaces = [self._space(self.samples(number)) for number in range(len(self._samples))]

    def samples(self, problem: int = 0) -> dict[int, np.ndarray]:
        """Give what was kept of each class that has enough, {class: (n, F)}; `problem` is the overlapping class."""
        kept = {c: part.rows for c, part in sorted(self._samples[problem].items())}
        return {c: rows for c, rows in kept.items() if len(rows) >= FEW}

    def points(self, means: np.ndarray, problem: int = 0) -> np.ndarray:
        """Give the places (R, d) of mean features (R, F) among which clusters were found."""
        space = self._spaces[problem]
        return means[:, : self.dimensions] if space is None else space.points(means)

    def _space(self, samples: dict[int, np.ndarray]) -> _Space | None:
        if not samples:
            return None
        rows = np.concatenate(list(samples.values())).astype(np.float64)
        middle, scale = rows.mean(axis=0), np.ones(rows.shape[1])
        if self.features == "colour":
            deviation = rows.std(axis=0)
            scale = 1 / np.where(deviation > 1e-6 * (1 + np.abs(middle)), deviation, np.inf)
        _, axes = np.linalg.eigh(np.cov((rows - middle) * scale, rowvar=False).reshape(len(middle), -1))
        axes = (scale[:, None] * axes[:, ::-1][:, : self.dimensions]).astype(np.float32)  # (F, d)
        middle = middle.astype(np.float32)
        points = {c: (part - middle) @ axes for c, part in samples.items()}
        return _Space(middle, axes, self._clustered(points))

    def _clustered(self, points: dict[int, np.ndarray]) -> Clusters:
        if self.method == "kmeans":
            return Centres(points, self.k, self.spread, self.least_share, self.seed)
        return Density(points, self.method, self.spread, self.least_share)

    def _regions(self, look: Look) -> tuple[Cells, list[Regions]]:
        """Give the regions of each problem."""
        labels, problems = planes_of(look.label, look.probs)
        features = colours(look.image) if self.features == "colour" else look.features
        assert features is not None  # it is in `needs`
        size = (labels.shape[1], labels.shape[2])
        cells = Cells.grid(size, self.block) if self.cells == "grid" else Cells.superpixels(look.image, self.block)
        found = [regions_of(features, label, problems.shape[1], cells) for label in labels]
        return cells, found if self.features == "colour" else [part._replace(means=_unit(part.means)) for part in found]

    def _outliers(self, regions: Regions, number: int) -> Outliers:
        space = self._spaces[number]
        if space is None or not len(regions.classes):
            return Outliers(*np.zeros((3, len(regions.classes)), np.float32))
        return space.clusters.judge(space.points(regions.means), regions.classes)

    def __call__(self, look: Look) -> np.ndarray:
        """Give the doubt; see `Evidence`.

        Raises:
            RuntimeError: it has not settled after learning.
        """
        self._check()
        cells, found = self._regions(look)
        labels, problems = planes_of(look.label, look.probs)
        doubt = np.zeros(labels.shape, np.float32)
        for number, (label, regions) in enumerate(zip(labels, found, strict=True)):
            table = np.zeros((cells.number, problems.shape[1]), np.float32)
            table[regions.cells, regions.classes] = self._outliers(regions, number).doubt
            valid = look.valid.reshape(labels.shape)[number]
            doubt[number][valid] = table[cells.of[valid], label[valid]]
        return doubt.reshape(look.label.shape)

    def embedding(self, look: Look) -> Embedding:
        """Give an image's regions as they are compared, for a map.

        Raises:
            RuntimeError: it has not settled after learning.
        """
        self._check()
        cells, found = self._regions(look)
        middles = cells.middles()
        parts = []
        for number, regions in enumerate(found):
            problem, found_points = np.full(len(regions.cells), number), self.points(regions.means, number)
            parts.append(
                (found_points, problem, regions.classes, middles[regions.cells], self._outliers(regions, number))
            )
        points, problems, classes, centres = (np.concatenate(part) for part in list(zip(*parts, strict=True))[:4])
        reasons = zip(*(part[4] for part in parts), strict=True)
        return Embedding(points, problems, classes, centres, Outliers(*(np.concatenate(reason) for reason in reasons)))

    def _check(self) -> None:
        if not self._spaces:
            raise RuntimeError("Clustering judges images after it has learned from some and settled")


def _unit(means: np.ndarray) -> np.ndarray:
    """Give vectors of length 1 (R, F), of 0 where they are 0."""
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
