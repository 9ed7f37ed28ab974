"""benchmark noise: what each strategy is worth beside honest controls, on one data set with one kind of noise."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from segtrain.errors import ConfigError
from segtrain.reports.records import Record, read_record, read_records, training_record
from segtrain.reports.study import StudyFacts, write_study
from segtrain.run.benchmark.arms import Job, jobs, settings_of
from segtrain.run.status import write_atomically

__all__ = ["noise"]


def noise(cfg: DictConfig) -> str:
    """Train what is missing, each training in a process of its own, and write the table of all there is.

    A benchmark that was stopped goes on where it was: finished trainings are kept, one that was begun resumes from
    its last checkpoint. What an earlier benchmark has left in `report` counts too, so that an arm is added to a
    published study without its runs. Give the Markdown table.

    Raises:
        ConfigError: arms that do not exist; or trainings failed, after the table of the others was written.
    """
    wanted = jobs(cfg)
    output = Path(cfg.report or cfg.folder)
    published = {record.key: record for record in read_records(output / f"{cfg.study.name}.json")}
    missing = [job for job in wanted if not _done(job, published)]
    console = Console()
    console.print(f"{cfg.study.name}: {len(wanted)} trainings, {len(missing)} to do", highlight=False)
    failed: list[str] = []
    stop = threading.Event()
    with ThreadPoolExecutor(cfg.at_once) as pool:
        try:
            for job, reason in pool.map(lambda job: (job, _run(job, cfg, stop)), missing):
                console.print(f"{job.arm} seed {job.seed}: {reason or 'done'}", highlight=False, soft_wrap=True)
                failed += [f"{job.arm} seed {job.seed}: {reason}"] if reason else []
        except BaseException:
            stop.set()  # ends the trainings under way: each leaves a checkpoint
            raise
    trained = [read_record(file) for file in (Path(cfg.folder) / cfg.study.name).glob("*/seed*.json")]
    known = published | {record.key: record for record in trained if record is not None}
    settings = settings_of(cfg)  # what was measured with others is no longer comparable
    current = [record for record in known.values() if record.settings == settings.get(record.arm)]
    table = write_study(current, output, _facts(cfg))
    console.print(table, markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise ConfigError("some trainings failed; the table is of the others:", failed)
    return table


def _facts(cfg: DictConfig) -> StudyFacts:
    study = cfg.study
    return StudyFacts(study.name, study.title, study.truth, list(study.others), list(study.classes))


def _done(job: Job, published: Mapping[tuple[str, int], Record]) -> bool:
    """Whether it was trained to its end, with the same settings."""
    record = read_record(job.folder.with_suffix(".json")) or published.get((job.arm, job.seed))
    return record is not None and record.settings == job.settings


def _run(job: Job, cfg: DictConfig, stop: threading.Event) -> str:
    """Train in a process of its own; give the reason of a failure, or an empty text."""
    if stop.is_set():
        return "stopped"
    last = job.folder / "checkpoints" / "last.ckpt"
    begun = job.folder.with_suffix(".settings")
    settings = json.dumps(job.settings)
    if job.folder.exists() and not (last.exists() and begun.exists() and begun.read_text() == settings):
        shutil.rmtree(job.folder)  # it ended before it could be resumed, or had other settings
    write_atomically(begun, settings)
    command = [sys.executable, "-m", "segtrain", "train", *job.settings, *job.place]
    command += [f"ckpt_path={last}"] if last.exists() else []
    with job.folder.with_suffix(".log").open("a") as log:
        env = os.environ | {"OMP_NUM_THREADS": str(cfg.threads)}
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=env, start_new_session=True)
        while (code := process.poll()) is None:
            if stop.wait(0.2):
                process.terminate()  # a training that is told to end leaves a checkpoint
    if code != 0:
        return _reason(job.folder, code)
    record = training_record(job.folder, job.arm, job.seed, job.settings, cfg.study.truth)
    write_atomically(job.folder.with_suffix(".json"), json.dumps(record._asdict()) + "\n")
    return ""


def _reason(folder: Path, code: int) -> str:
    status = folder / "status.json"
    if status.exists() and (reason := json.loads(status.read_text())["reason"]):
        return str(reason)
    lines = folder.with_suffix(".log").read_text().strip().splitlines()
    return f"exit status {code}: {lines[-1] if lines else 'no output'}"
