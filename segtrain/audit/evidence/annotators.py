"""annotators: a label is doubtful where others who drew the same image say otherwise."""

import numpy as np

from segtrain.audit.evidence.base import Evidence, Look
from segtrain.types import IGNORE

__all__ = ["AnnotatorDisagreement"]


class AnnotatorDisagreement(Evidence):
    """The share of the annotators that give the pixel another class; who ignores the pixel has no say.

    No doubt where nobody else has a say. It asks no model.
    """

    needs = frozenset({"annotations"})

    def __call__(self, look: Look) -> np.ndarray:
        against, asked = np.zeros((2, *look.label.shape), np.float32)
        for other in look.annotations:
            has_say = look.valid & (other != IGNORE)
            asked += has_say
            against += has_say & (other != look.label)
        return against / np.maximum(asked, 1)
