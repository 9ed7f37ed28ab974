"""Blocks against loops over pixels."""

import numpy as np
import pytest

from segtrain.classic.blocks import block_means, nearest_block


@pytest.mark.parametrize(("size", "side"), [((12, 15), 3), ((13, 10), 4), ((2, 3), 5), ((1, 1), 2)])
def test_means_and_nearest_blocks_are_those_of_loops(size, side):
    features = np.random.default_rng(0).normal(size=(*size, 2)).astype(np.float32)
    blocks = block_means(features, side)
    padded = np.pad(features, ((0, -size[0] % side), (0, -size[1] % side), (0, 0)), mode="edge")
    for row, column in np.ndindex(blocks.shape[:2]):
        part = padded[row * side : (row + 1) * side, column * side : (column + 1) * side]
        np.testing.assert_allclose(blocks[row, column], part.reshape(-1, 2).mean(0), rtol=1e-5, atol=1e-6)
    nearest = nearest_block(features, blocks, side, position_bandwidth=7.0)
    for row, column in np.ndindex(size):
        distances = {
            (r, c): np.square(features[row, column] - blocks[r, c]).sum()
            + (np.square((r + 0.5) * side - row - 0.5) + np.square((c + 0.5) * side - column - 0.5)) / 49
            for r, c in np.ndindex(blocks.shape[:2])
            if abs(r - row // side) <= 1 and abs(c - column // side) <= 1
        }
        found = divmod(int(nearest[row, column]), blocks.shape[1])
        assert distances[found] == pytest.approx(min(distances.values()), rel=1e-4)
