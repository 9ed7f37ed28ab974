"""From a refined mask back to probabilities, so that post-processors take and give the same thing."""

import numpy as np

__all__ = ["agree"]

MARGIN = 1e-3
"""How far, relatively, a pixel's new class is lifted above the draw: more than rounding can undo."""


def agree(probs: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Change probabilities as little as makes `mask` their most probable class.

    A pixel whose most probable class is the mask's already stays as it is, to the bit. Elsewhere the mask's class
    is lifted just above (by `MARGIN`) the runner-up, and the other classes shrink together, keeping their ratios:
    (0.9, 0.1) becomes (0.4995, 0.5005), so that the pixel still tells how unsure it is.

    Args:
        probs: (C, H, W) float32, sums to 1 over C; left as it is.
        mask: (H, W) class numbers.

    Returns:
        (C, H, W) float32.
    """
    result = probs.copy()
    changed = probs.argmax(0) != mask  # (H, W)
    pixels = probs[:, changed]  # (C, P)
    chosen = mask[changed], np.arange(pixels.shape[1])
    pixels[chosen] = 0
    rest = pixels.sum(0)  # (P,), at least 1 / C, since another class was the most probable
    top = pixels.max(0)  # (P,)
    lifted = top / (rest + top) * (1 + MARGIN)  # share = top (1 - share) / rest is the draw
    pixels *= (1 - lifted) / rest
    pixels[chosen] = lifted
    result[:, changed] = pixels
    return result
