"""Where configs lie, what can be chosen, and composing them without running anything."""

import secrets
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl  # pyproject holds hydra-core below 1.4
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.utils import setup_globals
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from segtrain.errors import ConfigError

__all__ = ["compose_config", "config_dir", "groups", "load", "loader", "options", "prepare_hydra", "run_id"]


def config_dir() -> Path:
    """Give the folder of the configs that ship with segtrain: inside a wheel, else beside the package."""
    packaged = Path(__file__).parents[1] / "configs"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "configs"


def groups(folder: Path | None = None) -> list[str]:
    """Name the groups that can be chosen from; `folder` is the user's own (`--config-dir`)."""
    return sorted({path.name for base in _bases(folder) for path in base.iterdir() if path.is_dir()})


def options(group: str, folder: Path | None = None) -> dict[str, str]:
    """Give the options of a group, each with the comment on its first line."""
    files = {path.stem: path for base in _bases(folder) for path in sorted((base / group).glob("*.yaml"))}
    return {name: _comment(path) for name, path in sorted(files.items())}


def _bases(folder: Path | None) -> list[Path]:
    return [config_dir(), *([folder] if folder else [])]


def _comment(path: Path) -> str:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("# @package")]
    return lines[0].lstrip("# ") if lines and lines[0].startswith("#") else ""


@cache
def run_id() -> str:
    """Six random hexadecimal digits, the same for the whole command: no two runs share a folder."""
    return secrets.token_hex(3)


def _count(items: object) -> int:
    if not isinstance(items, list | ListConfig):
        raise ValueError(f"a list is needed to count, got {items!r}")
    return len(items)


def prepare_hydra() -> None:
    """Make `${count:LIST}`, `${run_id:}` and Hydra's own resolvers known; may be called again."""
    version.setbase("1.3")
    setup_globals()
    OmegaConf.register_new_resolver("count", _count, replace=True)
    OmegaConf.register_new_resolver("run_id", run_id, replace=True)


def loader(folder: Path | None = None) -> ConfigLoaderImpl:
    """Give Hydra's own reader of configs, without its global state; `folder` stands before ours."""
    prepare_hydra()
    path = create_config_search_path(f"file://{config_dir()}")
    if folder is not None:
        if not folder.is_dir():
            raise ConfigError(f"--config-dir: there is no folder {folder}")
        path.prepend("command-line", f"file://{folder.absolute()}", anchor=SearchPathQuery(provider="schema"))
    return ConfigLoaderImpl(path)


def load(reader: ConfigLoaderImpl, name: str, overrides: Sequence[str]) -> DictConfig:
    """Compose, with Hydra's own settings under `hydra`.

    Raises:
        hydra.errors.HydraException: whatever Hydra finds wrong, the first fault only.
    """
    return reader.load_configuration(name, list(overrides), RunMode.RUN)


def compose_config(name: str, overrides: Sequence[str] = (), folder: Path | None = None) -> DictConfig:
    """Compose as a command does, but stop at Hydra's first fault and give the job's part only."""
    cfg = load(loader(folder), name, overrides)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg
