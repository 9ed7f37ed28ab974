"""The audit from beginning to end: models that have not learned the labels, a look at a sample, a look at all."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.progress import track

from segtrain.audit.evidence import Evidence
from segtrain.audit.judge import Judge
from segtrain.audit.store import AuditStore
from segtrain.config import compose_config, suggestion
from segtrain.data.held_out import HeldOut
from segtrain.data.source import Source
from segtrain.errors import ConfigError
from segtrain.run.audit.budget import check_budget, learning_curve
from segtrain.run.audit.desk import Desk
from segtrain.run.audit.folds import train_folds
from segtrain.run.audit.leakage import leakage_sentences, leakage_table
from segtrain.run.audit.looks import Eyes
from segtrain.run.audit.noise import noise_table, party_sentences
from segtrain.run.audit.results import finish, tell
from segtrain.run.audit.study import StudyView, chosen_rows, learn
from segtrain.run.build import Plan, build_members
from segtrain.run.correct import correct
from segtrain.run.restore import restore, restore_plan, restore_sources
from segtrain.run.weights import find_checkpoint
from segtrain.types import Samples

__all__ = ["audit", "eyes_of"]

PRECISE = 0.8
"""Estimated precision from which on issues are mended without a person's word."""


def audit(cfg: DictConfig) -> Path:
    """Audit the labels of a run's data; give the page of the results, see docs/audit.md for all of them.

    Raises:
        ConfigError: the data are not where the run had them, or the evidence needs what is not there.
    """
    evidence: dict[str, Evidence] = build_members(cfg.evidence)
    _check(cfg, evidence)
    run = _run_folder(cfg)
    run_cfg, plan = restore_plan(cfg, run)
    # All samples are judged, also those that the run held out; the folds are dealt from the same ones.
    OmegaConf.update(run_cfg, "held_out", {"fold": None, "clean": None}, merge=False, force_add=True)
    source, trained = _source(cfg, run_cfg, plan)
    check_budget(cfg.budget, source)
    folder = Path(cfg.output) if cfg.output else run / "audit"
    eyes = eyes_of(cfg, run_cfg, folder, evidence)
    looks = partial(eyes.looks, source, parts=_parts(source.samples, trained, cfg.folds))
    sample = chosen_rows(source.samples, cfg.sample, cfg.seed)
    learned = learn(StudyView(source, sample, looks, evidence, len(plan.data.classes)))
    judge = Judge(evidence, dict(cfg.weights), cfg.tolerance, cfg.least_score)
    desk = Desk(source, judge, learned, AuditStore(folder / "unfinished"), plan.data, cfg.truth)
    rows = np.flatnonzero(source.samples.labelled.numpy()).tolist()
    console = Console(stderr=True)
    shown = track(looks(rows), "audit", total=len(rows), console=console, disable=not console.is_terminal)
    judged = [desk.judged(row, look) for row, look in shown]
    classes = list(plan.data.classes)
    tables = {"noise": noise_table(learned, source, sample, classes, evidence)}
    if cfg.near_duplicates:
        tables["near_duplicates"] = leakage_table(plan.data)
    curve = learning_curve(cfg, run_cfg, source, folder / "budget") if cfg.budget else None
    about: dict[str, Any] = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": str(run),
        "checkpoint": eyes.fingerprint(),
        "split": cfg.split,
        "folds": cfg.folds,
        "evidence": list(evidence),
        "data": source.fingerprint(),
        "classes": classes,
        "overlapping": plan.data.overlapping,
        "confusion": desk.confusion.tolist(),
        "sentences": [*learned.sentences(classes), *party_sentences(tables["noise"])],
        "budget": None if curve is None else curve.as_dict(),
        "advice": [] if curve is None else curve.sentences(),
    }
    if cfg.near_duplicates:
        about["sentences"] += leakage_sentences(tables["near_duplicates"])
    page, summary = finish(folder, source, judged, about, cfg.review, tables, desk.regions)
    tell(page, summary)
    _mend(cfg, run, folder, summary)
    return page


