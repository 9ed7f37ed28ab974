"""The Lightning side: the task, the data module, callbacks."""

from segtrain.training.checkpoint import BestCheckpoint, LastCheckpoint, Snapshots
from segtrain.training.checkpoint_io import AtomicCheckpointIO, read_checkpoint
from segtrain.training.data import SegmentationData
from segtrain.training.draws import RealisedDraws
from segtrain.training.ema import EMA
from segtrain.training.final_epochs import FinalEpochs
from segtrain.training.findings import FindingsWriter
from segtrain.training.label_quality import LabelQuality
from segtrain.training.learning_rate import LearningRateMonitor
from segtrain.training.loggers import csv_logger, mlflow_logger, tensorboard_logger, wandb_logger
from segtrain.training.optim import build_optimizer, constant, cosine, one_cycle, parameter_groups, polynomial
from segtrain.training.panels import ImagePanels
from segtrain.training.precision import resolve_precision
from segtrain.training.prediction import Panel, Prediction, coloured, label_of
from segtrain.training.progress import ProgressBar
from segtrain.training.safe_logger import SafeLogger, close
from segtrain.training.seeding import Seeding, seed_all
from segtrain.training.semantic import SemanticTask
from segtrain.training.signals import Interrupted, Signals, shield_worker, stop_if_asked
from segtrain.training.stopping import StopOnSignal, ends_truly

__all__ = [
    "EMA", "AtomicCheckpointIO", "BestCheckpoint", "FinalEpochs", "FindingsWriter", "ImagePanels", "Interrupted",
    "LabelQuality", "LastCheckpoint", "LearningRateMonitor", "Panel", "Prediction", "ProgressBar", "RealisedDraws",
    "SafeLogger", "Seeding", "SegmentationData", "SemanticTask", "Signals", "Snapshots", "StopOnSignal",
    "build_optimizer", "close", "coloured", "constant", "cosine", "csv_logger", "ends_truly", "label_of",
    "mlflow_logger", "one_cycle", "parameter_groups", "polynomial", "read_checkpoint", "resolve_precision",
    "seed_all", "shield_worker", "stop_if_asked", "tensorboard_logger", "wandb_logger",
]  # fmt: skip
