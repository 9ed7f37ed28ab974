"""A run's folder, read: what is missing stays empty, and what cannot be read is named."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import yaml  # type: ignore[import-untyped]

__all__ = ["IGNORED", "RunFolder", "read_run"]

IGNORED = 255
"""`segtrain.types.IGNORE`, said again because reading a page's material must not import torch."""

_Content = TypeVar("_Content")


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """The files of one run that a report is made of; an absent file gives an empty value."""

    path: Path
    status: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    confusion: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    images: pd.DataFrame = field(default_factory=pd.DataFrame)
    examples: dict[str, Any] = field(default_factory=dict)
    findings: dict[str, Any] = field(default_factory=dict)
    """What the strategy found out about the labels."""
    draws: pd.DataFrame = field(default_factory=pd.DataFrame)
    revisions: dict[str, int] = field(default_factory=dict)
    """How many labels each revision rewrote."""
    faults: list[str] = field(default_factory=list)
    """One sentence for each file that is there but cannot be read."""

    @property
    def classes(self) -> list[str]:
        """The names of the classes in the order of their numbers; empty when nothing says them."""
        data = self.config.get("data")
        named = data.get("classes") if isinstance(data, dict) else None
        named = named or self.confusion.get("classes")
        return [str(name) for name in named] if isinstance(named, list) else []

    @property
    def overlapping(self) -> bool:
        data = self.config.get("data")
        return isinstance(data, dict) and data.get("labels") == "overlapping"


def read_run(run_dir: Path) -> RunFolder:
    """Read whatever a run has left behind, finished or not.

    Raises:
        NotADirectoryError: there is no such folder.
    """
    if not run_dir.is_dir():
        raise NotADirectoryError(f"{run_dir} is not a folder")
    faults: list[str] = []

    def read(name: str, parse: Callable[[Path], _Content], empty: _Content) -> _Content:
        if not (run_dir / name).is_file():
            return empty
        try:
            return parse(run_dir / name)
        except (OSError, ValueError, yaml.YAMLError) as error:
            faults.append(f"{name} cannot be read: {error}")
            return empty

    nothing = pd.DataFrame()
    return RunFolder(
        path=run_dir,
        status=read("status.json", _json, {}),
        config=read("config.yaml", _yaml, {}),
        metrics=read("metrics.json", _json, {}),
        history=read("metrics.csv", _history, nothing),
        confusion=read("test/confusion.json", _json, {}),
        calibration=read("test/calibration.json", _json, {}),
        images=read("test/images.csv", _table, nothing),
        examples=read("test/examples.json", _json, {}),
        findings=read("findings/findings.json", _json, {}),
        draws=read("draws.csv", _table, nothing),
        revisions=_revisions(run_dir / "revised"),
        faults=faults,
    )


def _mapping(content: object) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError(f"it should hold a mapping, not {type(content).__name__}")
    return content


def _json(path: Path) -> dict[str, Any]:
    return _mapping(json.loads(path.read_text(encoding="utf-8")))


def _yaml(path: Path) -> dict[str, Any]:
    return _mapping(yaml.safe_load(path.read_text(encoding="utf-8")) or {})


def _history(path: Path) -> pd.DataFrame:
    """Read Lightning's sparse table; the last line of a run that was killed may be cut short."""
    table = pd.read_csv(path, on_bad_lines="skip", dtype=str)
    return table.apply(pd.to_numeric, errors="coerce")


def _table(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, on_bad_lines="skip", dtype=str, keep_default_na=False)
    numbers = [name for name in table.columns if name != "id"]
    table[numbers] = table[numbers].apply(pd.to_numeric, errors="coerce")
    return table


def _revisions(folder: Path) -> dict[str, int]:
    if not folder.is_dir():
        return {}
    return {child.name: len(list(child.glob("*.png"))) for child in sorted(folder.iterdir()) if child.is_dir()}
