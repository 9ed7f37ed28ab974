"""correct: decisions on an audit's issues in, corrected masks out, with the provenance of every change."""

import csv
import json
import math
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track

from segtrain import __version__
from segtrain.audit.decisions import Decisions, Verdict, read_decisions
from segtrain.audit.mend import CORRECTION_COLUMNS, Mended, correction_row, mend
from segtrain.audit.store import AuditStore, Entry
from segtrain.config import check
from segtrain.data.corrected import CorrectedMasks, write_planes
from segtrain.data.export import EXPORTS, Finding, Picture
from segtrain.data.source import Source
from segtrain.errors import ConfigError, DataError
from segtrain.run.build import Plan
from segtrain.run.new_folder import PROVENANCE, hash_of, inventory, new_folder, refuse_taken
from segtrain.run.restore import restore_plan, restore_sources

__all__ = ["correct"]

_SUMMARY = ("created", "run", "checkpoint", "split", "data", "classes")


class Job(NamedTuple):
    """All that a correction needs, checked."""

    store: AuditStore
    summary: Mapping[str, Any]
    decisions: Decisions
    plan: Plan
    source: Source
    masks: CorrectedMasks
    precisions: Mapping[str, float]
    """Issue -> estimated share of issues with its score or a higher one that are right; NaN = unknown."""
    now: str


def correct(cfg: DictConfig) -> Path:
    """Write the split's masks with the accepted issues mended, and give their folder.

    It holds `masks/<id>.png` of every labelled image (overlapping classes: `masks/<class>/<id>.png`), likewise
    `sources/` of changed images (who had each pixel changed, see `segtrain.audit.mend.SOURCES`), `corrections.csv`,
    `provenance.json` and the exports. One image is in memory at a time, and what the exports gather.

    Raises:
        ConfigError: settings, decisions or data do not fit the audit, or the folder is taken; nothing was written.
        DataError: images or masks that cannot be read.
    """
    check(cfg, name="correct", overrides=[f"allow_targets={list(cfg.allow_targets)}"])
    job, run_cfg = _job(cfg)
    output = Path(cfg.output) if cfg.output else job.store.folder / "corrected"
    if own := job.masks.holds(output):
        raise ConfigError(f"output={output} lies in {own}, where the data's own files are: name another folder.")
    audit = {key: job.summary[key] for key in ("created", "run", "checkpoint", "split", "data")}
    refuse_taken(output, audit)
    advice = job.masks.overrides(output) + (["corruption=none"] if run_cfg.corruption else [])
    with new_folder(output) as part:
        counts = _write(job, part, list(cfg.formats))
        about = _settings(cfg, job.decisions) | {"train_with": advice, "counts": counts, "files": inventory(part)}
        head = {"created": job.now, "segtrain": __version__, "audit": audit, "classes": job.plan.data.classes}
        (part / PROVENANCE).write_text(json.dumps({**head, **about}, indent=2) + "\n", encoding="utf-8")
    _tell(job, output, advice, counts)
    return output


def _job(cfg: DictConfig) -> tuple[Job, DictConfig]:
    """Gather what is needed, and refuse what does not fit together; also give the run's config."""
    store = AuditStore(Path(cfg.audit) if cfg.audit else Path(cfg.run) / "audit")
    summary = _summary(store)
    run_cfg, plan = restore_plan(cfg, Path(cfg.run or summary["run"]))
    source = _source(run_cfg, plan, summary)
    if source is None:
        raise ConfigError(
            f"the data are not those that {store.folder} is about, their files or settings have changed since: say "
            "where they are by data.root=..., or make the audit anew by segtrain audit run=..."
        )
    issues = store.issues()
    precisions = dict(zip(issues["issue"], issues["precision"].astype(float), strict=True))
    decisions = read_decisions(Path(cfg.decisions), summary, precisions) if cfg.decisions else Decisions()
    masks = CorrectedMasks(plan.data, plan.data.splits(), summary["split"])
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    return Job(store, summary, decisions._replace(above=cfg.above), plan, source, masks, precisions, now), run_cfg


def _source(run_cfg: DictConfig, plan: Plan, summary: Mapping[str, Any]) -> Source | None:
    """Give the split that was audited: as the run has it, or with the samples that the run held out."""
    for nothing in ({}, {"fold": None, "clean": None}):
        run_cfg.held_out = {**run_cfg.get("held_out", {}), **nothing}
        source = restore_sources(run_cfg, plan).get(summary["split"])
        if source is not None and source.fingerprint() == summary["data"]:
            return source
    return None


