"""How good the training labels are after a strategy has rewritten some, where the truth is known."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pytorch_lightning import Callback, Trainer

from segtrain.metrics.label_quality import label_quality
from segtrain.training.data import SegmentationData
from segtrain.training.semantic import SemanticTask
from segtrain.types import CLASS_AXIS

__all__ = ["LabelQuality"]


class LabelQuality(Callback):
    """Score the training labels before and after against a reference, into `label_quality.json` of the run's folder.

    Only samples that are not clean count. It looks when the training is over and tells nobody who trains.

    Args:
        reference: name of the masks that are the truth, such as "gold" or "clean"; without such masks nothing is
            written.
    """

    def __init__(self, reference: str = "clean") -> None:
        self.reference = reference

    def on_train_end(self, trainer: Trainer, pl_module: SemanticTask) -> None:  # type: ignore[override]
        data: SegmentationData = trainer.datamodule  # type: ignore[attr-defined]
        if not trainer.is_global_zero or self.reference not in data.splits["train"].reference_names:
            return
        classes, overlapping = data.data.classes, data.data.overlapping
        scores: dict[str, object] = {"rewritten": sum(after is not None for _, after, _ in self._labels(data))}
        scores["before"] = label_quality(
            (before for before, _, _ in self._labels(data)),
            (true for *_, true in self._labels(data)),
            classes,
            overlapping,
        )
        if scores["rewritten"]:
            scores["after"] = label_quality(
                (before if after is None else after for before, after, _ in self._labels(data)),
                (true for *_, true in self._labels(data)),
                classes,
                overlapping,
            )
        (Path(trainer.default_root_dir) / "label_quality.json").write_text(json.dumps(scores, indent=2) + "\n")

    def _labels(self, data: SegmentationData) -> Iterator[tuple[np.ndarray, np.ndarray | None, np.ndarray]]:
        """Give each noisy sample's label as given, as rewritten (None if it never was), and the truth."""
        source = data.splits["train"]
        for index in (~source.samples.clean).nonzero().flatten().tolist():
            given, true = source.read(index).label, source.references(index).get(self.reference)
            if given is None or true is None:
                continue
            revised = data.revised.read(data.revision, source.ids[index])
            after = None if revised is None else revised.probs.argmax(axis=CLASS_AXIS).astype(np.uint8)
            yield given, after, true
