"""The data module: once an epoch it asks the strategy who is drawn; it knows no loss, no logits, no strategy."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from segtrain.data.augment import Augment
from segtrain.data.draw import Draw, epoch_draws, shared_draws
from segtrain.data.labels import RevisedLabels
from segtrain.data.quota import CleanQuota
from segtrain.data.sample import Case, EvaluationSet, LabelForm, PlainSet, TrainingSet
from segtrain.data.source import DataSet, Source
from segtrain.data.view import ModelView
from segtrain.errors import CheckpointError, DataError
from segtrain.noise.base import NoiseStrategy
from segtrain.seeds import derive_seed
from segtrain.training.loading import EpochBatches, TrainingLoader, set_up_worker

__all__ = ["SegmentationData"]


class SegmentationData(LightningDataModule):
    """Feed training, validation and test from the splits of a data set.

    The training loader is made once. Its sampler works out each epoch's order in the main process when Lightning
    asks for an iterator, from the number of batches trained so far; so an order is never stale, workers live on, and
    a resumed run goes on with the very next batch. See docs/decisions/0003-one-training-loader.md.

    Args:
        data: settings of the loaders.
        splits: the sources.
        strategy: asked for the audit and the sample weights.
        augment: for the training images.
        form: how a label comes into a batch.
        revised: labels that a strategy rewrites.
        seed: of everything random.
    """

    def __init__(
        self,
        *,
        data: DataSet,
        splits: Mapping[str, Source],
        strategy: NoiseStrategy,
        augment: Augment,
        form: LabelForm,
        revised: RevisedLabels,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.data = data
        self.splits = splits
        self.strategy = strategy
        self.augment = augment
        self.form = form
        self.revised = revised
        self.seed = seed
        self.audited = -1
        self.revision = 0
        self.workers: dict[str, Any] = {
            "num_workers": data.num_workers,
            "persistent_workers": data.num_workers > 0,
            "worker_init_fn": set_up_worker,
            "pin_memory": torch.cuda.is_available(),
        }

    # Loaders

    def train_dataloader(self) -> TrainingLoader:
        source = self.splits["train"]
        self._quota.check(source.samples)
        dataset = TrainingSet(source, self.data.size, self.data.fit, self.augment, self.form, self.seed)
        batches = EpochBatches(self._position, self._draws, self.data.batch_size, self.steps_per_epoch)
        return TrainingLoader(dataset, batch_sampler=batches, collate_fn=self.form.collate, **self.workers)

    def val_dataloader(self) -> DataLoader[Case]:
        return self.evaluation_loader("val")

    def test_dataloader(self) -> DataLoader[Case]:
        return self.evaluation_loader("test")

    def evaluation_loader(self, split: str) -> DataLoader[Case]:
        """Give lists of cases of a split, this process's share of it."""
        self.require_share(split, self._world_size)
        source = self.splits[split]
        dataset = EvaluationSet(source, self.data.size, self.data.fit, self._share(len(source)))
        return DataLoader(dataset, batch_size=self.data.batch_size, collate_fn=list, **self.workers)

    def require_share(self, split: str, processes: int) -> None:
        """Raise DataError unless a split has an image for each process."""
        count = len(self.splits[split])
        if count < processes:
            raise DataError(
                f"The split {split} has {count} image(s), too few for {processes} devices, each of which needs one at "
                "least: set trainer.devices, or see data.split."
            )

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in an epoch, on each process; what is left over waits for another epoch."""
        total = len(self.splits["train"])
        steps = total // (self.data.batch_size * self._world_size)
        if steps == 0:
            raise DataError(
                f"{total} training samples do not fill one batch of {self.data.batch_size} on {self._world_size} "
                f"device(s): set data.batch_size to at most {max(1, total // self._world_size)}."
            )
        return steps

    # Who is drawn

    def _position(self) -> tuple[int, int]:
        """Give the epoch to draw and how many of its batches are trained already.

        Lightning restores this count before it asks for an iterator, and skips no data itself when it resumes.
        """
        trained = self.trainer.fit_loop.epoch_loop.batch_progress.total.ready  # type: ignore[union-attr]
        return divmod(trained, self._limited_steps)

    @property
    def _limited_steps(self) -> int:
        """Batches in an epoch under the trainer's limit_train_batches."""
        limit = self.trainer.limit_train_batches  # type: ignore[union-attr]
        steps = self.steps_per_epoch
        return max(1, min(steps, limit) if isinstance(limit, int) else int(steps * (1.0 if limit is None else limit)))

    def _draws(self, epoch: int) -> list[Draw]:
        """Give this process's draws of an epoch, after the epoch's audit."""
        if self.audited != epoch:
            self._audit(epoch)
        samples = self.splits["train"].samples
        weights = self.strategy.sample_weights(samples, epoch).cpu()
        if not self.strategy.uses_unlabelled:
            weights = weights * samples.labelled
        overfit = self.trainer.overfit_batches > 0  # type: ignore[union-attr]
        steps = self._limited_steps if overfit else self.steps_per_epoch
        mine = slice(self._rank, None, self._world_size)
        if self.data.clean_per_batch:
            places = self._quota.places(weights, samples, epoch, few=steps if overfit else None)
            return shared_draws(places, steps, self.seed, epoch, self.revision)[mine]
        total = steps * self.data.batch_size * self._world_size
        if overfit:
            weights = weights[:total]  # the same few samples, each once an epoch
        if not weights.any():
            raise DataError("No training sample has a mask: see data.masks, or choose a strategy that needs none.")
        return epoch_draws(weights, total, self.seed, epoch, self.revision)[mine]

    @property
    def _quota(self) -> CleanQuota:
        return CleanQuota(self.data.clean_per_batch, self.data.batch_size, self._world_size)

    def plain_draws(self, epoch: int) -> list[Draw]:
        """Give an epoch's draws with equal weights and no audit, for a loader that runs without a trainer."""
        return epoch_draws(torch.ones(len(self.splits["train"])), len(self.splits["train"]), self.seed, epoch)

    def _audit(self, epoch: int) -> None:
        task = self.trainer.lightning_module  # type: ignore[union-attr]
        self._share_buffers()
        view = self._view()
        # The audit must not move what training draws from, or a run resumed after it would differ.
        with torch.random.fork_rng(devices=[task.device] if task.device.type == "cuda" else []), torch.no_grad():
            torch.manual_seed(derive_seed(self.seed, epoch))
            self.strategy.audit(view, epoch)
        self.audited = epoch
        rewritten = torch.tensor(float(view.rewritten), device=task.device)
        if self._reduce(rewritten) > 0:
            self.revision += 1

    def _view(self) -> ModelView:
        task: Any = self.trainer.lightning_module  # type: ignore[union-attr]
        source = self.splits["train"]
        dataset = PlainSet(source, self.data.size, self.data.fit, self.form, self._share(len(source)))
        dataset.revision = self.revision
        workers = {**self.workers, "persistent_workers": False}
        loader = DataLoader(dataset, batch_size=self.data.batch_size, collate_fn=list, **workers)
        return ModelView(
            source,
            loader,
            self.form.collate,
            task.receive,
            task.predict_each,
            self._reduce,
            self.revised,
            self.revision + 1,
            dataset.rows,
        )

    # Processes

    @property
    def _world_size(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    @property
    def _rank(self) -> int:
        return self.trainer.global_rank if self.trainer else 0

    def _share(self, total: int) -> range:
        return range(self._rank, total, self._world_size)

    def _share_buffers(self) -> None:
        """Hand the first process's buffers to all: since DDP last did, each has its own statistics of batch norm."""
        if self._world_size > 1:
            for buffer in self.trainer.lightning_module.buffers():  # type: ignore[union-attr]
                dist.broadcast(buffer, src=0)

    def _reduce(self, table: Tensor) -> Tensor:
        return self.trainer.strategy.reduce(table, reduce_op="sum")  # type: ignore[union-attr]

    # Checkpoint

    def state_dict(self) -> dict[str, Any]:
        return {
            "audited": self.audited,
            "revision": self.revision,
            "samples": len(self.splits["train"]),
            "steps_per_epoch": self.steps_per_epoch,
            "fingerprint": self.splits["train"].fingerprint(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        changed = [
            f"{name} was {state[name]} and is {now}"
            for name, now in self.state_dict().items()
            if name in ("samples", "steps_per_epoch") and state[name] != now
        ]
        if changed:
            raise CheckpointError(
                f"The run cannot go on from this checkpoint: {'; '.join(changed)}. Use the data, data.batch_size and "
                "number of devices that it was started with, or start a new run."
            )
        if state["revision"] not in self.revised:
            raise CheckpointError(
                f"The checkpoint goes on with labels that its run rewrote, and {self.revised.folder} does not hold "
                "them: resume in the folder of that run (paths.run_dir), or copy its revised/ there."
            )
        self.audited = state["audited"]
        self.revision = state["revision"]
