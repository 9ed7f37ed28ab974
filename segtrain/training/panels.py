"""Pictures while a training runs: what the model saw, was told and says, where it is wrong, and what counts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from segtrain.errors import ConfigError
from segtrain.picture import visible
from segtrain.training.prediction import Panel, Prediction, label_of
from segtrain.training.safe_logger import SafeLogger
from segtrain.types import IGNORE, Batch

__all__ = ["ImagePanels"]

_LARGEST = 512


class ImagePanels(Callback):
    """Show a few images of training and validation in every logger that takes pictures.

    In a step only small tensors are set aside on the device; they come to the host when the epoch is over.

    Args:
        num_images: of training and of validation each, >= 1.
        every_n_epochs: >= 1.
        classes: names in the order of the class numbers; null = their numbers.
    """

    def __init__(self, *, num_images: int = 4, every_n_epochs: int = 1, classes: list[str] | None = None) -> None:
        for name, value in (("num_images", num_images), ("every_n_epochs", every_n_epochs)):
            if value < 1:
                raise ConfigError(f"The '{name}' of ImagePanels must be at least 1, got {value}")
        self.num_images = num_images
        self.every_n_epochs = every_n_epochs
        self.classes = classes
        self._train: list[tuple[Tensor, ...]] = []
        self._validation: list[tuple[Prediction, Tensor]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        wanted = self.num_images - len(self._train)
        if wanted <= 0 or not self._shown(trainer):
            return
        seen: Batch = outputs["batch"]
        label, prediction = label_of(seen.target[:wanted]), label_of(outputs["logits"][:wanted])  # (b, [K,] H, W)
        # An image is a view of its whole batch, and the batch's memory is wanted back.
        self._train += zip(seen.image[:wanted].clone(), label, prediction, seen.weight[:wanted].clone(), strict=True)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        aside, self._train = self._train, []
        if aside and trainer.is_global_zero:
            panels = [self._of_training(place, *columns) for place, columns in enumerate(aside)]
            _show(trainer, "train/panels", panels)

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *args: Any, **kwargs: Any
    ) -> None:
        wanted = self.num_images - len(self._validation)
        if wanted <= 0 or trainer.sanity_checking or not self._shown(trainer):
            return
        predictions: Sequence[Prediction] = outputs[:wanted]
        # The probabilities of big images are big; their class numbers are not.
        self._validation += [(given._replace(probs=torch.empty(0)), label_of(given.probs)) for given in predictions]

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        aside, self._validation = self._validation, []
        if aside and trainer.is_global_zero:
            _show(trainer, "val/panels", [self._of_validation(given, label) for given, label in aside])

    def _shown(self, trainer: Trainer) -> bool:
        taken = any(isinstance(logger, SafeLogger) and logger.takes_panels for logger in trainer.loggers)
        return taken and trainer.current_epoch % self.every_n_epochs == 0

    def _of_training(self, place: int, image: Tensor, label: Tensor, prediction: Tensor, weight: Tensor) -> Panel:
        shown = np.moveaxis(image.float().cpu().numpy(), 0, -1)  # (H, W, D)
        told = label.cpu().numpy()
        told[..., weight.cpu().numpy() == 0] = IGNORE
        return self._panel(f"training {place}", shown, told, prediction.cpu().numpy(), weight.float().cpu().numpy())

    def _of_validation(self, given: Prediction, prediction: Tensor) -> Panel:
        return self._panel(given.id, given.image, given.label, prediction.cpu().numpy())

    def _panel(
        self, name: str, image: np.ndarray, label: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None = None
    ) -> Panel:
        stride = -(-max(image.shape[:2]) // _LARGEST)
        image, weight = image[::stride, ::stride], weight if weight is None else weight[::stride, ::stride]
        label, prediction = label[..., ::stride, ::stride], prediction[..., ::stride, ::stride]
        label = np.broadcast_to(label, prediction.shape)  # one plane, all ignored, stands for K where there is no label
        classes = self.classes or [str(number) for number in range(IGNORE)]
        return Panel(name, visible(image), label, prediction, classes, weight)


def _show(trainer: Trainer, key: str, panels: Sequence[Panel]) -> None:
    for logger in trainer.loggers:
        if isinstance(logger, SafeLogger):
            logger.log_panels(key, panels, trainer.global_step)