def _mend(cfg: DictConfig, run: Path, folder: Path, summary: Mapping[str, Any]) -> None:
    """Write masks with the issues mended that are probably right, into `mended/`; nothing where nobody knows."""
    sure = [row["score"] for row in summary["thresholds"] if row["issues"] and (row["precision"] or 0) >= PRECISE]
    above = cfg.accept if cfg.accept is not None else min(sure, default=None)
    if above is None or cfg.split == "all":
        return
    output = folder / "mended" / str(summary["created"]).partition("+")[0].replace(":", "-")  # of this audit alone
    given = {"run": str(run), "audit": str(folder), "above": above, "output": str(output)}
    given["allow_targets"] = list(cfg.allow_targets)
    given["data"] = {"root": cfg.data.root}
    correct(OmegaConf.merge(compose_config("correct", [f"run='{run}'", "above=0"]), given))  # type: ignore[arg-type]


def _run_folder(cfg: DictConfig) -> Path:
    """Give the run's folder; with folds its own weights are not needed."""
    if cfg.folds and cfg.run:
        return Path(cfg.run)
    return find_checkpoint(cfg.run, cfg.ckpt_path)[0]


def _check(cfg: DictConfig, evidence: dict[str, Evidence]) -> None:
    """Tell what is wrong with the settings, all of it."""
    faults = [
        f"weights.{name}: there is no such evidence{suggestion(name, list(evidence))} There are {', '.join(evidence)}."
        for name in cfg.weights
        if name not in evidence
    ]
    if not evidence:
        faults.append("evidence: choose at least one, such as evidence=[self_confidence]")
    if cfg.folds == 1 or cfg.folds < 0:
        faults.append(f"folds={cfg.folds}: at least 2 models, or 0 for the run's own")
    for key, allowed, fine in (
        ("least_score", "in [0, 1]", 0 <= cfg.least_score <= 1),
        ("tolerance", "at least 0 pixels", cfg.tolerance >= 0),
        ("sample", "at least 1 image", cfg.sample >= 1),
        ("passes", "at least 2", cfg.passes >= 2),
        ("split", "train, val, test or all", cfg.split in ("train", "val", "test", "all")),
        ("split", "with a budget, train", not cfg.budget or cfg.split == "train"),
    ):
        if not fine:
            faults.append(f"{key}={cfg[key]}: {allowed} is possible")
    if faults:
        raise ConfigError("the audit cannot be set up:", faults)


def _source(cfg: DictConfig, run_cfg: DictConfig, plan: Plan) -> tuple[Source, int]:
    """Give what is audited, and how many of its samples, the first ones, are of the training split."""
    splits = restore_sources(run_cfg, plan, together=cfg.split == "all")
    source = splits[cfg.split]
    if not source.samples.labelled.any():
        raise ConfigError(f"split={cfg.split} has no image with a mask: there is nothing to audit.")
    if cfg.truth is not None and cfg.truth not in source.reference_names:
        near = suggestion(cfg.truth, source.reference_names)
        raise ConfigError(f"truth={cfg.truth}: the data have no such reference mask{near} See data.references.")
    return source, len(splits["train"]) if cfg.split in ("train", "all") else 0


def eyes_of(cfg: DictConfig, run_cfg: DictConfig, folder: Path, evidence: Mapping[str, Evidence]) -> Eyes:
    """Give what looks at the images: models of the folds, or the run's own."""
    needs = frozenset(field for part in evidence.values() for field in part.needs)
    folders = train_folds(run_cfg, folder / "folds", cfg.folds, needs) if cfg.folds else []
    checkpoints = [find_checkpoint(str(place), None)[1] for place in folders]
    checkpoints = checkpoints or [find_checkpoint(cfg.run, cfg.ckpt_path)[1]]
    restored = restore(OmegaConf.merge(cfg, {"ckpt_path": str(checkpoints[0])}))  # type: ignore[arg-type]
    on_gpu = torch.cuda.is_available() and run_cfg.trainer.accelerator != "cpu"
    restored.task.to(torch.device("cuda" if on_gpu else "cpu"))
    return Eyes(restored, checkpoints, needs, cfg.passes, cfg.layer)


def _parts(samples: Samples, trained: int, folds: int) -> np.ndarray:
    """Give the fold whose model has not learned each sample, (N,) int; beyond the `trained` first ones none has."""
    count = len(samples.clean)
    if not folds:
        return np.zeros(count, int)
    own = Samples(*(column[:trained] for column in samples))
    parts = HeldOut(fold=0, folds=folds).parts(own) if trained else np.zeros(0, int)
    return np.concatenate([parts, np.arange(count - trained) % folds])
