"""Looks whose truth is known, to judge evidence by."""

from typing import Any

import numpy as np

from segtrain.audit.evidence import Look
from segtrain.types import IGNORE

CLASSES = 3


def probs_of(label: np.ndarray, sure: float = 0.8, classes: int = CLASSES) -> np.ndarray:
    """Give what a model believes that gives the classes of `label` (H, W) or (K, H, W) the probability `sure`."""
    count = classes if label.ndim == 2 else 2
    own = np.expand_dims(label, -3) == np.arange(count)[:, None, None]
    return np.where(own, sure, (1 - sure) / (count - 1)).astype(np.float32)


def scene(seed: int = 0, side: int = 48, overlapping: bool = False) -> np.ndarray:
    """Draw two rectangles of classes 1 and 2 on class 0, or on a plane each; some pixels are ignored."""
    rng = np.random.default_rng(seed)
    planes = np.zeros((2, side, side), np.uint8)
    for number, left in enumerate((0, side // 2)):
        top = rng.integers(2, side // 4)
        planes[number, top : top + side // 2, left + 2 : left + side // 2 - 2] = 1
    label = planes if overlapping else planes[0] + 2 * planes[1]
    label[..., -3:, :] = IGNORE
    return label


def another(label: np.ndarray) -> np.ndarray:
    """Give a label that is wrong everywhere."""
    wrong = (label + 1) % CLASSES if label.ndim == 2 else 1 - label
    return np.where(label == IGNORE, IGNORE, wrong).astype(np.uint8)


def random_look(seed: int = 0, classes: int = CLASSES, size: tuple[int, int] = (24, 20), noise: float = 0.2) -> Look:
    """Give a look at random probabilities; the label is drawn from them, and a share of it flipped."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(classes, 0.5), size).transpose(2, 0, 1).astype(np.float32)
    label = probs.argmax(0).astype(np.uint8)
    flipped = rng.random(size) < noise
    label[flipped] = rng.integers(0, classes, flipped.sum())
    return look_at(label, probs)


def look_at(label: np.ndarray, probs: np.ndarray, **more: Any) -> Look:
    return Look(np.zeros((*label.shape[-2:], 1), np.uint8), label, probs, **more)
