"""What a strategy has found out about the labels, told at once and kept for the report."""

import json
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, Trainer
from rich.console import Console

from segtrain.audit import named
from segtrain.data.sample import EvaluationSet
from segtrain.noise.base import Findings
from segtrain.training.data import SegmentationData
from segtrain.training.examples import pictures_of, write_pictures
from segtrain.training.prediction import label_of
from segtrain.training.semantic import SemanticTask

__all__ = ["FindingsWriter"]


class FindingsWriter(Callback):
    """Write `findings/findings.json` as soon as the strategy has found something, with pictures of where it shows.

    Each picture has the label as given and what the model predicts at that time.
    """

    def __init__(self) -> None:
        self._told: list[str] = []

    def on_train_batch_start(  # type: ignore[override]
        self, trainer: Trainer, pl_module: SemanticTask, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx > 0:  # an audit comes before an epoch's first batch
            return
        findings = pl_module.strategy.findings
        if findings is None or findings.sentences == self._told or not trainer.is_global_zero:
            return
        self._told = findings.sentences
        content = self._content(trainer, pl_module, findings)
        file = Path(trainer.default_root_dir) / "findings" / "findings.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(content, indent=2) + "\n")
        part.replace(file)
        for sentence in content["sentences"]:
            Console().print(sentence, markup=False, highlight=False, soft_wrap=True)

    def _content(self, trainer: Trainer, task: SemanticTask, findings: Findings) -> dict[str, Any]:
        data: SegmentationData = trainer.datamodule  # type: ignore[attr-defined]
        folder = Path(trainer.default_root_dir) / "findings"
        examples: list[dict[str, str]] = []
        for caption, index in findings.examples:
            name, place = data.splits["train"].ids[index], f"examples/{len(examples):02d}"
            _draw(folder / place, data, task, index)
            examples.append({"id": name, "kind": named(caption, task.classes), "folder": place})
        return {
            "epoch": trainer.current_epoch,
            "sentences": [named(sentence, task.classes) for sentence in findings.sentences],
            "diagnosis": findings.diagnosis,
            "overlapping": task.overlapping,
            "examples": examples,
        }


def _draw(folder: Path, data: SegmentationData, task: SemanticTask, index: int) -> None:
    """Write one training sample's image, label as given, and prediction."""
    case = EvaluationSet(data.splits["train"], data.data.size, data.data.fit, [index])[0]
    (prediction,) = task.predict_cases([case])
    masks = {"given": case.label, "prediction": label_of(prediction.probs).cpu().numpy()}
    write_pictures(folder, pictures_of(case.native, masks, task.overlapping))
