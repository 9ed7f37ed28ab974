"""benchmark audit: how right an audit is, and which evidence carries its weight, where a reference tells the truth."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from segtrain.audit.store import AuditStore
from segtrain.config import compose_config
from segtrain.data.examine import agreement
from segtrain.reports.compare import markdown
from segtrain.reports.study import spread
from segtrain.run.audit import audit
from segtrain.run.benchmark.arms import chosen_arms
from segtrain.run.build import build_sources
from segtrain.run.restore import restore_plan
from segtrain.run.status import write_atomically

__all__ = ["audits"]

FIRST = 500
"""Issues that a person may look at."""
CUT = 0.7
"""The score from which on labels are mended."""


def audits(cfg: DictConfig) -> str:
    """Audit a study's labels with each arm's evidence, on the same models of each seed; give a Markdown table.

    What an earlier benchmark has left in `report` counts; fold trainings that were done are not done again.
    """
    output = Path(cfg.report or cfg.folder)
    file = output / f"{cfg.study.name}.json"
    known: dict[str, dict[str, Any]] = json.loads(file.read_text())["audits"] if file.exists() else {}
    for seed in cfg.seeds:
        run = Path(cfg.folder) / cfg.study.name / f"seed{seed}"
        train = compose_config("train", _settings(cfg, seed))
        for arm in chosen_arms(cfg):
            if f"{arm}/{seed}" in known:
                continue
            write_atomically(run / "config.yaml", OmegaConf.to_yaml(train, resolve=True))
            known[f"{arm}/{seed}"] = _measured(cfg, run, arm)
            write_atomically(
                file, json.dumps({"study": cfg.study.name, "title": cfg.study.title, "audits": known}) + "\n"
            )
    table = _table(known)
    write_atomically(output / f"{cfg.study.name}.md", f"# {cfg.study.title}: the audit\n\n{table}\n")
    Console().print(table, markup=False, highlight=False, soft_wrap=True)
    return table


def _settings(cfg: DictConfig, seed: int) -> list[str]:
    study = cfg.study
    root = [] if cfg.root is None else [f"data.root={cfg.root}"]
    trusted = [f"trusted.{key}={value}" for key, value in study.trusted.items()]
    every = [*cfg.common, *study.overrides, *trusted, *root, f"seed={seed}"]
    return list({override.partition("=")[0]: override for override in every}.values())


def _measured(cfg: DictConfig, run: Path, arm: str) -> dict[str, Any]:
    """Audit with one arm's evidence; give what is told of its truth."""
    given = [f"run={run}", "review=200", f"output={run / 'audit'}", f"truth={cfg.study.truth}", f"folds={cfg.folds}"]
    page = audit(compose_config("audit", [*given, f"split={cfg.split}", *cfg.recipes[arm]]))
    store = AuditStore(page.parent)
    told: dict[str, Any] = {"arm": arm, **store.summary["truth"], "images": store.summary["images"]}
    told["issues"] = store.summary["issues"]
    told["dice_of_majority"] = _majority(cfg, run)
    if cfg.instances is not None:
        told["instances"], told["instances_found"] = _instances(store, run, cfg)
    return told


def _majority(cfg: DictConfig, run: Path) -> float | None:
    """Give the Dice of the majority of several annotators' masks, where there are some."""
    run_cfg, plan = restore_plan(compose_config("audit", [f"run={run}"]), run)
    source = build_sources(run_cfg, plan)["train"]
    shown = [number for number, name in enumerate(plan.data.classes) if name != "background"]
    scores = []
    for row in range(len(source)):
        masks = list(source.annotations(row).values())
        truth = source.references(row).get(cfg.study.truth)
        if masks and truth is not None and not source.samples.clean[row]:
            votes = np.stack([np.stack(masks) == c for c in range(len(plan.data.classes))]).sum(axis=1)  # (C, H, W)
            scores.append(agreement(votes.argmax(axis=0).astype(np.uint8), truth, len(plan.data.classes), shown))
    return float(np.mean(scores)) if scores else None


def _instances(store: AuditStore, run: Path, cfg: DictConfig) -> tuple[int, int]:
    """Count the instances that were removed or replaced afterwards, and those that one of the first issues touches."""
    issues = store.issues().head(FIRST)
    root = Path(OmegaConf.load(run / "config.yaml").data.root)
    total = found = 0
    for file in sorted((root / cfg.instances.before).glob("*.png")):
        gone, before = _gone(file, root / cfg.instances.after / file.name)
        total += len(gone)
        touched = np.zeros(before.shape, bool)
        entry = store.read(file.stem)
        for name in issues.loc[issues["image"] == file.stem, "issue"]:
            assert entry is not None
            issue = entry.issues[int(name.rpartition("#")[2])]
            touched[issue.window] |= issue.mask
        near = cv2.dilate(touched.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        found += len(set(np.unique(before[near])) & gone)
    return total, found


def _gone(before: Path, after: Path) -> tuple[set[int], np.ndarray]:
    """Give the numbers of the instances that another map has not, and the map; without another map none is told."""
    numbers = cv2.imread(str(before), cv2.IMREAD_UNCHANGED)
    assert numbers is not None
    if not after.exists():
        return set(), numbers
    kept = cv2.imread(str(after), cv2.IMREAD_UNCHANGED)
    assert kept is not None
    return set(np.unique(numbers)) - set(np.unique(kept)) - {0}, numbers


def _table(known: Mapping[str, Mapping[str, Any]]) -> str:
    """Give a row for each arm, mean and spread over seeds."""
    arms: dict[str, list[Mapping[str, Any]]] = {}
    for told in known.values():
        arms.setdefault(told["arm"], []).append(told)
    head = [
        "evidence", "seeds", "AP of images", "AP, soft minimum", "wrong images", "precision@25", "recall@100",
        "rank correlation with Dice", "same, soft minimum", f"issues >= {CUT} right", "Dice before",
        f"Dice after, >= {CUT}", "Dice of the majority", "pixels mended", "pixels harmed",
        f"instances found in {FIRST}",
    ]  # fmt: skip
    rows = [[name, str(len(seeds)), *_cells(seeds)] for name, seeds in arms.items()]
    filled = [place for place in range(len(head)) if any(row[place] for row in rows)]
    return markdown([[line[place] for place in filled] for line in [head, *rows]])


def _cells(seeds: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    def cell(values: list[Any], form: str = "") -> str:
        if any(value is None for value in values):
            return ""
        return spread(np.array(values, float)) if not form else form.format(np.mean(values))

    quality, soft = ([one["ranking"][name] for one in seeds] for name in ("quality", "soft_minimum"))
    cut = [next(row for row in one["thresholds"] if row["score"] == CUT) for one in seeds]
    yield cell([each["average_precision"] for each in quality])
    yield cell([each["average_precision"] for each in soft])
    yield cell([one["wrong_images"] / one["images"] for one in seeds], "{:.3f}")
    yield cell([each.get("precision_at_25") for each in quality])
    yield cell([each.get("recall_at_100") for each in quality])
    yield cell([each["spearman_with_dice"] for each in quality])
    yield cell([each["spearman_with_dice"] for each in soft])
    yield cell([row["right"] for row in cut])
    yield cell([one["dice_before"] for one in seeds])
    yield cell([row["dice_after"] for row in cut])
    yield cell([one["dice_of_majority"] for one in seeds])
    yield cell([row["mended"] for row in cut], "{:.0f}")
    yield cell([row["harmed"] for row in cut], "{:.0f}")
    found = [one.get("instances_found") for one in seeds]
    yield f"{cell(found, '{:.0f}')} of {seeds[0]['instances']}" if None not in found else ""
