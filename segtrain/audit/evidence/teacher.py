"""teacher: a label is doubtful where the average of the model's weights over the training disbelieves it."""

import numpy as np

from segtrain.audit.evidence.base import Evidence, Look, against

__all__ = ["TeacherDisagreement"]


class TeacherDisagreement(Evidence):
    """1 - p(label) by a mean teacher (Tarvainen and Valpola 2017): an average learns wrong labels by heart later."""

    needs = frozenset({"teacher"})

    def __call__(self, look: Look) -> np.ndarray:
        assert look.teacher is not None  # it is in `needs`
        return against(look.label, look.teacher)
