"""Clusters of regions, and three reasons for which a region is an outlier of its class."""

from typing import Literal, NamedTuple, Protocol

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from sklearn.cluster import DBSCAN, HDBSCAN, MiniBatchKMeans

__all__ = ["Centres", "Clusters", "Density", "Outliers", "knee"]

APIECE = 50
"""Regions that each cluster of k-means has to have on average: fewer say little of how far its members lie."""
ROBUST = 1.4826
"""Makes a median absolute deviation (MAD) the standard deviation of a normal distribution."""
CLEAR = 2 / 3
"""Share of a vote that is clear: twice as much as speaks for the other side."""


class Outliers(NamedTuple):
    """How much each reason says against each region's class: 0, or from one half to 1 where it applies."""

    far: np.ndarray
    """(R,) float32, from all that its class looks like."""
    rare: np.ndarray
    """(R,) in a cluster that has too small a share of its class."""
    outvoted: np.ndarray
    """(R,) among regions that mostly are of another class, or far nearer to the centre of another one."""

    @property
    def doubt(self) -> np.ndarray:
        """The strongest reason, (R,) float32."""
        return np.max(self, axis=0, initial=0)


class Clusters(Protocol):
    """Clusters that have been found in a sample."""

    def judge(self, points: np.ndarray, classes: np.ndarray) -> Outliers:
        """Judge regions `points` (R, d) of `classes` (R,)."""


