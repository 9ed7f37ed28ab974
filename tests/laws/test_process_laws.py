"""Two processes that share the training set come to the same audit, the same labels and the same draws as one."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from segtrain.config import options
from segtrain.data.labels import RevisedLabels
from segtrain.data.pixel_form import PixelForm
from segtrain.data.sample import PlainSet
from segtrain.data.view import ModelView
from segtrain.run.build import Parts, build
from tests.small import small_config

EPOCHS = 4


class Outcome(NamedTuple):
    """What a process knows after its audits."""

    state: dict[str, Tensor]
    weights: list[Tensor]


class Meeting:
    """Adds tables up over threads that stand for processes; each call waits for all of them."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size, timeout=60)
        self.tables: dict[int, Tensor] = {}

    def gather(self, rank: int) -> Callable[[Tensor], Tensor]:
        def add_up(table: Tensor) -> Tensor:
            self.tables[rank] = table.clone()
            self.barrier.wait()
            total = torch.stack([self.tables[number] for number in sorted(self.tables)]).sum(dim=0)
            self.barrier.wait()
            return total

        return add_up


def audited(parts: Parts, rank: int, world: int, gather: Callable[[Tensor], Tensor], folder: Path) -> Outcome:
    """Run all audits of a training on one process's share; the model stays as it is made."""
    data, source = parts.data, parts.data.splits["train"]
    revised = RevisedLabels(folder)
    weights = []
    for epoch in range(EPOCHS):
        rows = PlainSet(source, data.data.size, data.data.fit, PixelForm(revised, 2), range(rank, len(source), world))
        loader = DataLoader(rows, batch_size=4, collate_fn=list)
        given = (data.form.collate, parts.task.complete, parts.task.predict_each, gather)
        view = ModelView(source, loader, *given, revised, 1 + epoch, rows.rows)
        with torch.no_grad():
            parts.task.strategy.audit(view, epoch)
        weights.append(parts.task.strategy.sample_weights(source.samples, epoch).cpu())
    return Outcome(parts.task.strategy.state_dict(), weights)


def run(name: str, world: int, folder: Path) -> list[Outcome]:
    cfg = small_config(f"noise={name}", f"trainer.max_epochs={EPOCHS}", "model.dropout=0.2", "data.num_train=13")
    every = [build(cfg, folder / str(rank)) for rank in range(world)]
    meeting = Meeting(world)
    outcomes: dict[int, Outcome] = {}

    def work(rank: int) -> None:
        try:
            outcomes[rank] = audited(every[rank], rank, world, meeting.gather(rank), folder / "revised")
        except BaseException:
            meeting.barrier.abort()
            raise

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == list(range(world)), "a process failed or waited for another in vain"
    return [outcomes[rank] for rank in range(world)]


def labels(folder: Path) -> dict[str, np.ndarray]:
    found = {}
    for file in sorted((folder / "revised").rglob("*.npz")):
        with np.load(file) as stored:
            found[f"{file.parent.name}/{file.stem}"] = stored["probs"].astype(np.float32)
    return found


@pytest.mark.parametrize("name", sorted(options("noise")))
def test_an_audit_is_the_same_on_two_processes(tmp_path: Path, name: str) -> None:
    (alone,) = run(name, 1, tmp_path / "one")
    first, second = run(name, 2, tmp_path / "two")
    for key, value in first.state.items():
        assert torch.equal(value, second.state[key]), f"the processes differ in {key}"
        assert torch.allclose(value.double(), alone.state[key].double(), atol=1e-4), f"two differ from one in {key}"
    for ours, theirs, whole in zip(first.weights, second.weights, alone.weights, strict=True):
        assert torch.equal(ours, theirs)
        assert torch.equal(ours, whole)
    one, two = labels(tmp_path / "one"), labels(tmp_path / "two")
    assert list(one) == list(two)  # each label rewritten once, by whoever owns it
    for key, probs in one.items():
        assert np.allclose(probs, two[key], atol=2e-2), key
