"""Several pieces of evidence become one score."""

from collections.abc import Mapping

import numpy as np
from scipy.special import expit, logit

__all__ = ["combine"]

SURE = 1e-3
"""No evidence is surer than this: one that says 0 or 1 would silence all others."""


def combine(doubts: Mapping[str, np.ndarray], weights: Mapping[str, float] | None = None) -> np.ndarray:
    """Give one doubt from several: the weighted mean of their log-odds, as a probability again.

    By Bayes' rule the evidence of independent witnesses adds up in log-odds. These witnesses are not independent,
    most of them ask the same model: a sum would count what they share several times, so that ten that say 0.6 were
    certain. The mean counts it once (a logarithmic opinion pool, Genest and Zidek 1986), and ten that say 0.6 say 0.6.

    Args:
        doubts: name -> doubt in [0, 1], all of one shape; one at least.
        weights: name -> how much it counts, at least 0; 1 where none is given. They are shares: doubling all changes
            nothing.

    Returns:
        float32 in [0, 1], of the same shape. Each is as sure as 1 : 999 at most, but a single one comes back as it is.

    Raises:
        ValueError: there is no doubt, no weight above 0, a weight below 0, or one of a name that is not there.

    >>> combine({"first": np.array([0.2, 0.9]), "second": np.array([0.8, 0.9])}).round(4).tolist()
    [0.5, 0.8999999761581421]
    """
    weights = {} if weights is None else weights
    shares = {name: float(weights.get(name, 1.0)) for name in doubts}
    if set(weights) - set(doubts) or min(shares.values(), default=0) < 0 or not sum(shares.values()) > 0:
        raise ValueError(f"weights of {sorted(doubts)} are at least 0 and not all 0, got {dict(weights)}")
    chosen = sorted(name for name, share in shares.items() if share > 0)  # the sum's last bit hangs on the order
    if len(chosen) == 1:
        return doubts[chosen[0]].astype(np.float32)
    total = sum(shares[name] for name in chosen)
    odds = sum(shares[name] / total * logit(np.clip(doubts[name], SURE, 1 - SURE, dtype=np.float64)) for name in chosen)
    return expit(odds).astype(np.float32)
