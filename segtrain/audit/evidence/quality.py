"""How good the label of a whole image is, by its worst pixels."""

import numpy as np

__all__ = ["soft_minimum"]


def soft_minimum(quality: np.ndarray, temperature: float = 0.1) -> float:
    """Give the soft minimum of an image's pixel qualities (Lad and Mueller 2023): the mean, bad pixels weighing more.

    sum_i q_i w_i with w = softmax((1 - q) / temperature) over the pixels. A low temperature asks for the worst pixel
    alone, a high one for the mean.

    Args:
        quality: (H, W), or (K, H, W) of overlapping classes, in [0, 1]: such as the probability of the label; NaN
            where it is ignored.
        temperature: above 0.

    Returns:
        In [0, 1]; NaN of an image without labels.

    Raises:
        ValueError: the temperature is not above 0.

    >>> round(soft_minimum(np.array([[0.0, 1.0, np.nan]])), 4)
    0.0
    """
    if not temperature > 0:
        raise ValueError(f"a soft minimum's temperature is above 0, got {temperature}")
    values = quality[~np.isnan(quality)].astype(np.float64)
    if not values.size:
        return float("nan")
    weights = np.exp((values.min() - values) / temperature)
    return float((values * weights).sum() / weights.sum())
