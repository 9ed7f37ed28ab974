"""Small regions that keep to edges: SLIC and Felzenszwalb's, by scikit-image."""

import warnings

import numpy as np
from skimage.segmentation import felzenszwalb, slic

from segtrain.classic.features import lab, stretched
from segtrain.classic.regions import connected, merge_regions
from segtrain.errors import ConfigError

__all__ = ["Felzenszwalb", "Slic"]


class Slic:
    """Cut the image into compact pieces of alike size (SLIC, Achanta et al. 2012), and join alike ones if asked to.

    The time grows with the pixels alone: 0.1 s for 480 x 320. Memory: 100 bytes a pixel with three
    channels.

    Args:
        num_segments: about so many pieces, >= 1.
        compactness: weight of position beside CIELAB, > 0: 1 follows colours, 100 makes squares.
        sigma: of a Gaussian that smooths the image first, pixels, >= 0; 0 = off.
        merge: colours of CIELAB by which the means of two pieces that become one may differ, >= 0; at 0 only pieces
            that do not differ at all are joined.
        min_area: smaller pieces go to their nearest neighbour, pixels, >= 1.

    Raises:
        ConfigError: a value is out of its range.
    """

    def __init__(
        self,
        num_segments: int = 400,
        compactness: float = 10.0,
        sigma: float = 0.0,
        merge: float = 0.0,
        min_area: int = 16,
    ) -> None:
        self.num_segments = num_segments
        self.compactness = compactness
        self.sigma = sigma
        self.merge = merge
        self.min_area = min_area
        faults = _too_small(self, {"num_segments": 1, "sigma": 0, "merge": 0, "min_area": 1})
        if compactness <= 0:
            faults.append(f"The 'compactness' of Slic must be above 0, got {compactness}")
        if faults:
            raise ConfigError("segmenter.slic cannot be built:", faults)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Segment: `image` (H, W, D) of any number type -> (H, W) int32, connected regions 0..k-1."""
        colours = lab(image)
        span = float(np.ptp(colours)) or 1.0  # scikit-image stretches whatever it is given to [0, 1]
        pieces = slic(
            colours.astype(np.float64),
            n_segments=min(self.num_segments, colours.shape[0] * colours.shape[1]),
            compactness=self.compactness / span,
            sigma=self.sigma,
            convert2lab=False,
            channel_axis=-1,
        )
        return merge_regions(connected(pieces), colours, self.merge, self.min_area)


class Felzenszwalb:
    """Join pixels along a minimum spanning tree, where an edge is weak beside what two regions hold (2004).

    Felzenszwalb & Huttenlocher: regions join while the weakest edge between them is at most the strongest inside
    either, plus scale / area. The time is that of sorting 4 edges a pixel: 0.15 s for 480 x 320; memory: 350 bytes a
    pixel.

    Args:
        scale: in levels of 0 to 255, > 0: larger makes larger regions.
        sigma: of a Gaussian that smooths the image first, pixels, >= 0.
        merge: colours of CIELAB by which the means of two regions that become one may differ, >= 0.
        min_area: smaller regions go to a neighbour, pixels, >= 1.

    Raises:
        ConfigError: a value is out of its range.
    """

    def __init__(self, scale: float = 400.0, sigma: float = 0.8, merge: float = 0.0, min_area: int = 1000) -> None:
        self.scale = scale
        self.sigma = sigma
        self.merge = merge
        self.min_area = min_area
        faults = _too_small(self, {"sigma": 0, "merge": 0, "min_area": 1})
        if scale <= 0:
            faults.append(f"The 'scale' of Felzenszwalb must be above 0, got {scale}")
        if faults:
            raise ConfigError("segmenter.felzenszwalb cannot be built:", faults)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Segment: `image` (H, W, D) of any number type -> (H, W) int32, connected regions 0..k-1."""
        shares = stretched(image).astype(np.float64)
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="Got image with third dimension"
            )  # more than 3 channels are meant
            label = felzenszwalb(shares, self.scale, self.sigma, self.min_area, channel_axis=-1)
        return merge_regions(connected(label), lab(image), self.merge, self.min_area)


def _too_small(segmenter: object, least: dict[str, float]) -> list[str]:
    """Say which parameters are below their least value."""
    name = type(segmenter).__name__
    return [
        f"The '{key}' of {name} must be at least {bound}, got {getattr(segmenter, key)}"
        for key, bound in least.items()
        if getattr(segmenter, key) < bound
    ]
