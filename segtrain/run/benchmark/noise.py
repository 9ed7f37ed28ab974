"""benchmark noise: what each strategy is worth beside honest controls, on one data set with one kind of noise."""

import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from segtrain.errors import ConfigError
from segtrain.reports.study import StudyFacts, write_study
from segtrain.run.benchmark.arms import Job, jobs
from segtrain.run.status import write_atomically

__all__ = ["noise"]


def noise(cfg: DictConfig) -> str:
    """Train what is missing, each training in a process of its own, and write the table of all there is.

    A benchmark that was stopped goes on where it was: finished trainings are kept, one that was begun resumes from
    its last checkpoint. Give the Markdown table.

    Raises:
        ConfigError: arms that do not exist; or trainings failed, after the table of the others was written.
    """
    wanted = jobs(cfg)
    missing = [job for job in wanted if not _done(job)]
    console = Console()
    console.print(f"{cfg.study.name}: {len(wanted)} trainings, {len(missing)} to do", highlight=False)
    failed: list[str] = []
    stop = threading.Event()
    with ThreadPoolExecutor(cfg.at_once) as pool:
        try:
            for job, reason in pool.map(lambda job: (job, _run(job, cfg.threads, stop)), missing):
                console.print(f"{job.arm} seed {job.seed}: {reason or 'done'}", highlight=False, soft_wrap=True)
                failed += [f"{job.arm} seed {job.seed}: {reason}"] if reason else []
        except BaseException:
            stop.set()  # ends the trainings under way: each leaves a checkpoint
            raise
    table = write_study(Path(cfg.folder) / cfg.study.name, Path(cfg.report or cfg.folder), _facts(cfg))
    console.print(table, markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise ConfigError("some trainings failed; the table is of the others:", failed)
    return table


def _facts(cfg: DictConfig) -> StudyFacts:
    study = cfg.study
    return StudyFacts(study.name, study.title, study.truth, list(study.others), [*cfg.common, *study.overrides])


def _done(job: Job) -> bool:
    """Whether it was trained to its end, with the same settings."""
    facts = job.folder.with_suffix(".json")
    return facts.exists() and json.loads(facts.read_text())["overrides"] == job.overrides


def _run(job: Job, threads: int, stop: threading.Event) -> str:
    """Train in a process of its own; give the reason of a failure, or an empty text."""
    if stop.is_set():
        return "stopped"
    last = job.folder / "checkpoints" / "last.ckpt"
    if not last.exists() and (job.folder / "status.json").exists():
        shutil.rmtree(job.folder)  # it ended before it could be resumed
    command = [sys.executable, "-m", "segtrain", "train", *job.overrides]
    command += [f"ckpt_path={last}"] if last.exists() else []
    job.folder.parent.mkdir(parents=True, exist_ok=True)
    with job.folder.with_suffix(".log").open("a") as log:
        env = os.environ | {"OMP_NUM_THREADS": str(threads)}
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=env, start_new_session=True)
        while (code := process.poll()) is None:
            if stop.wait(0.2):
                process.terminate()  # a training that is told to end leaves a checkpoint
    if code != 0:
        return _reason(job.folder, code)
    seconds = json.loads((job.folder / "status.json").read_text())["cpu_seconds"]
    facts = {"arm": job.arm, "seed": job.seed, "overrides": job.overrides, "cpu_seconds": seconds}
    write_atomically(job.folder.with_suffix(".json"), json.dumps(facts, indent=2) + "\n")
    return ""


def _reason(folder: Path, code: int) -> str:
    status = folder / "status.json"
    if status.exists() and (reason := json.loads(status.read_text())["reason"]):
        return str(reason)
    lines = folder.with_suffix(".log").read_text().strip().splitlines()
    return f"exit status {code}: {lines[-1] if lines else 'no output'}"
