"""How each kind of logger shows panels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pytorch_lightning.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger

from segtrain.training.prediction import Panel

__all__ = ["to_mlflow", "to_tensorboard", "to_wandb"]


def to_tensorboard(logger: TensorBoardLogger, key: str, panels: Sequence[Panel], step: int) -> None:
    for place, panel in enumerate(panels):
        logger.experiment.add_image(f"{key}/{place}", panel.strip(), step, dataformats="HWC")


def to_mlflow(logger: MLFlowLogger, key: str, panels: Sequence[Panel], step: int) -> None:
    for place, panel in enumerate(panels):
        # One key for each place, so that MLflow's slider goes through the steps.
        logger.experiment.log_image(logger.run_id, panel.strip(), key=f"{key}/{place}".replace("/", "-"), step=step)


def to_wandb(logger: WandbLogger, key: str, panels: Sequence[Panel], step: int) -> None:
    import wandb

    images = [wandb.Image(panel.image, caption=panel.name, masks=_masks(panel)) for panel in panels]
    logger.log_metrics({key: images}, step)  # type: ignore[dict-item]
    weights = [(panel.name, panel.weight) for panel in panels if panel.weight is not None]
    if weights:
        maps = [wandb.Image(np.rint(weight * 255).astype(np.uint8), caption=name) for name, weight in weights]
        logger.log_metrics({f"{key}/weight": maps}, step)  # type: ignore[dict-item]


def _masks(panel: Panel) -> dict[str, Any]:
    """Give masks of wandb's own kind, which its page lays over the image."""
    masks = {"errors": {"mask_data": panel.errors.astype(np.uint8), "class_labels": {0: "right", 1: "wrong"}}}
    for name, label in (("label", panel.label), ("prediction", panel.prediction)):
        if label.ndim == 2:
            masks[name] = {"mask_data": label, "class_labels": dict(enumerate(panel.classes)) | {255: "ignored"}}
        for place, plane in enumerate(label if label.ndim == 3 else []):
            masks[f"{name} {panel.classes[place]}"] = {"mask_data": plane, "class_labels": {1: panel.classes[place]}}
    return masks
