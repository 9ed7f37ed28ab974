"""self_confidence: a label is doubtful where a model that has not learned it gives it a low probability."""

import numpy as np

from segtrain.audit.evidence.base import Evidence, Look, against

__all__ = ["SelfConfidence"]


class SelfConfidence(Evidence):
    """1 - p(label): the complement of the self-confidence of confident learning (Northcutt et al. 2021)."""

    def __call__(self, look: Look) -> np.ndarray:
        return against(look.label, look.probs)
