"""Mean shift (Comaniciu & Meer 2002): each pixel climbs to the mode of colour and position that it belongs to."""

from typing import Literal

import numpy as np

from segtrain.classic.blocks import block_means, nearest_block
from segtrain.classic.features import pixel_features
from segtrain.classic.modes import Kernel, estimate_bandwidth, find_modes
from segtrain.classic.regions import linked, merge_regions
from segtrain.errors import ConfigError

__all__ = ["MeanShift"]

SAME_MODE = 0.5
"""Bandwidths; neighbours whose modes are nearer have the same one, as in the authors' program EDISON."""
BLOCKS = 4
"""Blocks a position bandwidth of the fast mode."""


class MeanShift:
    """Group the pixels that climb to the same mode of the density of colour and position.

    A window is laid at each pixel and moved to the weighted mean of the pixels in it, until it stays. Where windows of
    neighbouring pixels end at near modes the pixels form a region; alike regions and small ones are joined.

    mode="exact" does so for each pixel. Its time is that of pixels x pixels in a window x moves: 10 s for 480 x 320
    pixels and a window of 8. mode="fast" does so for blocks, 4 to a bandwidth of position (so it is exact below 6),
    and gives each pixel the mode of the one of the nearest 9 blocks that is nearest in colour and position: a window
    holds the same number of blocks whatever its width, and a wider one costs less. With three channels the fast mode
    takes some 200 bytes a pixel and the exact one 450. Noise costs no more than a picture, as each window makes at
    most `max_moves`.

    Args:
        mode: "fast" or "exact".
        position_bandwidth: h_s of rows and columns, pixels, > 0.
        colour_bandwidth: h_r of CIELAB (see `lab`), > 0; None = of each image its own, see `estimate_bandwidth`.
        gradient: weight of the slope beside colour (see `pixel_features`), >= 0; 0 = left out.
        texture: weight of contrast and direction beside colour, >= 0; 0 = left out.
        kernel: "flat" has all pixels count alike up to one bandwidth, "gaussian" by exp(-d^2 / 2) up to three; d is
            the distance in bandwidths, of position and colour together.
        merge: colour bandwidths by which the means of two regions that become one may differ, >= 0.
        grain: share of the image, >= 0: of regions that are not far larger, more of a difference is asked (see
            `merge_regions`); 0 = of all the same.
        min_area: smaller regions go to their nearest neighbour, pixels, >= 1.
        max_moves: of a window, >= 1.

    Raises:
        ConfigError: a value is out of its range.
    """

    def __init__(
        self,
        mode: Literal["fast", "exact"] = "fast",
        position_bandwidth: float = 16.0,
        colour_bandwidth: float | None = None,
        gradient: float = 0.0,
        texture: float = 0.0,
        kernel: Kernel = "flat",
        merge: float = 1.0,
        grain: float = 0.025,
        min_area: int = 200,
        max_moves: int = 50,
    ) -> None:
        self.mode = mode
        self.position_bandwidth = position_bandwidth
        self.colour_bandwidth = colour_bandwidth
        self.gradient = gradient
        self.texture = texture
        self.kernel = kernel
        self.merge = merge
        self.grain = grain
        self.min_area = min_area
        self.max_moves = max_moves
        positive = {"position_bandwidth": position_bandwidth, "colour_bandwidth": colour_bandwidth}
        faults = [
            f"The '{key}' of MeanShift must be above 0, got {value}"
            for key, value in positive.items()
            if value is not None and value <= 0
        ]
        least = {"gradient": (gradient, 0), "texture": (texture, 0), "merge": (merge, 0), "grain": (grain, 0)}
        least |= {"min_area": (min_area, 1), "max_moves": (max_moves, 1)}
        faults += [
            f"The '{key}' of MeanShift must be at least {bound}, got {value}"
            for key, (value, bound) in least.items()
            if value < bound
        ]
        if faults:
            raise ConfigError("segmenter.mean_shift cannot be built:", faults)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Segment: `image` (H, W, D) of any number type -> (H, W) int32, connected regions 0..k-1."""
        side = max(1, round(self.position_bandwidth / BLOCKS))
        features = pixel_features(image, gradient=self.gradient, texture=self.texture)  # (H, W, F)
        width = self.colour_bandwidth or estimate_bandwidth(block_means(features, side), self.position_bandwidth / side)
        features /= width
        side = side if self.mode == "fast" else 1
        blocks = block_means(features, side)
        modes = find_modes(blocks, self.position_bandwidth / side, self.kernel, self.max_moves)[..., 2:]
        if side > 1:
            modes = modes.reshape(-1, modes.shape[-1])[nearest_block(features, blocks, side, self.position_bandwidth)]
        grain = self.grain * modes.shape[0] * modes.shape[1]
        return merge_regions(linked(modes, SAME_MODE), modes, self.merge, self.min_area, grain)
