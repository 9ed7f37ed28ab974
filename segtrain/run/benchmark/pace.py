"""benchmark pace: an audit's speed beside plain inference, and its evidence beside cleanlab on the same arrays."""

import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from omegaconf import DictConfig
from rich.console import Console

from segtrain.audit.evidence import Evidence, Look
from segtrain.audit.judge import Judge
from segtrain.audit.store import AuditStore
from segtrain.config import compose_config
from segtrain.errors import ConfigError
from segtrain.reports.compare import markdown
from segtrain.run.audit.command import eyes_of
from segtrain.run.audit.desk import Desk
from segtrain.run.audit.study import StudyView, learn
from segtrain.run.build import build_members, build_sources
from segtrain.run.restore import restore_plan
from segtrain.types import CLASS_AXIS

__all__ = ["pace"]

ROUNDS = 3
IMAGES = 24
SAMPLE = 8


class Cost(NamedTuple):
    """What something takes."""

    seconds: float
    megabytes: float
    """The most that it had allocated at a time, beyond what was there before."""


def pace(cfg: DictConfig) -> str:
    """Time a finished run's audit; give Markdown tables.

    Args:
        cfg: of the benchmark; `run` names the run.
    """
    command = compose_config("audit", [f"run={cfg.run}", "folds=0"])
    evidence: dict[str, Evidence] = build_members(command.evidence)
    run_cfg, plan = restore_plan(command, Path(cfg.run))
    source = build_sources(run_cfg, plan)["train"]
    eyes = eyes_of(command, run_cfg, Path(cfg.run), evidence)
    rows = list(range(min(IMAGES, len(source))))
    parts = np.zeros(len(source), int)

    def looks(chosen: Sequence[int]):  # type: ignore[no-untyped-def]
        return eyes.looks(source, chosen, parts)

    learned = learn(StudyView(source, rows[:SAMPLE], looks, evidence, len(plan.data.classes)))

    def infer() -> None:
        for _, look in looks(rows):
            look.probs.argmax(axis=CLASS_AXIS)

    def examine() -> None:
        with tempfile.TemporaryDirectory() as folder:
            judge = Judge(evidence, {}, command.tolerance, command.least_score)
            desk = Desk(source, judge, learned, AuditStore(Path(folder)), plan.data, None)
            for row, look in looks(rows):
                desk.judged(row, look)

    ratio = _ratio(infer, examine)
    table = markdown([["", "speed of plain inference"], ["audit, without its sample", f"{ratio:.2f}"]])
    alike = _alike([look for _, look in looks(rows)])
    table += "\n\n" + _beside_cleanlab(alike, len(plan.data.classes))
    Console().print(table, markup=False, highlight=False, soft_wrap=True)
    return table


def _ratio(one: Callable[[], None], other: Callable[[], None]) -> float:
    """Give how fast the second is beside the first, turn by turn; the first round is a warm-up."""
    ratios = []
    for _ in range(ROUNDS + 1):
        times = []
        for work in (one, other):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        ratios.append(times[0] / times[1])
    return statistics.median(ratios[1:])


def _alike(looks: Sequence[Look]) -> list[Look]:
    """Give the images of the commonest size with exclusive classes, as cleanlab takes them."""
    shapes = [look.label.shape for look in looks if look.label.ndim == 2]
    if not shapes:
        raise ConfigError("cleanlab compares exclusive classes alone: name a run that has such.")
    common = max(set(shapes), key=shapes.count)
    return [look for look in looks if look.label.shape == common]


def _beside_cleanlab(looks: Sequence[Look], num_classes: int) -> str:
    """Judge the same labels with the same probabilities, by cleanlab and by the audit's default evidence."""
    try:
        from cleanlab.segmentation.filter import find_label_issues
        from cleanlab.segmentation.rank import get_label_quality_scores
    except ImportError:
        raise ConfigError("benchmark pace compares with cleanlab: pip install cleanlab") from None
    labels = np.stack([look.label for look in looks])
    probs = np.stack([look.probs for look in looks])

    def theirs() -> None:
        find_label_issues(labels, probs, downsample=1, n_jobs=1, verbose=False)
        get_label_quality_scores(labels, probs, verbose=False)

    def ours() -> None:
        evidence: Mapping[str, Any] = build_members(compose_config("audit", ["run=x"]).evidence)
        for look in looks[:SAMPLE]:
            for part in evidence.values():
                part.learn(look)
        for part in evidence.values():
            part.settle()
        judge = Judge(evidence, {}, 2.0, 0.5)
        for look in looks:
            judge(look, look.probs.argmax(axis=0).astype(np.uint8))

    ratio = _ratio(theirs, ours)
    costs = {"cleanlab": _cost(theirs), "audit": _cost(ours)}
    rows = [["", "seconds", "most memory (MB)"]]
    rows += [[name, f"{cost.seconds:.2f}", f"{cost.megabytes:.1f}"] for name, cost in costs.items()]
    size = " x ".join(map(str, labels.shape[1:]))
    note = f"{len(looks)} labels of {size} pixels, {num_classes} classes: the audit is {ratio:.1f} times as fast."
    return f"{markdown(rows)}\n\n{note}"


def _cost(work: Callable[[], None]) -> Cost:
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Cost(seconds, peak / 2**20)
