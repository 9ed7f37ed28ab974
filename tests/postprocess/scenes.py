"""Images with a known truth, and how sure a prediction is of a mask."""

import numpy as np
from scipy.ndimage import gaussian_filter

SHAPE = (120, 140)


def certain(mask, num_classes=2, confidence=0.9):
    """Probabilities (C, H, W) that are `confidence` sure of a mask."""
    probs = np.full((num_classes, *mask.shape), (1 - confidence) / (num_classes - 1), np.float32)
    np.put_along_axis(probs, mask[None].astype(int), np.float32(confidence), axis=0)
    return probs


def disc(radius, row=60, column=66, shape=SHAPE):
    y, x = np.indices(shape)
    return np.hypot(y - row, x - column) < radius


def rough_disc(radius, by=2.0, seed=0):
    """A disc whose outline wanders by some pixels."""
    y, x = np.indices(SHAPE)
    wander = gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 4)
    return np.hypot(y - 60, x - 66) + wander * by / wander.std() < radius


def picture(label, noise=8.0, seed=0, levels=(60, 160, 230), dtype=np.uint8):
    """An image (H, W, 1) of classes by their brightness."""
    values = np.array(levels, float)[label.astype(int)] + np.random.default_rng(seed).normal(0, noise, label.shape)
    return values.clip(0, 255).astype(dtype)[..., None]
