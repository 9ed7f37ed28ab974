"""What each command does: takes a config, gives plain results."""

from segtrain.run.audit import audit
from segtrain.run.benchmark import benchmark
from segtrain.run.check_data import check_data
from segtrain.run.correct import correct
from segtrain.run.evaluate import evaluate
from segtrain.run.predict import predict
from segtrain.run.segment import segment
from segtrain.run.train import train
from segtrain.run.tuning import tune_postprocess, tuned_postprocess

__all__ = [
    "audit", "benchmark", "check_data", "correct", "evaluate", "predict", "segment", "train",
    "tune_postprocess", "tuned_postprocess",
]  # fmt: skip
