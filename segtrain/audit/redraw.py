"""Labels redrawn: outlines moved by a field, so that no object vanishes and classes still fill the image."""

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.ndimage import maximum as maxima

from segtrain.audit.outline import LEAST_AREA, objects_of, signed_distance

__all__ = ["core", "filled", "redraw"]

CORE_DEPTH = 0.8
"""An object keeps the pixels at least this share of its greatest depth inside, whatever is taken off it."""


def filled(planes: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Give ignored pixels the value of the nearest valid one, so that no outline runs along them: (K, H, W)."""
    if valid.all() or not valid.any():
        return planes
    rows, columns = distance_transform_edt(~valid, return_distances=False, return_indices=True)
    return planes[:, rows, columns]


def redraw(given: np.ndarray, moved: np.ndarray, exclusive: bool) -> np.ndarray:
    """Move the outlines of a label inward; a pixel that the new outline cuts gets the share that lies inside.

    Where two classes other than the surroundings meet, their outline moves by the difference of their fields, so
    that no gap opens between neighbours that are both drawn too wide. Each object keeps its core.

    Args:
        given: (K, H, W) bool; of exclusive classes, class 0 is wherever no other is.
        moved: (K, H, W) pixels, how far inward; class 0 of exclusive classes stays where it is.
        exclusive: classes fill the image.

    Returns:
        probabilities (K, H, W), or (K, 2, H, W) of overlapping classes, float32.
    """
    none = np.zeros((1, *given.shape[1:]), np.float32)
    if exclusive:
        surroundings = ~given[1:].any(0, keepdims=True)
        return _redraw(np.concatenate([surroundings, given[1:]]), np.concatenate([none, moved[1:]]))
    pairs = zip(given, moved, strict=True)
    return np.stack([_redraw(np.stack([~own, own]), np.stack([none[0], by])) for own, by in pairs])  # (K, 2, H, W)


def _redraw(classes: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Give probabilities (C, H, W) for masks (C, H, W) that fill the image."""
    levels = np.stack([signed_distance(own) for own in classes]) + 2 * moved  # half of it is the pair's in the end
    lowest = np.sort(levels, axis=0)[:2]
    rival = np.where(levels == lowest[0], lowest[1], lowest[0])  # (C, H, W)
    probs = np.clip(0.5 + (rival - levels) / 2, 0, 1)
    cores = np.stack([np.zeros_like(classes[0]), *(core(own) for own in classes[1:])])
    probs = np.where(cores.any(0), cores, probs)
    return (probs / np.maximum(probs.sum(0), 1e-6)).astype(np.float32)


def core(mask: np.ndarray) -> np.ndarray:
    """Give the innermost pixels of each object, (H, W) bool; specks have none."""
    numbers, areas = objects_of(mask)
    depth = -signed_distance(mask)
    deepest = np.asarray(maxima(depth, numbers, np.arange(len(areas))))
    return mask & (areas >= LEAST_AREA)[numbers] & (depth >= CORE_DEPTH * deepest[numbers])
