"""The main job on two processes, under every strategy: an even share each, one result."""

import json
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

from segtrain.config import options
from segtrain.errors import DataError
from segtrain.noise import NoiseStrategy
from segtrain.run import train
from segtrain.run.build import build
from segtrain.types import Batch, Criterion, Progress
from tests.small import small_config
from tests.training.pair import Account, account, finish, output, start

ROOT = Path(__file__).parent.parent.parent
SETTINGS = (
    "model=unet_plain", "model.width=8", "model.depth=2", "model.norm=group", "data.size=32", "data.num_train=16",
    "data.num_val=4", "data.num_test=5", "noise=curriculum", "noise.curriculum.warmup_epochs=1",
    "augmentation=none", "trainer.accelerator=cpu", "trainer.max_epochs=2", "loss=cross_entropy",
    "callbacks=[best,last,draws]", "logger=[csv]", "print_config=none",
)  # fmt: skip


def trained(folder: Path, *overrides: str) -> dict[str, float]:
    command = [sys.executable, str(ROOT / "train.py"), f"paths.run_dir={folder}", *SETTINGS, *overrides]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ, cwd=folder.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.slow
def test_two_processes_share_the_epoch_and_agree_with_one(tmp_path: Path) -> None:
    alone = trained(tmp_path / "one", "data.batch_size=8")
    both = trained(tmp_path / "two", "data.batch_size=4", "trainer.devices=2", "trainer.strategy=ddp")
    draws = [pd.read_csv(tmp_path / name / "draws.csv")["draws"] for name in ("one", "two")]
    assert draws[1].sum() == 2 * 16
    assert draws[0].tolist() == draws[1].tolist()  # the same audit, the same draws
    losses = [pd.read_csv(tmp_path / name / "metrics.csv")["val/loss"].dropna() for name in ("one", "two")]
    assert losses[1].tolist() == pytest.approx(losses[0].tolist(), abs=1e-4)
    for name in ("test/dice", "test/dice@clean", "test/image_dice", "test/ece"):
        assert both[name] == pytest.approx(alone[name], abs=5e-3), name
    assert len(pd.read_csv(tmp_path / "two" / "test" / "images.csv")) == 5


def test_a_split_smaller_than_the_number_of_processes_is_refused(tmp_path: Path) -> None:
    data = build(small_config("data.num_val=1"), tmp_path).data
    assert len(data.val_dataloader()) == 1
    data.trainer = SimpleNamespace(world_size=2, global_rank=0)  # type: ignore[assignment]
    with pytest.raises(DataError, match="split val has 1 image"):
        data.val_dataloader()


class DivergesOnTheSecond(NoiseStrategy):
    """The loss is not a number, on the second process alone."""

    def loss_terms(self, logits: Tensor, batch: Batch, criterion: Criterion, progress: Progress) -> dict[str, Tensor]:
        added = math.nan if os.environ.get("LOCAL_RANK") == "1" else 0.0  # the gradient stays finite
        terms = super().loss_terms(logits, batch, criterion, progress)
        return {name: term + added for name, term in terms.items()}


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_on_one_process_ends_both(tmp_path: Path) -> None:
    cfg = small_config("task.max_nonfinite=2", "data.batch_size=2", "test=false")
    cfg.noise = {"diverges": {"_target_": "tests.training.test_ddp.DivergesOnTheSecond"}}
    together = start(tmp_path / "two", {"nan": cfg}, 2)
    try:
        codes = [process.wait(timeout=120) for process in together]
    finally:
        for process in together:
            process.kill()
            process.wait()
    for rank, code in enumerate(codes):
        assert code != 0
        assert "steps had a non-finite loss or gradient" in output(tmp_path / "two", rank).read_text()


