"""What is kept of one training of a study: enough for its tables, small enough to be published with them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

__all__ = ["Record", "read_record", "read_records", "training_record", "write_records"]


class Record(NamedTuple):
    """One finished training."""

    arm: str
    seed: int
    settings: list[str]
    """The overrides that make the arm, without what says where data and runs lie."""
    cpu_seconds: float | None
    """Of the training's last process."""
    labels: list[float] | None
    """Dice of the noisy training labels with the truth, as given and as rewritten; None if none was rewritten."""
    dice: list[float]
    """Of each test image with the truth, the mean of the last epochs."""
    means: dict[str, float]
    """Each score's mean over the test images."""

    @property
    def key(self) -> tuple[str, int]:
        return self.arm, self.seed


def training_record(run: Path, arm: str, seed: int, settings: Sequence[str], truth: str) -> Record:
    """Read a finished training's folder.

    Args:
        run: the folder.
        arm, seed, settings: see `Record`.
        truth: the reference that is scored against.
    """
    epochs = [pd.read_csv(file).set_index("id") for file in sorted(run.glob("final/*/images.csv"))]
    scores = sum(epochs[1:], epochs[0]) / len(epochs)  # (images, columns)
    status = json.loads((run / "status.json").read_text())
    quality = run / "label_quality.json"
    labels = json.loads(quality.read_text()) if quality.exists() else {}
    return Record(
        arm,
        seed,
        list(settings),
        status.get("cpu_seconds"),
        [round(labels[when]["dice"], 4) for when in ("before", "after")] if "after" in labels else None,
        scores[f"dice@{truth}"].round(4).tolist(),
        {str(name): round(float(scores[name].mean()), 4) for name in scores},
    )


def read_record(file: Path) -> Record | None:
    """Read one training's record; None where there is none."""
    return Record(**json.loads(file.read_text())) if file.exists() else None


def read_records(file: Path) -> list[Record]:
    """Read the records of a published study; none where it is not published yet."""
    return [Record(**content) for content in json.loads(file.read_text())["trainings"]] if file.exists() else []


def write_records(file: Path, about: dict[str, Any], records: Iterable[Record]) -> None:
    """Write a study's records, a training on each line."""
    lines = ",\n".join(json.dumps(_plain(record)) for record in sorted(records, key=lambda record: record.key))
    head = json.dumps(about)
    file.write_text(f'{head[:-1]}, "trainings": [\n{lines}\n]}}\n')


def _plain(record: Record) -> dict[str, Any]:
    return record._asdict() | {"dice": [None if np.isnan(value) else value for value in record.dice]}
