"""What is wrong with the shape of a config: unknown settings, half options, empty groups, unknown weights."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, InterpolationToMissingValueError, OmegaConfBaseException

from segtrain.config.compose import options
from segtrain.config.kinds import GIVEN, Alternative, refusal, shown, suggestion
from segtrain.config.targets import join

__all__ = ["STACKING", "resolved", "tree_faults"]

STACKING = ("loss", "noise", "postprocess", "corruption", "callbacks", "logger", "evidence")
"""Groups whose options add up; each option is one key."""

_OPEN = ("loss_weights", "recipes", "weights", "instances", "search")
"""Settings at a config's top whose keys are the user's own."""

_CHOICES = {
    "kind": ("speed", "cost", "diagnosis", "noise", "audit", "pace", "crf", "cuts", "postprocess", "segment"),
    "keep": ("sure", "mean"),
    "monitor_mode": ("min", "max"),
    "print_config": ("short", "full", "none"),
    "score": ("dice", "iou", "boundary_f1", "hd95"),
    "split": ("train", "val", "test", "all"),
    "tta": ("none", "flips", "dihedral"),
}
"""Settings at a config's top that take one of a few words."""


def resolved(node: Any, path: str = "") -> tuple[Any, list[str]]:
    """Give a config as plain dicts and lists, `GIVEN` where a value cannot be known, and say why it cannot."""
    if not isinstance(node, DictConfig | ListConfig):
        return node, []
    keys = list(node) if isinstance(node, DictConfig) else list(range(len(node)))
    items, faults = [], []
    for key in keys:
        item, found = _resolved_item(node, key, join(path, key))
        items.append(item)
        faults += found
    return (dict(zip(keys, items, strict=True)) if isinstance(node, DictConfig) else items), faults


def _resolved_item(node: DictConfig | ListConfig, key: Any, here: str) -> tuple[Any, list[str]]:
    if OmegaConf.is_missing(node, key):
        return GIVEN, [f"{here}: must be given, as {here}=..."]
    try:
        return resolved(node[key], here)
    except OmegaConfBaseException as error:
        return GIVEN, _interpolation_faults(node, key, here, error)


def _interpolation_faults(node: Any, key: Any, here: str, error: OmegaConfBaseException) -> list[str]:
    """Say what a value fails to refer to, unless it is what it refers to that fails: that is told in its own place."""
    written = str(node._get_node(key)._value())
    if isinstance(error, InterpolationKeyError):
        missing = re.findall("'(.*?)'", str(error))[0]
        near = suggestion(missing, [str(root_key) for root_key in node._get_root()])
        return [f"{here}: there is no '{missing}' to refer to{near}"] if missing in written else []
    if isinstance(error, InterpolationToMissingValueError) or re.fullmatch(r"\$\{[\w.]+\}", written):
        return []
    reason = str(error).splitlines()[0].partition("while resolving interpolation: ")[2].strip('"')
    return [f"{here}: {reason or error}"]


def tree_faults(tree: dict[str, Any], base: dict[str, Any], folder: Path | None = None) -> Iterator[str]:
    """Compare a config with `base`, the same command's config without overrides.

    Args:
        tree, base: plain dicts, see `resolved`.
        folder: the user's own configs, for suggestions.
    """
    for key in tree:
        if key not in base:
            yield f"{key}: there is no '{key}'{suggestion(key, list(base))}"
    for key, default in base.items():
        if key in STACKING:
            yield from _stack_faults(key, tree.get(key), list(options(key, folder)))
        elif key not in tree:
            yield f"{key}: was taken away, but it is needed"
        elif isinstance(default, dict):
            yield from _group_faults(key, tree[key], default)
        elif fault := _refused(key, tree[key], default):
            yield f"{key}: {fault}"
    yield from _weight_faults(tree)


def _stack_faults(group: str, node: Any, names: list[str]) -> Iterator[str]:
    if not isinstance(node, dict) or (not node and group == "loss"):
        cure = f"{group}=none is the way to have none" if "none" in names else f"name one of {', '.join(names)}"
        yield f"{group}: nothing is chosen; {cure}"
        return
    for name, option in node.items():
        if option is GIVEN:
            continue
        if not isinstance(option, dict):
            yield f"{group}.{name}: keys expected, got {shown(option)}"
        elif "_target_" not in option:
            cure = (
                f"choose it by {group}={name}" if name in names else f"there is no such option{suggestion(name, names)}"
            )
            yield f"{group}.{name} is set but not selected; {cure}"


def _group_faults(key: str, node: Any, default: dict[str, Any]) -> Iterator[str]:
    """A plain group such as `paths` keeps the keys that it ships with; a built one stays built, and none may be."""
    if node is GIVEN:
        return
    if "_target_" in default:
        if not isinstance(node, dict) or "_target_" not in node:
            yield f"{key}: an object with a _target_ expected, got {shown(node)}"
    elif not isinstance(node, dict):
        yield f"{key}: keys expected, got {shown(node)}"
    elif key not in _OPEN and not ("_target_" in node and not default):
        for name in node:
            if name not in default:
                yield f"{key}.{name}: there is no '{name}' in {key}{suggestion(name, list(default))}"


def _refused(key: str, value: Any, default: Any) -> str | None:
    """A setting at the top is of its default's type; null as default says nothing."""
    if key in _CHOICES:
        return refusal(value, (Alternative("literal", _CHOICES[key]),))
    if default is None or default is GIVEN:
        return None
    return refusal(value, (Alternative(type(default).__name__),))


def _weight_faults(tree: dict[str, Any]) -> Iterator[str]:
    weights, losses = tree.get("loss_weights"), tree.get("loss")
    if not isinstance(weights, dict) or not isinstance(losses, dict):
        return
    for name, weight in weights.items():
        if name not in losses:
            yield f"loss_weights.{name}: no such loss is chosen{suggestion(name, list(losses))}"
        if fault := refusal(weight, (Alternative("float"),)):
            yield f"loss_weights.{name}: {fault}"
        elif weight is not GIVEN and weight < 0:
            yield f"loss_weights.{name}: at least 0 expected, got {weight}"