def test_a_test_split_too_small_is_refused_before_the_training(tmp_path: Path) -> None:
    cfg = small_config("data.num_test=1", "trainer.devices=2", "trainer.strategy=ddp_spawn")
    with pytest.raises(DataError, match="split test has 1 image"):
        train(cfg, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()


# Every strategy. Its trainings, on one process and on two, are done beforehand, one after another.

SAMPLES, BATCH = 16, 4
COMMON = (
    "model.width=8", "model.norm=group", f"data.num_train={SAMPLES}", f"data.batch_size={BATCH}",
    "data.clean_fraction=0.375", "trainer.max_epochs=2", "loss=cross_entropy", "optimizer=sgd", "optimizer.lr=0.1",
    "callbacks=[last,draws]", "test=false", "report=false",
)  # fmt: skip
NEEDS = {
    # So much that a class is flagged, a bias found.
    "early_learning_correction": (
        "trainer.max_epochs=5", "noise.early_learning_correction.slope_drop=0.1",
        "noise.early_learning_correction.confidence=0.51",
    ),
    "bias_correction": (
        "trainer.max_epochs=10", "noise.bias_correction.correct_at=0.7", "noise.bias_correction.confidence=0.6",
    ),
    "mixmatch": ("data.clean_per_batch=1",),
    "self_training": ("noise.self_training.rounds=2",),
    "uncertainty": ("model.dropout=0.2",),
}  # fmt: skip
MORE = {
    "accumulating": ("noise=pseudo_label", "trainer.accumulate_grad_batches=2", "data.num_train=32"),
    # So sure that nothing is found.
    "auto_with_peers": ("noise=auto", "noise@noise.auto.remedies.keep=co_teaching", "noise.auto.confidence=0.999999"),
    # Without a validation, only the audit itself can bring the processes' statistics together.
    "batch_norm": (
        "noise=curriculum", "noise.curriculum.by=teacher", "model.norm=batch", "trainer.limit_val_batches=0",
    ),
    "begun": ("noise=none", "trainer.max_epochs=1"),
    "begun_resumed": ("noise=none", "ckpt_path=begun/checkpoints/last.ckpt"),
    "curriculum_by_clean": ("noise=curriculum", "noise.curriculum.by=clean", "data.clean_fraction=0.25"),
    "fusion_by_confusion": ("noise=annotator_fusion", "noise.annotator_fusion.method=confusion"),
    "learned_transition": ("noise=noise_transition", "noise.noise_transition.transition=learned"),
    "peers_in_a_phase": ("noise=clean_then_noisy", "noise@noise.clean_then_noisy.phases.noisy.noise=tri_network"),
    "restarting": ("noise=self_training", "noise.self_training.rounds=2", "noise.self_training.restart=true"),
}  # fmt: skip
CASES = {name: (f"noise={name}", *NEEDS.get(name, ())) for name in sorted(options("noise"))} | MORE

REWRITING = (
    "annotator_fusion", "bias_correction", "early_learning_correction", "fusion_by_confusion", "restarting",
    "self_training",
)  # fmt: skip
# Every pixel counts alike and a step draws nothing: the mean over two processes is that of all.
ALIKE = (
    "annotator_fusion", "begun_resumed", "clean_only", "clean_then_noisy", "curriculum", "curriculum_by_clean",
    "noise_transition", "noisy_then_clean", "none",
)  # fmt: skip


class Pair(NamedTuple):
    """A training on one process, and the same on two."""

    one: Account
    first: Account
    second: Account
    folders: tuple[Path, Path]


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    two = {name: small_config(*COMMON, *overrides) for name, overrides in CASES.items()}
    one = {name: cfg.copy() for name, cfg in two.items()}
    for cfg in one.values():
        cfg.data.batch_size *= 2
        cfg.data.clean_per_batch *= 2
    alone, together = start(folder / "one", one, 1), start(folder / "two", two, 2)
    assert finish(together) == [0, 0], "\n".join(output(folder / "two", rank).read_text() for rank in (0, 1))
    assert finish(alone) == [0], output(folder / "one", 0).read_text()
    return folder


def pair(folder: Path, name: str) -> Pair:
    one, two = folder / "one" / name, folder / "two" / name
    return Pair(account(one), account(two, 0), account(two, 1), (one, two))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name != "batch_norm"])  # whose batches make the model
