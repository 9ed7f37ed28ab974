"""From a config to objects: every group assembled, every fault of theirs told at once."""

import logging
import warnings
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning.callbacks import Checkpoint
from torch import nn

from segtrain.data.cache import CachedSource
from segtrain.data.corrupt import CorruptedSource, CorruptionChain
from segtrain.data.held_out import HeldOut
from segtrain.data.labels import RevisedLabels
from segtrain.data.pixel_form import PixelForm
from segtrain.data.proposals import RegionProposals
from segtrain.data.sample import LabelForm
from segtrain.data.source import DataSet, Source
from segtrain.data.trusted import JoinedSource, Trusted
from segtrain.errors import ConfigError, DataError, SegtrainError
from segtrain.losses import WeightedSum
from segtrain.models import OverlappingLogits
from segtrain.noise import Chain, NoiseStrategy
from segtrain.postprocess import Pipeline
from segtrain.training import Seeding, SegmentationData, SemanticTask, resolve_precision

__all__ = [
    "Parts", "Plan", "build", "build_members", "build_model", "build_sources", "device_of", "label_form", "make",
    "plan", "quieten",
]  # fmt: skip

T = TypeVar("T")


class Plan(NamedTuple):
    """What a config asks for, made without reading data, building a model or touching a device."""

    data: DataSet
    corruption: CorruptionChain | None
    proposals: RegionProposals | None
    criterion: WeightedSum
    strategy: NoiseStrategy
    postprocess: Pipeline | None
    augment: Any


class Parts(NamedTuple):
    """A training, ready to start."""

    task: SemanticTask
    data: SegmentationData
    trainer: pl.Trainer


def make(node: DictConfig, **objects: Any) -> Any:
    """Build a node with a `_target_`; a mistake of the user's comes out as what it is."""
    try:
        return instantiate(node, _convert_="all", **objects)
    except InstantiationException as error:
        cause = error.__cause__
        while cause is not None and not isinstance(cause, SegtrainError):
            cause = cause.__cause__
        raise (cause or error) from None


def plan(cfg: DictConfig) -> Plan:
    """Make all that can be made from the config alone.

    Raises:
        ConfigError: values out of range, all of them.
    """
    faults: list[str] = []

    def attempt(build: Callable[[], T]) -> T | None:
        try:
            return build()
        except ConfigError as error:
            faults.extend(error.faults or [str(error)])
            return None

    made = [
        attempt(lambda: make(cfg.data)),
        attempt(lambda: CorruptionChain(steps=build_members(cfg.corruption)) if cfg.corruption else None),
        attempt(lambda: make(cfg.proposals) if cfg.get("proposals") else None),
        attempt(lambda: WeightedSum(build_members(cfg.loss), dict(cfg.loss_weights))),
        attempt(lambda: Chain.of(build_members(cfg.noise))),
        attempt(lambda: build_postprocess(cfg.postprocess)),
        attempt(lambda: make(cfg.augmentation)),
    ]
    if faults:
        raise ConfigError("the config cannot be built:", faults)
    return Plan(*made)  # type: ignore[arg-type]


def build(cfg: DictConfig, run_dir: Path) -> Parts:
    """Make a training: data module, task, trainer.

    Raises:
        ConfigError, DataError: see their sentences; nothing has been trained or written.
    """
    wanted = plan(cfg)
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    splits = build_sources(cfg, wanted)
    model = build_model(cfg, wanted.data)
    wanted.strategy.attach(model, splits["train"].samples)
    task = make(
        cfg.task,
        _partial_=False,
        model=model,
        criterion=wanted.criterion,
        strategy=wanted.strategy,
        classes=list(wanted.data.classes),
        overlapping=wanted.data.overlapping,
        window=wanted.data.size,
        references=splits["val"].reference_names,
        postprocess=wanted.postprocess,
        optimizer=make(cfg.optimizer),
        scheduler=make(cfg.scheduler),
    )
    revised = RevisedLabels(run_dir / "revised")
    data = SegmentationData(
        data=wanted.data,
        splits=splits,
        strategy=wanted.strategy,
        augment=wanted.augment,
        form=label_form(wanted.data, revised),
        revised=revised,
        seed=cfg.seed,
    )
    return Parts(task, data, build_trainer(cfg, run_dir))


