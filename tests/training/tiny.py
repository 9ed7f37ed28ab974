"""A two-layer training, fed resumably, and a program that runs it: `python -m tests.training.tiny FOLDER KEY=VALUE`."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from segtrain.training import (
    EMA,
    BestCheckpoint,
    LastCheckpoint,
    Prediction,
    Seeding,
    cosine,
    csv_logger,
    ends_truly,
    parameter_groups,
    shield_worker,
)  # fmt: skip
from segtrain.types import Batch, one_hot, to_probs

IMAGES, BATCH, VALIDATION = 24, 4, 12


class TinyImages(Dataset[Any]):
    def __init__(self, count: int, seed: int, evaluated: bool) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.rand(count, 1, 8, 8, generator=generator)
        self.labels = (self.images[:, 0] > 0.5).byte()
        self.evaluated = evaluated

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        image, label = self.images[index], self.labels[index]
        if self.evaluated:
            return f"image {index}", image, label
        yes = torch.tensor(True)
        number = torch.tensor(index)
        return Batch(image, one_hot(label, 2), torch.ones(8, 8), yes, yes, number, number, number)


class EpochOrder(Sampler[list[int]]):
    """The order of the epoch that the training has come to, from the batch it has come to."""

    def __init__(self, trainer: pl.Trainer) -> None:
        self.trainer = trainer

    def __len__(self) -> int:
        return IMAGES // BATCH

    def __iter__(self) -> Iterator[list[int]]:
        epoch, done = divmod(self.trainer.fit_loop.epoch_loop.batch_progress.total.ready, len(self))
        order = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(epoch)).tolist()
        yield from [order[place : place + BATCH] for place in range(done * BATCH, IMAGES, BATCH)]


class ResumableLoader(DataLoader[Batch]):
    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def stack(samples: list[Batch]) -> Batch:
    return Batch(*(torch.stack(column) for column in zip(*samples, strict=True)))


def start_worker(number: int) -> None:
    shield_worker()


class TinyData(pl.LightningDataModule):
    def __init__(self, num_workers: int = 0) -> None:
        super().__init__()
        self.workers: dict[str, Any] = {"num_workers": num_workers, "worker_init_fn": start_worker}

    def train_dataloader(self) -> ResumableLoader:
        images = TinyImages(IMAGES, 0, evaluated=False)
        order = EpochOrder(self.trainer)
        return ResumableLoader(images, batch_sampler=order, collate_fn=stack, **self.workers)

    def val_dataloader(self) -> DataLoader[Any]:
        images = TinyImages(VALIDATION, 1, evaluated=True)
        return DataLoader(images, batch_size=BATCH, collate_fn=list, **self.workers)

    test_dataloader = val_dataloader


class TinyTask(pl.LightningModule):
    """What the callbacks know of the task, with dropout and batch norm, so that chance and buffers matter."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout2d(0.5),
            nn.Conv2d(4, 2, 3, padding=1),
        )
        self.ema: nn.Module | None = None
        self.losses: list[Tensor] = []

    def attach_ema(self, module: nn.Module) -> None:
        self.ema = module

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        logits = self.model(batch.image)  # (B, 2, H, W)
        loss = nn.functional.cross_entropy(logits, batch.target)
        self.losses.append(loss.detach())
        self.log("train/loss", loss.detach(), on_step=True, on_epoch=False)
        return {"loss": loss, "batch": batch, "logits": logits.detach()}

    def on_validation_epoch_start(self) -> None:
        self.right = self.seen = 0

    def validation_step(self, cases: list[Any], batch_idx: int) -> list[Prediction]:
        predictor = self.model if self.ema is None else self.ema
        predictions = []
        for name, image, label in cases:
            probs = to_probs(predictor(image.unsqueeze(0)))[0]  # (2, H, W)
            self.right += int((probs.argmax(0) == label).sum())
            self.seen += label.numel()
            stored = np.moveaxis((image.numpy() * 255).astype(np.uint8), 0, -1)
            predictions.append(Prediction(name, stored, label.numpy(), {}, probs))
        return predictions

    def on_validation_epoch_end(self) -> None:
        self.log("val/dice", self.right / self.seen)

    def on_test_epoch_start(self) -> None:
        self.on_validation_epoch_start()

    def test_step(self, cases: list[Any], batch_idx: int) -> list[Prediction]:
        return self.validation_step(cases, batch_idx)

    def on_test_epoch_end(self) -> None:
        self.log("test/dice", self.right / self.seen)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(parameter_groups(self), lr=0.05)
        # Not `trainer.estimated_stepping_batches`, which makes the loader's iterator before a checkpoint is restored.
        schedule = cosine(optimizer, 3 * IMAGES // BATCH)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class SignalMyself(pl.Callback):
    """Send this process a signal when a hook is called for the n-th time, from within the step."""

    def __init__(self, hook: str, count: int, name: str) -> None:
        self.left = count
        self.name = name
        setattr(self, hook, self._count)

    def _count(self, *args: Any, **kwargs: Any) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), getattr(signal, self.name))


def tiny_trainer(folder: Path, *callbacks: pl.Callback, **options: Any) -> pl.Trainer:
    saving = [Seeding(0), *callbacks, EMA(decay=0.9), BestCheckpoint(), LastCheckpoint()]
    defaults: dict[str, Any] = {"max_epochs": 3, "log_every_n_steps": 2, "logger": [csv_logger(save_dir=str(folder))]}
    defaults |= {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False, "callbacks": saving}
    defaults["use_distributed_sampler"] = False
    return pl.Trainer(**(defaults | {"default_root_dir": str(folder)} | options))


def run_tiny(
    folder: Path, *callbacks: pl.Callback, ckpt: Path | None = None, num_workers: int = 0, **options: Any
) -> tuple[TinyTask, pl.Trainer]:
    """Train in `folder`, from `ckpt` on if it is given."""
    task = TinyTask()
    trainer = tiny_trainer(folder, *callbacks, **options)
    with ends_truly(trainer):
        trainer.fit(task, datamodule=TinyData(num_workers), ckpt_path=ckpt, weights_only=True)
    return task, trainer


def main() -> None:
    folder, options = Path(sys.argv[1]), dict(item.split("=") for item in sys.argv[2:])
    callbacks = []
    if "signal" in options:
        callbacks.append(SignalMyself(options["hook"], int(options["count"]), options["signal"]))
    ckpt = Path(options["ckpt"]) if "ckpt" in options else None
    devices = int(options.get("devices", 1))
    extra: dict[str, Any] = {"devices": devices, "strategy": "ddp"} if devices > 1 else {}
    extra["max_epochs"] = int(options.get("epochs", 3))
    task, _ = run_tiny(folder, *callbacks, ckpt=ckpt, num_workers=int(options.get("workers", 0)), **extra)
    torch.save(task.state_dict(), folder / "final.pt")


if __name__ == "__main__":
    main()