def test_two_processes_draw_together_what_the_strategy_asks_for(trainings: Path, name: str) -> None:
    one, first, second, _ = pair(trainings, name)
    clean, quota = one.clean, OmegaConf.load(trainings / "one" / f"{name}.yaml").data.clean_per_batch
    kinds = [(clean, quota), (~clean, 2 * BATCH - quota)] if quota else [(clean | True, 2 * BATCH)]
    assert len(first.drawn) == len(second.drawn) == len(one.drawn) > 0
    for epoch, weights in enumerate(one.weights):
        assert torch.equal(first.weights[epoch], weights)
        assert torch.equal(second.weights[epoch], weights)
        mine, others = first.drawn[epoch], second.drawn[epoch]
        assert len(mine) == len(others) == len(weights) // (2 * BATCH)
        # In each step the two have what one process would have in its batch.
        for ours, theirs, whole in zip(mine, others, one.drawn[epoch], strict=True):
            assert len(ours) == len(theirs) == BATCH
            assert sorted(ours + theirs) == sorted(whole)
        counts = Counter(index for batch in (*mine, *others) for index in batch)
        for kind, per_step in kinds:
            shares = (weights * kind).double() / (weights * kind).sum() * per_step * len(mine)
            for index in kind.nonzero().flatten().tolist():
                share = round(float(shares[index]), 6)  # float32 weights
                assert math.floor(share) <= counts[index] <= math.ceil(share)
        if len(weights.unique()) == 1 and not quota:
            assert set(counts.values()) == {1}
            assert len(counts) == len(weights)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_all_that_is_trained_is_the_same_on_both_processes(trainings: Path, name: str) -> None:
    one, first, second, _ = pair(trainings, name)
    assert first.drawn != second.drawn  # each learned from samples of its own
    assert list(first.end) == list(second.end) == list(one.end)
    for parameter, value in first.end.items():
        assert torch.equal(value, second.end[parameter]), parameter
        assert not torch.equal(value, first.start[parameter]), f"{parameter} was not trained"


@pytest.mark.slow
@pytest.mark.parametrize("name", ALIKE)
def test_two_processes_end_where_one_does(trainings: Path, name: str) -> None:
    one, first, _, _ = pair(trainings, name)
    for parameter, value in one.end.items():
        assert torch.allclose(first.end[parameter], value, atol=1e-5), parameter


@pytest.mark.slow
@pytest.mark.parametrize("name", REWRITING)
def test_each_label_is_rewritten_once_and_as_on_one_process(trainings: Path, name: str) -> None:
    one, first, second, folders = pair(trainings, name)
    assert first.written
    assert second.written  # they share the work
    assert sorted(first.written + second.written) == sorted(one.written)
    assert len(set(one.written)) == len(one.written)
    for label in one.written:
        alone, together = (np.load(folder / "revised" / f"{label}.npz")["probs"] for folder in folders)
        assert np.abs(alone.astype(float) - together.astype(float)).mean() < 0.01, label


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_processes_share_the_audits_chance_and_have_their_own_in_steps(trainings: Path, name: str) -> None:
    one, first, second, _ = pair(trainings, name)
    assert first.audit_seeds == second.audit_seeds == one.audit_seeds
    assert len(set(one.audit_seeds)) == len(one.drawn)
    assert len({*first.step_seeds, *second.step_seeds}) == 2 * sum(len(epoch) for epoch in first.drawn)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "every"), [("confidence", 1), ("pseudo_label", 1), ("accumulating", 2)])
def test_the_first_processes_thresholds_are_handed_to_all(trainings: Path, name: str, every: int) -> None:
    """Before the first pass of each optimiser step, of which there is one in `every` batches."""
    _, first, second, _ = pair(trainings, name)
    (key,) = [key for key in first.entering[0] if key.endswith("thresholds.histogram")]
    steps = range(every, len(first.entering), every)
    assert len(steps) > 0
    for step in steps:
        handed = first.leaving[step - 1][key]
        assert torch.equal(first.entering[step][key], handed)
        assert torch.equal(second.entering[step][key], handed)
    # It would show, as each has filled its own since.
    assert not torch.equal(second.leaving[steps[-1] - 1][key], first.leaving[steps[-1] - 1][key])


@pytest.mark.slow
def test_an_audit_looks_through_the_same_model_on_both_processes(trainings: Path) -> None:
    _, first, second, _ = pair(trainings, "batch_norm")
    last = len(first.drawn[0]) - 1  # of the first epoch
    before, others = first.leaving[last], second.leaving[last]
    ours, theirs = first.auditing[1], second.auditing[1]
    assert torch.equal(first.weights[1], second.weights[1])
    statistics = [key for key in ours if key.endswith("running_mean")]
    assert any(key.startswith("strategy.average") for key in statistics)  # the teacher's too
    for key in statistics:
        assert not torch.equal(before[key], others[key]), key  # each had its own after the last step
        assert torch.equal(ours[key], before[key]), key
        assert torch.equal(theirs[key], before[key]), key


@pytest.mark.slow
def test_a_resumed_training_counts_the_draws_of_all_processes(trainings: Path) -> None:
    for folder in pair(trainings, "begun_resumed").folders:
        assert pd.read_csv(folder / "draws.csv")["draws"].tolist() == [2] * SAMPLES
