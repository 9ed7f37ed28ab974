"""benchmark cost: what each noise strategy costs in passes through the network, and in time, theory beside measured."""

import copy
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig
from rich.console import Console
from torch import Tensor, nn

from segtrain.config import compose_config, options
from segtrain.errors import ConfigError
from segtrain.models import evaluating
from segtrain.reports.compare import markdown
from segtrain.run.benchmark.speed import first_batches
from segtrain.run.build import Parts, build
from segtrain.types import Batch, Progress, Samples, Seen, to_probs

__all__ = ["cost"]

ROUNDS = 9
EPOCHS = 10


class Passes(NamedTuple):
    """Passes through a network in a step, in batches of the step's size."""

    trained: float
    """Forward and backward."""
    inferred: float
    """Forward alone."""


def cost(cfg: DictConfig) -> str:
    """Time a step of each strategy and of `noise=none`, turn by turn in one process; give a Markdown table.

    The theory: the step of `none`, and on top the time of each further pass, trained or inferred, that the strategy
    was counted to make. What an audit costs is counted in passes over the training set, per epoch.
    """
    names = ["none", *(name for name in sorted(options("noise")) if name != "none")]
    arms = {name: arm for name in names if (arm := _arm(cfg, name)) is not None}
    batches = first_batches(arms["none"].parts, 4)
    times: dict[str, list[float]] = {name: [] for name in (*arms, "inference", "pass")}
    for round_number in range(ROUNDS + 1):
        for name, arm in arms.items():
            times[name].append(arm.step(batches[round_number % len(batches)]))
        model = arms["none"].parts.task.model
        batch = arms["none"].parts.task.complete(batches[round_number % len(batches)])
        times["inference"].append(_inference(model, batch.image))
        times["pass"].append(_trained_pass(arms["none"].parts, batch))
    # The ratio to the same round's step of `none`: a drift of the machine hits both alike. The first is a warm-up.
    ratios = {
        name: statistics.median(own / base for own, base in zip(values[1:], times["none"][1:], strict=True))
        for name, values in times.items()
    }
    lines = [["noise", "trained", "inferred", "theory", "measured", "measured / theory", "audit"]]
    for name, arm in arms.items():
        trained, inferred = arm.passes
        theory = 1 + (trained - 1) * ratios["pass"] + inferred * ratios["inference"]
        cells = [
            f"{trained:g}",
            f"{inferred:g}",
            f"{theory:.2f}",
            f"{ratios[name]:.2f}",
            f"{ratios[name] / theory:.2f}",
        ]
        lines.append([name, *cells, f"{arm.audits():.2f}"])
    table = markdown(lines)
    Console().print(table, markup=False, highlight=False, soft_wrap=True)
    return table


class _Arm:
    """A strategy in the middle of a training, ready for single steps without a trainer."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.task = parts.task.train()
        self.optimizer = parts.task.optimizer(p for p in parts.task.parameters() if p.requires_grad)  # type: ignore[misc]
        self.progress = Progress(EPOCHS // 2, 50 * EPOCHS, EPOCHS, 100 * EPOCHS)
        self.passes = Passes(0, 0)

    def step(self, collated: Batch) -> float:
        """Train one step as the task does; give the seconds."""
        batch = self.task.complete(collated)
        with _counted(self.task, batch.image) as passes:
            start = time.perf_counter()
            strategy, model = self.task.strategy, self.task.model
            batch = strategy.prepare(batch, model, self.progress)
            logits = model(batch.image)
            batch = batch._replace(weight=batch.weight * strategy.trust(logits.detach(), batch, self.progress))
            terms = strategy.loss_terms(logits, batch, self.task.criterion, self.progress)
            self.optimizer.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            self.optimizer.step()
            strategy.after_step(model)
            seconds = time.perf_counter() - start
        self.passes = Passes(*passes)
        return seconds

    def audits(self) -> float:
        """Count the passes over the training set that audits make, for each epoch of the training."""
        view = _CountingView(self.parts, self.task.complete(first_batches(self.parts, 1)[0]))
        strategy = copy.deepcopy(self.task.strategy)
        with torch.no_grad():
            for epoch in range(EPOCHS):
                strategy.audit(view, epoch)
        return view.passes / EPOCHS


class _CountingView:
    """A training set of one batch, that counts how often it is gone through."""

    def __init__(self, parts: Parts, batch: Batch) -> None:
        self.parts = parts
        self.batch = batch
        self.passes = 0

    @property
    def samples(self) -> Samples:
        return self.parts.data.splits["train"].samples

    @property
    def share(self) -> Sequence[int]:
        return range(len(self.parts.data.splits["train"]))

    @property
    def annotation_names(self) -> list[str]:
        return self.parts.data.splits["train"].annotation_names

    def __iter__(self) -> Iterator[Seen]:
        self.passes += 1
        yield Seen(self.batch, to_probs(self.parts.task.model(self.batch.image)))

    def gather(self, table: Tensor) -> Tensor:
        return table

    def relabel(self, index: int, probs: Tensor, weight: Tensor) -> None:
        pass

    def annotations(self, index: int) -> dict[str, Tensor]:
        return {name: torch.from_numpy(m) for name, m in self.parts.data.splits["train"].annotations(index).items()}


def _arm(cfg: DictConfig, name: str) -> _Arm | None:
    """Build the training of a strategy; None where the data or the model have not what it needs."""
    cfg = copy.deepcopy(cfg)
    cfg.trainer.max_epochs = EPOCHS
    cfg.noise = compose_config("train", [f"noise={name}"]).noise
    try:
        return _Arm(build(cfg, Path(tempfile.mkdtemp(prefix="segtrain-benchmark-"))))
    except ConfigError as refusal:
        Console().print(f"{name}: left out, {refusal}", highlight=False, soft_wrap=True)
        return None


@contextmanager
def _counted(task: nn.Module, image: Tensor) -> Iterator[list[float]]:
    """Count the passes of all networks of the model's kind, in batches of `image`'s size."""
    passes = [0.0, 0.0]

    def count(_: nn.Module, given: Any, logits: Tensor) -> None:
        passes[0 if logits.requires_grad else 1] += given[0].numel() / image.numel()

    kind = type(task.model)
    hooks = [module.register_forward_hook(count) for module in task.modules() if type(module) is kind]
    try:
        yield passes
    finally:
        for hook in hooks:
            hook.remove()


def _inference(model: nn.Module, image: Tensor) -> float:
    with evaluating(model), torch.no_grad():
        start = time.perf_counter()
        to_probs(model(image))
        return time.perf_counter() - start


def _trained_pass(parts: Parts, batch: Batch) -> float:
    """Time a forward pass, loss and backward pass, without the optimiser."""
    start = time.perf_counter()
    parts.task.criterion(parts.task.model(batch.image), batch.target, batch.weight).backward()
    return time.perf_counter() - start
