"""benchmark crf: the fully connected CRF beside pydensecrf, with the same parameters on the same images."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from omegaconf import DictConfig
from rich.console import Console

from segtrain.data.read import read_image, read_mask
from segtrain.errors import ConfigError
from segtrain.postprocess import Crf
from segtrain.postprocess.mean_field import spatial_kernel
from segtrain.reports.compare import markdown

__all__ = ["crf"]

Inference = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Pair(NamedTuple):
    """Both inferences on one image."""

    seconds: float
    """Of segtrain, after another image of the size."""
    first_seconds: float
    """Of segtrain, on the first image of the size."""
    peer_seconds: float
    agreement: float
    """Share of the pixels with the same label."""
    changed: float
    """Share of the pixels whose label is not that of the probabilities that went in."""


def crf(cfg: DictConfig) -> str:
    """Time both, turn by turn, and compare their labels; give a Markdown table.

    Args:
        cfg: of the benchmark; `images` and `labels` name folders.
    """
    ours, peer = Crf(), _pydensecrf(Crf())
    files = _files(cfg.images, cfg.labels)[: cfg.num_images]
    lines = [["case", "segtrain", "first image of a size", "pydensecrf", "times as fast", "same label", "changed"]]
    for side, num_classes in cfg.cases:
        pairs = []
        for number, (image_file, label_file) in enumerate(files):
            image, probs = _case(image_file, label_file, side, num_classes, seed=number)
            pairs += [_pair(ours, peer, probs, image) for _ in range(cfg.rounds)]
        lines.append(_line(f"{side} px, {num_classes} classes", pairs))
    note = f"{len(files)} images, {cfg.rounds} rounds, {ours.iterations} iterations; seconds: the least, the median."
    table = f"{markdown(lines)}\n\n{note} Threads of torch: {torch.get_num_threads()}.\n"
    Console().print(table, markup=False, highlight=False, soft_wrap=True)
    return table


def _pydensecrf(crf: Crf) -> Inference:
    """Give pydensecrf's inference on images of 3 channels with the same parameters, through its own interface."""
    try:
        from pydensecrf.densecrf import DenseCRF2D
    except ImportError:
        raise ConfigError("benchmark crf compares with pydensecrf: pip install pydensecrf2") from None

    def infer(probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        num_classes, height, width = probs.shape
        peer = DenseCRF2D(width, height, num_classes)
        peer.setUnaryEnergy(-np.log(np.maximum(probs.reshape(num_classes, -1), np.float32(crf.min_prob))))
        peer.addPairwiseGaussian(sxy=crf.spatial_sigma, compat=crf.spatial_weight)
        peer.addPairwiseBilateral(
            sxy=crf.bilateral_sigma, srgb=crf.colour_sigma, rgbim=image, compat=crf.bilateral_weight
        )
        return np.array(peer.inference(crf.iterations)).reshape(probs.shape)

    return infer


def _files(images: str | None, labels: str | None) -> list[tuple[Path, Path]]:
    """Give each image that has a mask of its name, and the mask."""
    if images is None or labels is None:
        raise ConfigError("benchmark crf needs images=<folder> and labels=<folder>, of masks of the same names")
    masks = {path.stem: path for path in sorted(Path(labels).glob("*.png"))}
    files = [(path, masks[path.stem]) for path in sorted(Path(images).iterdir()) if path.stem in masks]
    if not files:
        raise ConfigError(f"images={images} holds no image that has a mask <name>.png in labels={labels}")
    return files


def _case(image_file: Path, label_file: Path, side: int, num_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Give an image (side, side, 3) uint8, and probabilities (C, side, side): its mask, blurred and with noise."""
    image = cv2.resize(read_image(str(image_file), 3)[0], (side, side))
    mask = cv2.resize(read_mask(str(label_file)) % num_classes, (side, side), interpolation=cv2.INTER_NEAREST)
    hard = (np.arange(num_classes).reshape(-1, 1, 1) == mask).astype(np.float32)
    blurred = np.stack([cv2.GaussianBlur(plane, (0, 0), side / 64) for plane in hard])
    doubtful = (blurred + 0.05) * np.exp(np.random.default_rng(seed).normal(size=hard.shape))
    return image, (doubtful / doubtful.sum(axis=0)).astype(np.float32)


def _pair(ours: Inference, peer: Inference, probs: np.ndarray, image: np.ndarray) -> Pair:
    spatial_kernel.cache_clear()
    first_seconds, _ = _timed(ours, probs, image)
    seconds, refined = _timed(ours, probs, image)
    peer_seconds, expected = _timed(peer, probs, image)
    label = refined.argmax(axis=0)
    return Pair(
        seconds,
        first_seconds,
        peer_seconds,
        float((label == expected.argmax(axis=0)).mean()),
        float((label != probs.argmax(axis=0)).mean()),
    )


def _timed(infer: Inference, probs: np.ndarray, image: np.ndarray) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    refined = infer(probs, image)
    return time.perf_counter() - start, refined


def _line(case: str, pairs: Sequence[Pair]) -> list[str]:
    ratios = [pair.peer_seconds / pair.seconds for pair in pairs]
    agreements = [pair.agreement for pair in pairs]
    return [
        case,
        _told([pair.seconds for pair in pairs]),
        _told([pair.first_seconds for pair in pairs]),
        _told([pair.peer_seconds for pair in pairs]),
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        f"{statistics.mean(agreements):.3%}, at least {min(agreements):.3%}",
        f"{statistics.mean(pair.changed for pair in pairs):.0%}",
    ]


def _told(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.3f}, {statistics.median(seconds):.3f}"
