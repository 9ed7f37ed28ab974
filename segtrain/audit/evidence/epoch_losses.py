"""epoch_losses: a label that the model never came to believe in the course of its training is doubtful."""

from typing import Literal

import numpy as np

from segtrain.audit.evidence.base import Evidence, Look, against, given_probs, planes_of
from segtrain.losses.base import require

__all__ = ["EpochLosses"]


class EpochLosses(Evidence):
    """How constantly the model disbelieved the label over its epochs: wrong labels are learned late, or by heart.

    Args:
        measure: "probability": the mean over the snapshots of 1 - p(label), the mean loss in [0, 1] of O2U-Net (Huang
            et al. 2019); "margin": (1 - AUM) / 2, where AUM is the mean over the snapshots of
            p(label) - p(strongest other class) (Pleiss et al. 2020, eq. 1, of probabilities instead of logits). Of
            two classes both are the same.

    Raises:
        ConfigError: the measure is neither.
    """

    needs = frozenset({"snapshots"})

    def __init__(self, measure: Literal["probability", "margin"] = "probability") -> None:
        require(measure in ("probability", "margin"), self, "measure", "probability or margin", measure)
        self.measure = measure

    def __call__(self, look: Look) -> np.ndarray:
        assert look.snapshots is not None  # it is in `needs`
        if self.measure == "probability":
            return against(look.label, look.snapshots.mean(0))
        doubts = [_disbelief(look.label, probs) for probs in look.snapshots]
        return np.where(look.valid, np.mean(doubts, axis=0), 0).astype(np.float32)


def _disbelief(label: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Give (1 - margin) / 2 of one snapshot, in the label's form."""
    labels, problems = planes_of(label, probs)
    other = np.zeros(labels.shape, np.float32)
    for c in range(problems.shape[1]):
        np.maximum(other, problems[:, c], out=other, where=labels != c)
    return np.clip((1 - given_probs(label, probs) + other.reshape(label.shape)) / 2, 0, 1)
