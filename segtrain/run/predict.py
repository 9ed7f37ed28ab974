"""predict: images in, masks out (and overlays, and probabilities), whatever their size."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track
from torch import Tensor

from segtrain.data.frame import evaluation_frame
from segtrain.data.read import read_image
from segtrain.errors import DataError
from segtrain.models import evaluating, stream_probs
from segtrain.picture import BACKGROUND, class_colours, draw_outlines, visible
from segtrain.postprocess import Pipeline
from segtrain.run.build import build_postprocess
from segtrain.run.images import find_images, place
from segtrain.run.restore import Restored, restore
from segtrain.types import CLASS_AXIS, resize_probs

__all__ = ["predict"]

STREAMED = 2048
"""Longer images are predicted strip by strip where nothing needs all of their probabilities at once."""


def predict(cfg: DictConfig) -> Path:
    """Segment every image under `input` and give the folder of the results.

    It holds `masks/<name>.png` (class numbers; overlapping classes: `masks/<class>/<name>.png`), and if asked for
    `overlays/<name>.jpg` and `probs/<name>.npz` (float16). One image is in memory at a time.

    Raises:
        DataError: images that cannot be read, all of them, after the others were segmented.
    """
    files = find_images(Path(cfg.input))
    postprocess = build_postprocess(cfg.postprocess)
    restored = restore(cfg)
    device = torch.device("cuda" if torch.cuda.is_available() and restored.cfg.trainer.accelerator != "cpu" else "cpu")
    restored.task.to(device)
    output = Path(cfg.output) if cfg.output else restored.folder / "predict"
    console = Console(stderr=True)
    faults = []
    for name, file in track(files, description="predict", console=console, disable=not console.is_terminal):
        try:
            image, _ = read_image(str(file), restored.plan.data.channels)
        except DataError as error:
            faults.append(str(error))
            continue
        if cfg.save_probs or postprocess is not None or max(image.shape[:2]) <= STREAMED:
            probs = _probs(restored, image, postprocess)
            label = probs.argmax(axis=CLASS_AXIS).astype(np.uint8)  # (H, W) or (K, H, W)
            if cfg.save_probs:
                np.savez_compressed(place(output / "probs", name, ".npz"), probs=probs.astype(np.float16))
        else:
            label = np.concatenate(list(_label_strips(restored, image)), axis=-2)
        _write(output, name, image, label, restored, cfg.overlay)
    if faults:
        raise DataError(f"{len(faults)} of {len(files)} images could not be segmented:", faults)
    Console().print(f"{len(files)} masks in {output}", highlight=False, soft_wrap=True)
    return output


def _probs(restored: Restored, image: np.ndarray, postprocess: Pipeline | None) -> np.ndarray:
    data = restored.plan.data
    framed, _ = evaluation_frame(image, [], size=data.size, fit=data.fit)
    probs = restored.task.predict_each([_tensor(framed)])[0]  # (C, h, w) or (K, 2, h, w)
    full = resize_probs(probs, image.shape[:2]).cpu().numpy()
    return full if postprocess is None else postprocess(full, image)


def _label_strips(restored: Restored, image: np.ndarray) -> Iterator[np.ndarray]:
    """Predict a huge image in strips: class numbers only, probabilities of a window's height at a time."""
    if restored.plan.data.fit == "resize":  # the model sees the whole image, made small
        yield _probs(restored, image, None).argmax(axis=CLASS_AXIS).astype(np.uint8)
        return
    task = restored.task
    with evaluating(task):
        for _, strip in stream_probs(task.predict_windows(), _tensor(image), task.window, task.overlap):
            yield strip.argmax(dim=CLASS_AXIS).byte().cpu().numpy()


def _tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 0)))  # (D, H, W)


def _write(
    output: Path, name: str, image: np.ndarray, label: np.ndarray, restored: Restored, with_overlay: bool
) -> None:
    classes = restored.plan.data.classes
    planes = {"": label} if label.ndim == 2 else dict(zip(classes, label * 255, strict=True))
    for of, plane in planes.items():
        cv2.imwrite(str(place(output / "masks" / of, name, ".png")), plane)
    if with_overlay:
        cv2.imwrite(str(place(output / "overlays", name, ".jpg")), _overlay(image, label, classes)[..., ::-1])


def _overlay(image: np.ndarray, label: np.ndarray, classes: list[str]) -> np.ndarray:
    """Draw the classes' outlines over the image, (H, W, 3) RGB."""
    canvas = visible(image)
    colours = {number: colour for number, colour in enumerate(class_colours(classes)) if classes[number] != BACKGROUND}
    draw_outlines(canvas, label, colours, thickness=max(1, max(canvas.shape) // 500))
    return canvas
