"""uncertainty: where passes with dropout agree among themselves and not with the label, the label is doubtful."""

import math
from typing import Literal

import numpy as np

from segtrain.audit.evidence.base import Evidence, Look, against
from segtrain.losses.base import require
from segtrain.types import CLASS_AXIS

__all__ = ["Uncertainty", "uncertainty_of"]

MEASURES = ("mutual_information", "entropy")


class Uncertainty(Evidence):
    """Disagreement with a model that is sure of itself (Gal and Ghahramani 2016: dropout as an approximate posterior).

    Doubt = (1 - p(label)) (1 - u), p being the mean of the passes and u their uncertainty as a share of log C: to
    disagree with a model that is unsure is weak evidence. The model needs dropout, or all passes are the same.

    Args:
        measure: "mutual_information", what is unsure about the model itself (Houlsby et al. 2011), or "entropy" of
            the mean, which counts what is unclear in the image, too, such as every boundary.

    Raises:
        ConfigError: the measure is neither.
    """

    needs = frozenset({"passes"})

    def __init__(self, measure: Literal["mutual_information", "entropy"] = "mutual_information") -> None:
        require(measure in MEASURES, self, "measure", " or ".join(MEASURES), measure)
        self.measure = measure

    def __call__(self, look: Look) -> np.ndarray:
        assert look.passes is not None  # it is in `needs`
        mutual, entropy = uncertainty_of(look.passes)
        unsure = mutual if self.measure == "mutual_information" else entropy
        return against(look.label, look.passes.mean(0)) * (1 - unsure)


def uncertainty_of(passes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give mutual information and predictive entropy of passes with dropout, as shares of log C in [0, 1].

    The entropy is H(mean p), the mutual information H(mean p) - mean H(p) (Houlsby et al. 2011, eq. 2).

    Args:
        passes: (T, C, H, W) or (T, K, 2, H, W) probabilities.

    Returns:
        (H, W) or (K, H, W) float32 each.

    >>> mutual, entropy = uncertainty_of(np.array([[[[1.0]], [[0.0]]], [[[0.0]], [[1.0]]]], np.float32))
    >>> mutual.item(), entropy.item()
    (1.0, 1.0)
    """
    most = math.log(passes.shape[CLASS_AXIS])
    entropy = _entropy(passes.mean(0)) / most
    expected = np.mean([_entropy(probs) for probs in passes], axis=0) / most
    return np.clip(entropy - expected, 0, 1), np.clip(entropy, 0, 1)


def _entropy(probs: np.ndarray) -> np.ndarray:
    """Give -sum p log p over the classes, in nats."""
    tiny = np.finfo(np.float32).tiny
    return -(probs * np.log(np.maximum(probs, tiny))).sum(CLASS_AXIS, dtype=np.float32)