def _summary(store: AuditStore) -> Mapping[str, Any]:
    try:
        summary = store.summary
    except DataError as error:
        raise ConfigError(f"audit: {error}") from None
    if lacking := [key for key in _SUMMARY if key not in summary]:
        raise ConfigError(f"audit: {store.folder}/summary.json lacks {', '.join(lacking)}: make the audit anew.")
    if summary["split"] == "all":
        raise ConfigError(
            f"audit: {store.folder} is about all splits together, whose masks are written apart: audit each by itself, "
            "such as split=train."
        )
    if not (store.folder / "issues.csv").exists():
        raise ConfigError(f"audit: {store.folder} lacks issues.csv: make the audit anew.")
    return summary


def _write(job: Job, folder: Path, formats: list[str]) -> dict[str, int]:
    """Write all but the provenance, and count."""
    exports = [EXPORTS[name](job.plan.data.classes) for name in formats if name in EXPORTS]
    counts: Counter[str] = Counter(images=0, images_changed=0, pixels_changed=0)
    counts.update(dict.fromkeys(("accepted_by_person", "accepted_by_score", "rejected", "open"), 0))
    with (folder / "corrections.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, CORRECTION_COLUMNS)
        table.writeheader()
        for image, label in _labels(job):
            entry = job.store.read(image) or Entry(image, [], label, label)
            names = [f"{image}#{number}" for number in range(len(entry.issues))]
            pairs = zip(names, entry.issues, strict=True)
            verdicts = [job.decisions.verdict(name, issue.score) for name, issue in pairs]
            mended = mend(label, entry, verdicts)
            job.masks.write(folder, image, mended.label)
            if mended.sources.any():
                write_planes(folder / "sources", image, mended.sources, job.masks.classes)
            table.writerows(_rows(job, entry, verdicts, mended))
            findings = [Finding(*each) for each in zip(names, entry.issues, verdicts, strict=True)]
            for export in exports:
                export.add(Picture(job.masks.image_file(image), mended.label, findings))
            counts.update(_counted(verdicts, mended))
    for export in exports:
        export.write(folder)
    return dict(counts)


def _labels(job: Job) -> Iterator[tuple[str, np.ndarray]]:
    """Read the split's labels; those that trusted samples of another split brought along are that split's."""
    console = Console(stderr=True)
    ids, labelled = job.source.ids, job.source.samples.labelled.tolist()
    own = [index for index, name in enumerate(ids) if labelled[index] and name in job.masks.ids]
    for index in track(own, description="correct", console=console, disable=not console.is_terminal):
        label = job.source.read(index).label
        assert label is not None
        yield ids[index], label


def _rows(job: Job, entry: Entry, verdicts: list[Verdict], mended: Mended) -> Iterator[Mapping[str, object]]:
    """Give a row of corrections.csv for each accepted issue of an image."""
    for number, pixels in mended.pixels.items():
        name = f"{entry.image}#{number}"
        precision = job.precisions.get(name, math.nan)
        by_person = verdicts[number] == "person"
        yield correction_row(
            name,
            entry.image,
            entry.issues[number],
            job.plan.data.classes,
            pixels,
            None if math.isnan(precision) else precision,
            job.decisions.who if by_person else f"model {job.summary['checkpoint']}",
            job.decisions.saved if by_person else job.now,
        )


def _counted(verdicts: list[Verdict], mended: Mended) -> dict[str, int]:
    changed = int((mended.sources > 0).sum())
    return {
        "images": 1,
        "images_changed": int(changed > 0),
        "pixels_changed": changed,
        "accepted_by_person": verdicts.count("person"),
        "accepted_by_score": verdicts.count("model"),
        "rejected": verdicts.count("rejected"),
        "open": verdicts.count("open"),
    }


def _settings(cfg: DictConfig, decisions: Decisions) -> dict[str, Any]:
    given = None
    if cfg.decisions:
        file = Path(cfg.decisions)
        given = {"file": str(file), "sha256": hash_of(file), "reviewer": decisions.reviewer, "saved": decisions.saved}
    return {"decisions": given, "above": cfg.above, "formats": list(cfg.formats)}


def _tell(job: Job, output: Path, advice: list[str], counts: Mapping[str, int]) -> None:
    """Say what was done and how to train on it."""
    accepted = counts["accepted_by_person"] + counts["accepted_by_score"]
    left_out = sum(job.decisions.accepted.values()) - counts["accepted_by_person"]
    lines = [
        f"{counts['images']} masks in {output}: {counts['images_changed']} changed by {accepted} accepted issues, "
        f"{counts['pixels_changed']} pixels; {counts['rejected']} issues rejected, {counts['open']} open"
    ]
    if left_out:
        lines.append(f"{left_out} accepted issues are of another split's samples, which have no mask here")
    if job.masks.overrides(output):
        lines.append(f"train on them with the run's settings and {' '.join(map(shlex.quote, advice))}")
    else:
        lines.append(f"{type(job.plan.data).__name__} reads no masks from files: to train on these, use data=folder")
    if getattr(job.plan.data, "clean_masks", None):
        lines.append("clean samples keep the label that data.clean_masks names")
    Console().print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)
