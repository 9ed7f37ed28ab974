"""benchmark speed: images per second of a bare PyTorch loop and of segtrain, in one process, turn by turn."""

import copy
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader, IterableDataset

from segtrain.run.build import Parts, build
from segtrain.training.loading import EpochBatches
from segtrain.types import Batch

__all__ = ["first_batches", "speed"]

ROUNDS = 5
WARMUP = 2


class _Timer(pl.Callback):
    """The time at the end of each training step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, task: pl.LightningModule, *_: Any) -> None:
        if task.device.type == "cuda":
            torch.cuda.synchronize()
        self.times.append(time.perf_counter())


class _InMemory(IterableDataset[Batch]):
    """The same few batches over and over, already collated."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Batch]:
        return itertools.cycle(self.batches)


def speed(cfg: DictConfig) -> dict[str, float]:
    """Print seconds a step and the ratios to the bare loop; the arms take turns, so that a drift hits all alike.

    - bare: forward, loss, backward, optimiser on batches in memory.
    - trainer: segtrain's step with all of the config's callbacks and loggers, on the same batches.
    - with data: the same with its loader, `data.num_workers` processes reading and augmenting.
    """
    steps = WARMUP + int(cfg.steps)
    seconds: dict[str, list[float]] = {"bare": [], "trainer": [], "with data": []}
    for _ in range(ROUNDS):
        parts = _parts(cfg, steps)
        batches = first_batches(parts, 4)
        seconds["bare"].append(_bare(parts, batches, steps))
        seconds["trainer"].append(_fit(parts, DataLoader(_InMemory(batches), batch_size=None)))
        seconds["with data"].append(_fit(_parts(cfg, steps), None))
    return _shown(seconds, int(cfg.data.batch_size))


def _parts(cfg: DictConfig, steps: int) -> Parts:
    run_dir = Path(tempfile.mkdtemp(prefix="segtrain-benchmark-"))
    cfg = copy.deepcopy(cfg)
    cfg.trainer.max_epochs = -1
    cfg.trainer.max_steps = steps
    cfg.trainer.limit_val_batches = 0
    cfg.trainer.num_sanity_val_steps = 0
    cfg.callbacks = {name: node for name, node in cfg.callbacks.items() if name not in ("best", "progress_bar")}
    return build(cfg, run_dir)


def first_batches(parts: Parts, count: int) -> list[Batch]:
    """Give training batches of epoch 0 as the workers deliver them, without a trainer."""
    data = parts.data
    loader = data.train_dataloader()
    batches = EpochBatches(lambda: (0, 0), data.plain_draws, data.data.batch_size, data.steps_per_epoch)
    plain = DataLoader(loader.dataset, batch_sampler=batches, collate_fn=loader.collate_fn)
    return list(itertools.islice(iter(plain), count))


def _bare(parts: Parts, batches: list[Batch], steps: int) -> float:
    """Give seconds a step of the plain loop; the model is a copy, so that both arms start alike."""
    task = copy.deepcopy(parts.task)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    task.to(device).train()
    optimizer = task.optimizer(task.model.parameters())  # type: ignore[misc]
    times = []
    for step in range(steps):
        batch = task.complete(Batch(*(column.to(device) for column in batches[step % len(batches)])))
        loss = task.criterion(task.model(batch.image), batch.target, batch.weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter())
    return _per_step(times)


def _fit(parts: Parts, loader: DataLoader[Any] | None) -> float:
    timer = _Timer()
    parts.trainer.callbacks.append(timer)  # type: ignore[attr-defined]
    if loader is not None:
        parts.data.train_dataloader = lambda: loader  # type: ignore[method-assign,assignment,return-value]
    parts.trainer.fit(parts.task, datamodule=parts.data)
    return _per_step(timer.times)


def _per_step(times: list[float]) -> float:
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    return statistics.median(gaps[WARMUP - 1 :])


def _shown(seconds: dict[str, list[float]], batch_size: int) -> dict[str, float]:
    table = Table("arm", "s/step (median)", "img/s", "ratio of img/s", "ratios of the rounds")
    figures: dict[str, float] = {}
    against = {"bare": "bare", "trainer": "bare", "with data": "trainer"}
    for arm, values in seconds.items():
        ratios = [base / own for base, own in zip(seconds[against[arm]], values, strict=True)]
        figures[f"{arm} / {against[arm]}"] = statistics.median(ratios)
        step = statistics.median(values)
        table.add_row(
            arm,
            f"{step:.3f}",
            f"{batch_size / step:.1f}",
            f"{statistics.median(ratios):.3f} of {against[arm]}",
            " ".join(f"{ratio:.3f}" for ratio in ratios),
        )
    Console().print(table)
    return figures