def build_sources(cfg: DictConfig, wanted: Plan, together: bool = False) -> Mapping[str, Source]:
    """Read what the splits are; corrupt their labels and keep them in memory if the config says so.

    Args:
        cfg: of a training.
        wanted: its plan.
        together: add a split "all": training, validation and test samples in this order, each once.
    """
    splits = wanted.data.splits()
    missing = [name for name in ("train", "val", "test") if name not in splits]
    if missing:
        raise DataError(f"The data has no split {' and no split '.join(missing)}: see data.split.")
    if wanted.corruption is not None:
        kinds = {"num_classes": len(wanted.data.classes), "overlapping": wanted.data.overlapping, "seed": cfg.seed}
        splits = {name: CorruptedSource(source, wanted.corruption, **kinds) for name, source in splits.items()}
    if wanted.proposals is not None:
        splits = {**splits, "train": wanted.proposals.training(splits["train"])}
    trusted = Trusted(**cfg.trusted)
    other = None if trusted.split == "train" else splits[trusted.split]
    train = HeldOut(**cfg.get("held_out", {})).training(trusted.training(splits["train"], other))
    splits = {**splits, "train": train}
    if together:
        rest = [splits[name] for name in ("val", "test") if name != trusted.split]
        splits["all"] = reduce(JoinedSource, rest, train)
    if wanted.data.cache:
        splits = {name: CachedSource(source) for name, source in splits.items()}
    return splits


def label_form(data: DataSet, revised: RevisedLabels) -> LabelForm:
    """Give how the data's labels come into a batch."""
    return PixelForm(revised, len(data.classes))


def build_model(cfg: DictConfig, data: DataSet) -> nn.Module:
    model: nn.Module = make(cfg.model)
    return OverlappingLogits(model) if data.overlapping else model


def build_postprocess(node: DictConfig) -> Pipeline | None:
    return Pipeline(build_members(node)) if node else None


def build_trainer(cfg: DictConfig, run_dir: Path) -> pl.Trainer:
    quieten()
    loggers = [make(node, save_dir=str(run_dir)) for node in cfg.logger.values()]
    callbacks = [make(node) for node in cfg.callbacks.values()]
    return make(
        cfg.trainer,
        precision=resolve_precision(cfg.trainer.precision, cfg.trainer.accelerator),
        callbacks=[Seeding(cfg.seed), *callbacks],
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        logger=loggers or False,
        default_root_dir=str(run_dir),
    )


def build_members(node: Mapping[str, Any]) -> dict[str, Any]:
    """Build each member of a group that stacks; all their faults come together."""
    members, faults = {}, []
    for name, member in (node or {}).items():
        try:
            members[name] = make(member)
        except ConfigError as error:
            faults.extend(error.faults or [str(error)])
    if faults:
        raise ConfigError("the config cannot be built:", faults)
    return members


def quieten() -> None:
    """Leave out what Lightning says that is no news to its user here."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.*is deprecated",  # its own affair
        "You have overridden `on_after_batch_transfer`",  # the task's is meant
        "It is recommended to use `self.log.*sync_dist",  # the metrics are summed over the processes already
        ".*does not have many workers",  # data.num_workers is the user's choice
        "The number of training batches",
    ):
        warnings.filterwarnings("ignore", message=message)


def device_of(trainer: pl.Trainer) -> str:
    """Say what a trainer runs on, for people."""
    if trainer.accelerator.__class__.__name__ == "CUDAAccelerator":
        return f"{trainer.num_devices} x {torch.cuda.get_device_name()}"
    return f"{trainer.accelerator.__class__.__name__.removesuffix('Accelerator')} ({torch.get_num_threads()} threads)"
