"""metrics.csv: one row for each step that logged something, in the run's folder, whole after every write."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

__all__ = ["CSVLogger"]


class CSVLogger(Logger):
    """Write `metrics.csv`: columns "epoch", "step" and every logged name; what is logged at one step shares a row.

    (Lightning's own deletes the file when a run is resumed.) When training goes on in a folder that holds the file,
    later steps in it are what the stopped run did in vain: they are removed.

    Args:
        save_dir: the run's folder.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        self._path = Path(save_dir) / "metrics.csv"
        self._columns = ["epoch", "step"]
        self._row: dict[str, Any] = {}
        self._start = 0
        """Where in the file the current row begins, in bytes."""
        self._before = 0
        """Rows before the current one."""
        self._opened = False

    @property
    def name(self) -> str:
        return "csv"

    @property
    def version(self) -> str:
        return ""

    @property
    def save_dir(self) -> str:
        return str(self._path.parent)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the run's folder has config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        step = step or 0
        if not self._opened:
            self._open(step if any(name.startswith(("train/", "val/", "lr")) for name in metrics) else None)
        if self._row.get("step") != step:
            self._start = self._path.stat().st_size
            self._before += bool(self._row)
            self._row = {"step": step}
        self._row |= metrics
        if new := [name for name in self._row if name not in self._columns]:
            rows = self._read()[: self._before]
            self._columns += new
            self._rewrite(rows)
        with self._path.open("r+", newline="") as file:
            file.seek(self._start)
            file.truncate()
            csv.DictWriter(file, self._columns, lineterminator="\n").writerow(self._row)

    def _open(self, resumed_at: int | None) -> None:
        self._opened = True
        rows = self._read() if self._path.exists() else []
        if resumed_at is not None:
            same = [row for row in rows if _step(row) == resumed_at]
            rows = [row for row in rows if _step(row) < resumed_at]
            self._row = {name: value for row in same for name, value in row.items() if value} | {"step": resumed_at}
        self._rewrite(rows)

    def _read(self) -> list[dict[str, Any]]:
        with self._path.open(newline="") as file:
            reader = csv.DictReader(file)
            self._columns = list(reader.fieldnames or self._columns)
            return list(reader)

    def _rewrite(self, rows: list[dict[str, Any]]) -> None:
        """Replace the file by one with these rows, all before the current one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(self._path.name + ".part")
        with part.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns, restval="", extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        part.replace(self._path)
        self._start, self._before = self._path.stat().st_size, len(rows)


def _step(row: Mapping[str, Any]) -> int:
    """Give the row's step; a line cut short by a kill has none and counts as the last."""
    text = row.get("step") or ""
    return int(text) if text.isdigit() else 2**63
