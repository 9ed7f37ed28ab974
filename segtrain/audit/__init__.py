"""What kind of noise labels have, told from a model and a few clean masks, and how it is undone."""

from segtrain.audit.bias import Bias, Scale, estimate_bias, habits, learned
from segtrain.audit.confusion import posterior
from segtrain.audit.correction import Corrector, corrected
from segtrain.audit.diagnosis import KINDS, Diagnosis, Finding, diagnose, named
from segtrain.audit.displacement import Displacement, displacement
from segtrain.audit.intervals import Interval, difference, location, rate_difference
from segtrain.audit.outline import signed_distance
from segtrain.audit.redraw import redraw
from segtrain.audit.survey import Survey, survey
from segtrain.audit.witnesses import diagnosis_of, table_of, witnesses

__all__ = [
    "KINDS", "Bias", "Corrector", "Diagnosis", "Displacement", "Finding", "Interval", "Scale", "Survey",
    "corrected", "diagnose", "diagnosis_of", "difference", "displacement", "estimate_bias", "habits", "learned",
    "location", "named", "posterior", "rate_difference", "redraw", "signed_distance", "survey", "table_of", "witnesses",
]  # fmt: skip
