"""Evidence: one view of how much speaks against each pixel's label; the audit asks several."""

from typing import NamedTuple

import numpy as np

from segtrain.types import IGNORE

__all__ = ["Evidence", "Look", "against", "given_probs", "planes_of"]


class Look(NamedTuple):
    """One image as an audit sees it, at its own scale; what no evidence needs is None."""

    image: np.ndarray
    """(H, W, D) as stored."""
    label: np.ndarray
    """(H, W) uint8 class numbers, or (K, H, W) planes of 0 and 1; `IGNORE` where ignored."""
    probs: np.ndarray
    """(C, H, W) or (K, 2, H, W) float32: what a model that has not learned this label believes."""
    features: np.ndarray | None = None
    """(F, h, w) float32: a layer's activations, at the layer's own scale."""
    passes: np.ndarray | None = None
    """(T, *probs.shape): further passes with dropout."""
    snapshots: np.ndarray | None = None
    """(S, *probs.shape): what the same model believed at earlier epochs."""
    teacher: np.ndarray | None = None
    """Like `probs`: what the average of the model's weights over the training believes."""
    annotations: tuple[np.ndarray, ...] = ()
    """Masks by several annotators, each in the form of the label."""
    clean: bool = False
    """The label is known to be right."""

    @property
    def valid(self) -> np.ndarray:
        """Where there is a label, in the form of the label, bool."""
        return self.label != IGNORE


class Evidence:
    """Tells how much speaks against each pixel's label. It first learns from a sample of the images, if it has to."""

    needs: frozenset[str] = frozenset()
    """Which fields of `Look` it needs beside image, label and probs."""

    def learn(self, look: Look) -> None:
        """Take in one image of the sample; memory must not grow with their number."""

    def settle(self) -> None:
        """Make up its mind, after the last image of the sample."""

    def __call__(self, look: Look) -> np.ndarray:
        """Give the doubt in each pixel's label, in its form, float32 in [0, 1]; 0 where the label is ignored."""
        raise NotImplementedError


def planes_of(label: np.ndarray, probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give label and probabilities as binary or exclusive problems side by side: (P, H, W) and (P, C, H, W).

    Exclusive classes are one problem of C classes, K overlapping classes K problems of two.
    """
    return (label[None], probs[None]) if label.ndim == 2 else (label, probs)


def against(label: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Give the probability that the label is wrong, 1 - p(label), in the label's form; 0 where it is ignored.

    >>> probs = np.array([[[0.75, 0.5]], [[0.25, 0.5]]], np.float32)
    >>> against(np.array([[1, 255]], np.uint8), probs).tolist()
    [[0.75, 0.0]]
    """
    return np.where(label == IGNORE, np.float32(0), 1 - given_probs(label, probs))


def given_probs(label: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Give the probability of each pixel's own label, in the label's form, float32; that of class 0 where ignored.

    >>> given_probs(np.array([[1]], np.uint8), np.array([[[0.75]], [[0.25]]], np.float32)).tolist()
    [[0.25]]
    """
    labels, problems = planes_of(label, probs)
    count, area = problems.shape[1], label.shape[-2] * label.shape[-1]
    start = np.arange(len(labels))[:, None] * (count * area) + np.arange(area)  # (P, HW), each pixel's class 0
    given = np.where(labels == IGNORE, 0, labels).reshape(len(labels), area)
    own = np.take(np.ascontiguousarray(problems).ravel(), start + given * np.intp(area))
    return own.astype(np.float32, copy=False).reshape(label.shape)
