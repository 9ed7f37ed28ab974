"""How fast mean shift is beside scikit-learn's and OpenCV's, turn by turn."""

import statistics
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from sklearn.cluster import MeanShift as Clusters

from segtrain.classic.blocks import block_means
from segtrain.classic.features import pixel_features
from segtrain.classic.mean_shift import BLOCKS, SAME_MODE, MeanShift
from segtrain.classic.modes import estimate_bandwidth
from segtrain.classic.regions import linked, merge_regions
from segtrain.metrics import region_scores
from segtrain.reports.compare import markdown

__all__ = ["segment_speed"]

ROUNDS = 3
SMALL = 8
"""How many times smaller the images are that scikit-learn is given: its time grows with the square of the pixels."""
WINDOWS = (8, 16)
"""Position bandwidths that OpenCV is compared at, pixels."""
TO_LEVELS = 2.55
"""OpenCV's colours go to 255, those of CIELAB to 100."""


def segment_speed(images: Sequence[np.ndarray], truths: Sequence[Sequence[np.ndarray]]) -> str:
    """Give two tables: mean shift beside scikit-learn on small images, and beside OpenCV on whole ones.

    scikit-learn clusters the same features by the same bandwidths, and its modes become regions in the same way;
    OpenCV filters the image only, while ours is timed up to the regions.

    Args:
        images: (H, W, 3) uint8.
        truths: of each, people's segmentations (H, W).
    """
    cv2.setNumThreads(1)
    rows = [["image", "scikit-learn (s)", "exact (s)", "fast (s)", "scikit-learn / fast", "covering of each"]]
    for number, (image, drawn) in enumerate(zip(images, truths, strict=True)):
        size = image.shape[1] // SMALL, image.shape[0] // SMALL
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        labels = [cv2.resize(truth.astype(np.int32), size, interpolation=cv2.INTER_NEAREST) for truth in drawn]
        rows.append([f"{number + 1}: {size[1]} x {size[0]}", *_beside_scikit_learn(small, labels)])
    others = [["image", "window (pixels)", "OpenCV, one level (s)", "fast (s)", "fast / OpenCV"]]
    for number, image in enumerate(images):
        others += [[f"{number + 1}: {image.shape[0]} x {image.shape[1]}", *_beside_opencv(image, w)] for w in WINDOWS]
    return f"{markdown(rows)}\n\n{markdown(others)}"


def _beside_scikit_learn(image: np.ndarray, truths: Sequence[np.ndarray]) -> list[str]:
    exact, fast = (MeanShift(mode, 8.0, gradient=0.0, texture=0.0, min_area=20) for mode in ("exact", "fast"))
    works = [lambda: _clustered(image, exact), lambda: exact(image), lambda: fast(image)]
    seconds = _seconds(works)
    coverings = [f"{region_scores(work(), truths).covering:.2f}" for work in works]
    return [*(f"{second:.3f}" for second in seconds), f"{seconds[0] / seconds[2]:.0f}", ", ".join(coverings)]


def _clustered(image: np.ndarray, like: MeanShift) -> np.ndarray:
    """Segment by scikit-learn's modes: (H, W)."""
    features = pixel_features(image)
    side = round(like.position_bandwidth / BLOCKS)
    features /= estimate_bandwidth(block_means(features, side), like.position_bandwidth / side)
    places = np.indices(image.shape[:2]).reshape(2, -1).T / like.position_bandwidth
    points = np.concatenate([places, features.reshape(len(places), -1)], axis=1)
    clusters = Clusters(bandwidth=1.0, max_iter=like.max_moves).fit(points)
    modes = clusters.cluster_centers_[clusters.labels_, 2:].reshape(features.shape)
    grain = like.grain * image.shape[0] * image.shape[1]
    return merge_regions(linked(modes, SAME_MODE), modes, like.merge, like.min_area, grain)


def _beside_opencv(image: np.ndarray, window: int) -> list[str]:
    segmenter = MeanShift(position_bandwidth=window, gradient=0.0, texture=0.0)
    width = TO_LEVELS * estimate_bandwidth(block_means(pixel_features(image), window // BLOCKS), BLOCKS)
    theirs, ours = _seconds(
        [lambda: cv2.pyrMeanShiftFiltering(image, window, width, maxLevel=1), lambda: segmenter(image)]
    )
    return [str(window), f"{theirs:.2f}", f"{ours:.2f}", f"{ours / theirs:.2f}"]


def _seconds(works: Sequence[Callable[[], object]]) -> list[float]:
    """Give the median time of each, turn by turn."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, of_work in zip(works, times, strict=True):
            start = time.perf_counter()
            work()
            of_work.append(time.perf_counter() - start)
    return [statistics.median(of_work) for of_work in times]
