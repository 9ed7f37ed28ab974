"""check-data: look at every image and mask before training does."""

from datetime import datetime
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import Progress

from segtrain.data import DataSet, check, draw_sheet
from segtrain.errors import DataError
from segtrain.run.build import make
from segtrain.run.status import write_atomically

__all__ = ["check_data"]

PICTURES = 30


def check_data(cfg: DictConfig) -> Path:
    """Report on a data set: `report.txt`, `report.json` and a sheet of pictures for each split; give their folder.

    Raises:
        DataError: the data have faults; all are in the report.
    """
    data: DataSet = make(cfg.data)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("check")
        report = check(
            data,
            num_workers=cfg.processes,
            near_duplicates=cfg.near_duplicates,
            on_sample=lambda done, total: progress.update(task, completed=done, total=total),
        )
    output = Path(cfg.output) if cfg.output else _folder(cfg)
    write_atomically(output / "report.txt", report.to_text() + "\n")
    write_atomically(output / "report.json", report.to_json() + "\n")
    for split, source in data.splits().items():
        chosen = np.linspace(0, len(source) - 1, min(PICTURES, len(source))).round().astype(int)  # spread evenly
        draw_sheet(source, chosen.tolist(), data, title=f"{split}: {len(source)} samples").save(output / f"{split}.png")
    Console().print(report.to_text(), markup=False, highlight=False, soft_wrap=True)
    Console().print(f"\nreport and pictures in {output}", highlight=False, soft_wrap=True)
    if not report.ok:
        raise DataError(f"{len(report.faults)} faults in the data, see {output / 'report.txt'}.")
    return output


def _folder(cfg: DictConfig) -> Path:
    now = datetime.now().astimezone()
    return Path(cfg.paths.output_dir) / "check_data" / f"{now:%Y-%m-%d_%H-%M-%S}"
