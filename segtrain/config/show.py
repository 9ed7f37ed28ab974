"""Configs on the screen: what was chosen, and what can be."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.syntax import Syntax
from rich.tree import Tree

from segtrain.config.compose import options
from segtrain.config.tree import STACKING

__all__ = ["show_config", "show_options", "show_table"]


def show_config(cfg: DictConfig, choices: Mapping[str, Any]) -> None:
    """Print a run's config as `print_config` says: one line for each group (short), or all of it (full).

    Args:
        cfg: of the command `train`.
        choices: what Hydra chose for each group; it leaves out those chosen by a list.
    """
    if cfg.print_config == "full":
        Console().print(Syntax(OmegaConf.to_yaml(cfg, resolve=True), "yaml"))
    elif cfg.print_config == "short":
        tree = Tree(cfg.paths.run_dir)
        for group in map(str, cfg):
            chosen = ", ".join(map(str, cfg[group])) or "none" if group in STACKING else choices.get(group)
            if chosen:
                tree.add(f"{group:<14}{chosen}")
        Console().print(tree, highlight=False, soft_wrap=True)


def show_options(groups: Sequence[str], folder: Path | None = None) -> None:
    """Print the options of each group, with what they are; `folder` is the user's own (`--config-dir`)."""
    for group in groups:
        Console().print(group, style="bold")
        show_table(options(group, folder))


def show_table(rows: Mapping[str, str]) -> None:
    """Print names and what they are, in two columns, a line each however narrow the screen."""
    width = max(map(len, rows), default=0)
    for name, text in rows.items():
        Console().print(f"  {name:<{width}}  {text}", markup=False, highlight=False, soft_wrap=True)
