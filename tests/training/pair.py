"""Trainings one after another, alone or as one of two processes: `python -m tests.training.pair FOLDER`."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from segtrain.run import train
from segtrain.training.data import SegmentationData
from segtrain.training.semantic import SemanticTask

ROOT = Path(__file__).parent.parent.parent
Tensors = dict[str, Tensor]


class Account(NamedTuple):
    """What one process saw of its training."""

    clean: Tensor
    """(N,) bool, of the training samples."""
    weights: list[Tensor]
    """What the strategy asked for in each epoch, (N,)."""
    drawn: list[list[list[int]]]
    """Which samples were trained on: epoch, step, place in the batch."""
    start: Tensors
    """Trained parameters before the first step."""
    end: Tensors
    """Trained parameters after the last step."""
    entering: list[Tensors]
    """All buffers as a step begins, within DDP's forward pass."""
    leaving: list[Tensors]
    """All buffers when a step is over."""
    auditing: list[Tensors]
    """All buffers as an audit begins."""
    step_seeds: list[int]
    """What torch was seeded with as a step begins."""
    audit_seeds: list[int]
    """What torch was seeded with as an audit begins."""
    written: list[str]
    """Labels that this process wrote, as revision/id."""


class Witness(pl.Callback):
    """Keep what a process saw, in `witness<rank>.pt` of the run's folder."""

    def __init__(self) -> None:
        self.seen = Account(torch.empty(0), [], [], {}, {}, [], [], [], [], [], [])

    def setup(self, trainer: pl.Trainer, pl_module: Any, stage: str) -> None:
        data: SegmentationData = trainer.datamodule  # type: ignore[attr-defined]
        strategy, revised, seen = pl_module.strategy, data.revised, self.seen
        prepare, audit, write = strategy.prepare, strategy.audit, revised.write

        def prepare_heard(*args: Any) -> Any:
            seen.entering.append(buffers(pl_module))
            seen.step_seeds.append(torch.initial_seed())
            return prepare(*args)

        def audit_heard(*args: Any) -> None:
            seen.auditing.append(buffers(pl_module))
            seen.audit_seeds.append(torch.initial_seed())
            audit(*args)

        def write_heard(revision: int, sample_id: str, label: Any) -> None:
            seen.written.append(f"{revision:04d}/{sample_id}")
            write(revision, sample_id, label)

        strategy.prepare, strategy.audit, revised.write = prepare_heard, audit_heard, write_heard  # type: ignore[method-assign]

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.seen.start.update(trained_parameters(pl_module))

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 0:
            samples = trainer.datamodule.splits["train"].samples  # type: ignore[attr-defined]
            self.seen = self.seen._replace(clean=samples.clean)
            self.seen.weights.append(pl_module.strategy.sample_weights(samples, trainer.current_epoch).cpu())
            self.seen.drawn.append([])

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.seen.drawn[-1].append(batch.index.tolist())
        self.seen.leaving.append(buffers(pl_module))

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.seen.end.update(trained_parameters(pl_module))
        torch.save(self.seen._asdict(), Path(trainer.default_root_dir) / f"witness{trainer.global_rank}.pt")


def trained_parameters(task: SemanticTask) -> Tensors:
    return {name: value.detach().clone() for name, value in task.named_parameters() if value.requires_grad}


def buffers(task: SemanticTask) -> Tensors:
    return {name: value.clone() for name, value in task.named_buffers()}


def account(folder: Path, rank: int = 0) -> Account:
    return Account(**torch.load(folder / f"witness{rank}.pt", weights_only=True))


def start(folder: Path, configs: Mapping[str, DictConfig], processes: int) -> list[subprocess.Popen[bytes]]:
    """Start processes that do trainings together, in the order of their names, each in a folder within `folder`.

    A `ckpt_path` is taken from there.
    """
    folder.mkdir()
    for name, given in configs.items():
        cfg = given.copy()
        cfg.trainer.devices, cfg.trainer.strategy = processes, "ddp" if processes > 1 else "auto"
        cfg.ckpt_path = cfg.ckpt_path and str(folder / cfg.ckpt_path)
        OmegaConf.save(cfg, folder / f"{name}.yaml", resolve=True)
    command = [sys.executable, "-m", "tests.training.pair", str(folder)]
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_network_port()), "OMP_NUM_THREADS": "1"}
    started = []
    for rank in range(processes):
        place = {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "WORLD_SIZE": str(processes)} if processes > 1 else {}
        with output(folder, rank).open("wb") as file:
            env = {**os.environ, **meeting, **place}
            started.append(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=env, cwd=ROOT))
    return started


def output(folder: Path, rank: int) -> Path:
    return folder / f"output{rank}.txt"


def finish(processes: list[subprocess.Popen[bytes]]) -> list[int]:
    """Wait, and give the exit codes; where one process fails, the others would wait for it for ever and are ended."""
    while any(process.poll() is None for process in processes) and not any(process.poll() for process in processes):
        time.sleep(0.1)
    for process in processes:
        if process.poll() is None:
            process.kill()
    return [process.wait() for process in processes]


def main() -> None:
    for file in sorted(Path(sys.argv[1]).glob("*.yaml")):
        sys.stdout.write(f"== {file.stem}\n")
        sys.stdout.flush()
        cfg, folder = OmegaConf.load(file), file.with_suffix("")
        assert isinstance(cfg, DictConfig)
        cfg.callbacks.witness = {"_target_": "tests.training.pair.Witness"}
        # Lightning, too, starts further processes when the first one's run is built and its config is written.
        while os.environ.get("LOCAL_RANK", "0") != "0" and not (folder / "config.yaml").exists():
            time.sleep(0.02)
        train(cfg, folder)


if __name__ == "__main__":
    main()
