"""Labels that a strategy rewrites in its audit reach the training, and a resumed run."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from segtrain.data.labels import RevisedLabels
from segtrain.errors import CheckpointError
from segtrain.noise import NoiseStrategy
from segtrain.run.build import Parts, build
from segtrain.types import Batch, Progress, TrainingView
from tests.small import small_config


class RewriteOne(NoiseStrategy):
    """Rewrites the first sample that is not clean, before epoch 1, and keeps what training then sees of it."""

    def __init__(self) -> None:
        super().__init__()
        self.rewritten = -1
        self.seen: dict[int, Tensor] = {}
        self.trusted: dict[int, Tensor] = {}

    def audit(self, view: TrainingView, epoch: int) -> None:
        noisy = (~view.samples.clean).nonzero().flatten()
        self.rewritten = int(noisy[0])
        if epoch == 1:
            probs = torch.full((2, 16, 16), 0.25)  # at another scale than the image, as a model's would be
            probs[1] = 0.75
            view.relabel(self.rewritten, probs, torch.full((16, 16), 0.6))

    def prepare(self, batch: Batch, model: torch.nn.Module, progress: Progress) -> Batch:
        for row in (batch.index == self.rewritten).nonzero().flatten().tolist():
            self.seen[progress.epoch] = batch.target[row]
            self.trusted[progress.epoch] = batch.weight[row]
        return batch


def trained(folder: Path, ckpt: Path | None = None) -> tuple[Parts, RewriteOne]:
    parts = build(small_config("augmentation=none", "callbacks=[last]"), folder)
    strategy = RewriteOne()
    parts.task.strategy = parts.data.strategy = strategy
    parts.trainer.fit(parts.task, datamodule=parts.data, ckpt_path=ckpt, weights_only=True)
    return parts, strategy


def test_a_rewritten_label_is_trained_on_from_the_same_epoch(tmp_path: Path) -> None:
    parts, strategy = trained(tmp_path / "run")
    assert parts.data.revision == 1
    assert set(strategy.seen) == {0, 1, 2}
    assert set(strategy.seen[0].unique().tolist()) <= {0.0, 1.0}
    for epoch in (1, 2):
        assert torch.allclose(strategy.seen[epoch][1], torch.full((32, 32), 0.75))
        assert torch.allclose(strategy.trusted[epoch], torch.full((32, 32), 0.6), atol=1 / 255)
    name = parts.data.splits["train"].ids[strategy.rewritten]
    stored = RevisedLabels(tmp_path / "run" / "revised").read(1, name)
    assert stored is not None
    assert stored.probs.shape == (2, 32, 32)  # at the image's own scale
    assert np.allclose(stored.probs.sum(axis=0, dtype=np.float32), 1)
    assert [path.stem for path in (tmp_path / "run" / "revised").rglob("*.png")] == [name]


def test_a_resumed_run_goes_on_with_the_rewritten_labels(tmp_path: Path) -> None:
    parts, _ = trained(tmp_path / "run")
    resumed = build(small_config("augmentation=none", "callbacks=[last]", "trainer.max_epochs=4"), tmp_path / "run")
    strategy = RewriteOne()
    resumed.task.strategy = resumed.data.strategy = strategy
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    resumed.trainer.fit(resumed.task, datamodule=resumed.data, ckpt_path=last, weights_only=True)
    assert resumed.data.revision == parts.data.revision == 1
    assert torch.allclose(strategy.seen[3][1], torch.full((32, 32), 0.75))


def test_a_clean_label_is_never_rewritten(tmp_path: Path) -> None:
    class RewriteClean(NoiseStrategy):
        def audit(self, view: TrainingView, epoch: int) -> None:
            clean = int(view.samples.clean.nonzero()[0])
            view.relabel(clean, torch.full((2, 32, 32), 0.5), torch.ones(32, 32))

    parts = build(small_config(), tmp_path)
    parts.task.strategy = parts.data.strategy = RewriteClean()
    with pytest.raises(ValueError, match="never rewritten"):
        parts.trainer.fit(parts.task, datamodule=parts.data)


def test_the_view_shows_every_sample_once_and_the_models_belief(tmp_path: Path) -> None:
    shown: list[int] = []

    class Look(NoiseStrategy):
        def audit(self, view: TrainingView, epoch: int) -> None:
            for seen in view if epoch == 1 else ():
                shown.extend(seen.batch.index.tolist())
                assert torch.allclose(seen.probs.sum(dim=-3), torch.ones(()), atol=1e-5)
                assert seen.probs.shape == seen.batch.target.shape

    parts = build(small_config(), tmp_path)
    parts.task.strategy = parts.data.strategy = Look()
    parts.trainer.fit(parts.task, datamodule=parts.data)
    assert sorted(shown) == list(range(12))


def test_resuming_without_the_rewritten_labels_is_refused(tmp_path: Path) -> None:
    trained(tmp_path / "run")
    elsewhere = build(small_config("augmentation=none", "callbacks=[last]", "trainer.max_epochs=4"), tmp_path / "other")
    with pytest.raises(CheckpointError, match=r"resume in the folder of that run \(paths.run_dir\)"):
        elsewhere.trainer.fit(
            elsewhere.task, datamodule=elsewhere.data, ckpt_path=tmp_path / "run" / "checkpoints" / "last.ckpt"
        )
