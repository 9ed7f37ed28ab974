"""An image by blocks: for methods that need not look at each pixel."""

import numpy as np

__all__ = ["block_means", "nearest_block"]


def block_means(features: np.ndarray, side: int) -> np.ndarray:
    """Give the means of blocks of side x side pixels; what the frame cuts counts its last pixels again."""
    height, width, count = features.shape
    rows, columns = -(-height // side), -(-width // side)
    whole = np.pad(features, ((0, rows * side - height), (0, columns * side - width), (0, 0)), mode="edge")
    return whole.reshape(rows, side, columns, side, count).mean((1, 3))


def nearest_block(features: np.ndarray, blocks: np.ndarray, side: int, position_bandwidth: float) -> np.ndarray:
    """Find the block that is nearest to each pixel in features and position, of its own and the 8 around.

    Args:
        features: (H, W, F), in bandwidths.
        blocks: (h, w, F), their means.
        side: of a block, pixels.
        position_bandwidth: pixels.

    Returns:
        (H, W) int, row by row the numbers 0..h w - 1.
    """
    numbers = np.arange(blocks.shape[0] * blocks.shape[1]).reshape(blocks.shape[:2])
    nearest = np.zeros(features.shape[:2], np.intp)
    least = np.full(features.shape[:2], np.inf, np.float32)
    places = [np.arange(length) for length in features.shape[:2]]
    for offset in np.mgrid[-1:2, -1:2].reshape(2, -1).T:
        found = [np.clip(p // side + o, 0, most - 1) for p, o, most in zip(places, offset, blocks.shape, strict=False)]
        apart = [np.square((f + 0.5) * side - 0.5 - p) for f, p in zip(found, places, strict=True)]
        chosen = np.ix_(*found)
        distance = np.square(features - blocks[chosen]).sum(-1)
        distance += np.add.outer(*apart) / position_bandwidth**2
        nearer = distance < least
        least[nearer], nearest[nearer] = distance[nearer], numbers[chosen][nearer]
    return nearest
