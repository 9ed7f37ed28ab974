"""Images of a split with their probabilities on disk: any post-processing is scored without the model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from segtrain.data.held_out import SubsetSource
from segtrain.data.sample import EvaluationSet
from segtrain.data.source import Source
from segtrain.errors import DataError
from segtrain.metrics import ImageScores
from segtrain.run.restore import Restored
from segtrain.run.status import write_atomically
from segtrain.types import CLASS_AXIS, IGNORE, PostProcessor, Samples

__all__ = ["RIGHT", "Scene", "StoredProbs"]

RIGHT = {"dice": 1.0, "iou": 1.0, "boundary_f1": 1.0, "hd95": 0.0}
"""What an image scores in which no class occurs, neither in the label nor in the prediction."""


class StoredProbs:
    """Probabilities as float16, a file for each image; one is in memory at a time.

    Args:
        folder: of the files; what lies there counts if it was written with the same `about`.
        about: what they depend on: the weights, the data, the way of predicting.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.folder = folder
        self.about = dict(about)
        note = folder / "about.json"
        if not note.exists() or json.loads(note.read_text()) != about:
            for file in folder.glob("*.npy"):
                file.unlink()
            write_atomically(note, json.dumps(about) + "\n")

    def predict(self, restored: Restored, source: Source, rows: Sequence[int]) -> None:
        """Predict what is not there yet."""
        data = restored.plan.data
        missing = [row for row in rows if not self._file(row).exists()]
        on_gpu = torch.cuda.is_available() and restored.cfg.trainer.accelerator != "cpu"
        restored.task.to(torch.device("cuda" if on_gpu else "cpu"))
        cases = EvaluationSet(source, data.size, data.fit, missing)
        console = Console(stderr=True)
        for place, row in track(list(enumerate(missing)), "predict", console=console, disable=not console.is_terminal):
            (prediction,) = restored.task.predict_cases([cases[place]])
            part = self.folder / "unfinished.npy"
            np.save(part, prediction.probs.half().cpu().numpy())
            part.replace(self._file(row))

    def read(self, row: int) -> np.ndarray:
        """Give the probabilities of an image: (C, H, W) or (K, 2, H, W) float32, sums to 1."""
        probs = np.load(self._file(row)).astype(np.float32)
        return probs / probs.sum(axis=CLASS_AXIS, keepdims=True)

    def _file(self, row: int) -> Path:
        return self.folder / f"{row:06d}.npy"


class Scene:
    """Some images of a split, their masks and probabilities.

    Args:
        source: the split.
        rows: which of its images; those without a mask are left out.
        reference: whose masks are right; None = the given labels.
        probs: of these images.
        scores: the formulas.

    Raises:
        DataError: none of the images has such a mask.
    """

    def __init__(
        self, source: Source, rows: Sequence[int], reference: str | None, probs: StoredProbs, scores: ImageScores
    ) -> None:
        self.source = source
        self.reference = reference
        self.probs = probs
        self.scores = scores
        self.rows = [row for row in rows if (label := self._label(row)) is not None and (label != IGNORE).any()]
        if not self.rows:
            raise DataError(f"No image has a mask to compare with ({reference or 'the given label'}).")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def samples(self) -> Samples:
        """What is known of the images."""
        return SubsetSource(self.source, self.rows).samples

    @property
    def groups(self) -> np.ndarray:
        """Which patient, slide or track each image belongs to: (N,) int, -1 = none."""
        return self.samples.group.numpy()

    @property
    def about(self) -> dict[str, Any]:
        """What the scores depend on, beside the post-processing."""
        return {**self.probs.about, "reference": self.reference}

    def score(self, chain: PostProcessor, names: Sequence[str], images: np.ndarray | None = None) -> np.ndarray:
        """Score a post-processing on every image, or on those of a mask (N,): (images, names) float64, no NaN."""
        rows = np.array(self.rows)[slice(None) if images is None else images]
        return np.array([self._image(row, chain, names) for row in rows.tolist()])

    def _image(self, row: int, chain: PostProcessor, names: Sequence[str]) -> list[float]:
        item = self.source.read(row)
        label = item.label if self.reference is None else self.source.references(row)[self.reference]
        assert label is not None
        predicted = chain(self.probs.read(row), item.image).argmax(axis=CLASS_AXIS)
        found = self.scores(torch.from_numpy(predicted), torch.from_numpy(label), names)
        means = [float(self.scores.mean(found[name])) for name in names]
        return [RIGHT[name] if np.isnan(value) else value for name, value in zip(names, means, strict=True)]

    def _label(self, row: int) -> np.ndarray | None:
        """Give the mask that is taken for right, (H, W) or (K, H, W) uint8."""
        return (
            self.source.read(row).label if self.reference is None else self.source.references(row).get(self.reference)
        )