def _farness(distances: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Give one half at the bound, towards 1 with the distance, 0 within the bound."""
    beyond = distances > bounds
    return np.where(beyond, 1 - bounds / np.where(beyond, 2 * distances, 1), 0).astype(np.float32)


def _rarity(shares: np.ndarray, least: float) -> np.ndarray:
    """Give one half at the least share, towards 1 with none."""
    return np.where(shares < least, 1 - shares / max(2 * least, 1e-12), 0).astype(np.float32)


def _bound(distances: np.ndarray, spread: float) -> float:
    middle = np.median(distances)
    return float(middle + spread * ROBUST * np.median(np.abs(distances - middle)))


class Centres:
    """k-means for each class by itself, fed in mini-batches (Sculley 2010).

    A region is far if it is farther from the nearest centre of its class than the median and `spread` robust
    deviations of the cluster's own. It is outvoted where within that bound there is clearly more of another class than
    of its own, each class counted by shares, so that a rare one is heard; or where a centre of another class, itself
    not outvoted, is at less than half the distance.

    Args:
        samples: class -> its regions (n, d), at least one.
        k: clusters of a class, fewer where it has few regions.
        spread: robust deviations.
        least_share: of a class, in [0, 1).
        seed: of the first centres.
    """

    def __init__(self, samples: dict[int, np.ndarray], k: int, spread: float, least_share: float, seed: int) -> None:
        found = {c: _k_means(points, k, seed) for c, points in samples.items()}
        self.least_share = least_share
        self.centres = np.concatenate([model.cluster_centers_ for model in found.values()])  # (M, d)
        self.owners = np.concatenate([np.full(len(model.cluster_centers_), c) for c, model in found.items()])
        bounds, shares, votes = [], [], []
        for c, model in found.items():
            for number, centre in enumerate(model.cluster_centers_):
                mine = model.labels_ == number
                reach = _bound(np.linalg.norm(samples[c][mine] - centre, axis=1), spread) if mine.any() else 0.0
                around = {name: _within(points, centre, reach) for name, points in samples.items()}
                strongest = max((share for name, share in around.items() if name != c), default=0.0)
                bounds.append(reach)
                shares.append(float(mine.mean()))
                votes.append(strongest / (strongest + around[c]) if strongest else 0.0)
        self.bounds, self.shares, self.votes = np.array(bounds), np.array(shares), np.array(votes)

    def judge(self, points: np.ndarray, classes: np.ndarray) -> Outliers:
        distances = cdist(points, self.centres)  # (R, M)
        own = self.owners == classes[:, None]
        among_own = np.where(own, distances, np.inf)
        nearest, distance = among_own.argmin(axis=1), among_own.min(axis=1)
        known = np.isfinite(distance)  # its class was seen in the sample
        foreign = np.where(own | (self.votes >= CLEAR), np.inf, distances).min(axis=1)
        nearer = np.where(known, distance, 0) / np.maximum(np.where(known, distance, 0) + foreign, 1e-12)
        votes = np.maximum(self.votes[nearest], nearer)
        reasons = (
            _farness(np.where(known, distance, 0), self.bounds[nearest]),
            _rarity(self.shares[nearest], self.least_share),
            np.where(votes >= CLEAR, votes, 0).astype(np.float32),
        )
        return Outliers(*(np.where(known, reason, 0) for reason in reasons))


def _k_means(points: np.ndarray, k: int, seed: int) -> MiniBatchKMeans:
    count = max(1, min(k, len(points) // APIECE))
    return MiniBatchKMeans(count, batch_size=1024, n_init=3, random_state=seed).fit(points)


def _within(points: np.ndarray, centre: np.ndarray, reach: float) -> float:
    return float((np.linalg.norm(points - centre, axis=1) <= reach).mean())


class Density:
    """Clusters of all classes together, where regions lie densely: DBSCAN (Ester et al. 1996) or HDBSCAN (2013).

    DBSCAN's eps is at the knee of the sorted distances to the `min_samples`-th neighbour. A new region belongs to the
    cluster of the nearest clustered one of the sample, and is far if that is farther than eps; or, as HDBSCAN leaves
    most of a class that has no dense core in no cluster, than the median and `spread` robust deviations of what is
    usual for the sample's regions nearest to that cluster. Shares and votes count each class by shares.

    Args:
        samples: class -> its regions (n, d), at least one.
        method: which.
        spread: robust deviations, of HDBSCAN.
        least_share: of a class, in [0, 1).
    """

    def __init__(
        self,
        samples: dict[int, np.ndarray],
        method: Literal["dbscan", "hdbscan"],
        spread: float,
        least_share: float,
    ) -> None:
        points = np.concatenate(list(samples.values()))
        classes = np.concatenate([np.full(len(part), c) for c, part in samples.items()])
        self.least_share = least_share
        numbers, kept, reach = _dense(points, method)
        self.tree, self.numbers = cKDTree(points[kept]), numbers[kept]
        count = max(1, numbers.max(initial=-1) + 1)
        self.known = np.isin(np.arange(max(samples) + 1), list(samples))
        self.shares = np.zeros((len(self.known), count))  # of each class in each cluster
        self.bounds = np.full(count, np.inf if reach is None else reach)
        if not len(kept):
            return
        if reach is None:
            self.bounds = self._reaches(points, kept, spread)
        distances, nearest = self.tree.query(points)
        cluster = self.numbers[nearest]
        for c, part in samples.items():
            found = cluster[(classes == c) & (distances <= self.bounds[cluster])]
            self.shares[c] = np.bincount(found, minlength=count) / len(part)

    def _reaches(self, points: np.ndarray, kept: np.ndarray, spread: float) -> np.ndarray:
        """Give how far each cluster reaches: of all regions' distances to the nearest clustered one but themselves."""
        distances, nearest = self.tree.query(points, [1, 2])  # infinitely far where there is but one
        itself = np.isin(np.arange(len(points)), kept).astype(np.intp)
        distance = np.take_along_axis(distances, itself[:, None], axis=1)[:, 0]
        cluster = self.numbers[nearest[:, 0]]
        return np.array([_bound(distance[cluster == number], spread) for number in range(len(self.shares[0]))])

    def judge(self, points: np.ndarray, classes: np.ndarray) -> Outliers:
        none = np.zeros(len(points), np.float32)
        known = (classes < len(self.known)) & self.known[np.minimum(classes, len(self.known) - 1)]
        if not len(self.numbers) or not known.any():
            return Outliers(none, none, none)
        distances, nearest = self.tree.query(points)
        cluster, own_class = self.numbers[nearest], np.where(known, classes, 0)
        far = _farness(distances, self.bounds[cluster])
        own = self.shares[own_class, cluster]
        others = self.shares[:, cluster].T.copy()  # (R, classes)
        others[np.arange(len(points)), own_class] = 0
        strongest = others.max(axis=1)
        votes = strongest / np.maximum(strongest + own, 1e-12)
        near = known & (far == 0)  # who is far is in no cluster
        outvoted = np.where(near & (votes >= CLEAR), votes, 0).astype(np.float32)
        return Outliers(np.where(known, far, 0), np.where(near, _rarity(own, self.least_share), 0), outvoted)


def _dense(points: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Cluster; give each point's cluster (-1 = none), which stand for their cluster, and how far they reach."""
    neighbours = min(max(2 * points.shape[1], 4), max(1, len(points) // 10))
    if method == "dbscan":
        distances = cKDTree(points).query(points, [neighbours + 1])[0].ravel()
        reach = max(knee(distances), 1e-9)
        model = DBSCAN(eps=reach, min_samples=neighbours + 1).fit(points)
        return model.labels_, model.core_sample_indices_, reach
    if len(points) < 4:
        return np.zeros(len(points), np.int64), np.arange(len(points)), None
    model = HDBSCAN(min_cluster_size=max(5, neighbours), min_samples=neighbours, allow_single_cluster=True, copy=True)
    numbers = model.fit(points).labels_
    return numbers, np.flatnonzero(numbers >= 0), None


def knee(values: np.ndarray) -> float:
    """Give the value at which the rising curve of the sorted values bends most: farthest from its chord.

    >>> knee(np.array([1.0, 1.1, 1.2, 1.3, 9.0]))
    1.3
    """
    ordered = np.sort(values)
    chord = np.linspace(ordered[0], ordered[-1], len(ordered))
    return float(ordered[(chord - ordered).argmax()])
