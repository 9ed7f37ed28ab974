"""tune-postprocess: which steps, with which parameters, on the validation split; and what was chosen, to be used."""

from segtrain.run.tuning.auto import tuned_postprocess
from segtrain.run.tuning.command import tune_postprocess

__all__ = ["tune_postprocess", "tuned_postprocess"]
