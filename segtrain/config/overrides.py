"""What is wrong with what a user typed: Hydra stops at the first fault and suggests nothing."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from segtrain.config.compose import load
from segtrain.config.kinds import suggestion
from segtrain.config.search import quoted
from segtrain.config.signatures import UnknownTargetError, signature

__all__ = ["jobs", "normalised", "sifted"]

_OPEN = "loss_weights."
"""A mapping whose keys a user invents: an override may add to it without Hydra's `+`."""
_SEARCH = "search."
"""Another one, whose values are written as sweeps are."""


def normalised(overrides: Sequence[str]) -> list[str]:
    """Let `loss_weights.dice=0.5` add its key, and `search.threshold.threshold=interval(0.1,0.9)` too."""
    added = [f"++{override}" if override.startswith(_OPEN) else override for override in overrides]
    return [quoted(override) if override.startswith(_SEARCH) else override for override in added]


def jobs(reader: ConfigLoaderImpl, overrides: Sequence[str]) -> Iterator[list[str]]:
    """Give the overrides of each job of a sweep; a range that only a sweeper can draw from is left out."""
    parser = OverridesParser.create(config_loader=reader)
    choices: list[list[str]] = []
    for text in overrides:
        try:
            override = parser.parse_override(text)
        except HydraException:  # `sifted` says what is wrong with it
            choices.append([text])
            continue
        if override.is_discrete_sweep():
            key = override.get_key_element()
            choices.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        elif not override.is_sweep_override():
            choices.append([text])
    for combination in itertools.product(*choices):
        yield list(combination)


def sifted(reader: ConfigLoaderImpl, name: str, overrides: Sequence[str]) -> tuple[DictConfig, list[str]]:
    """Compose with those overrides that can be applied, and say what is wrong with the others.

    Raises:
        hydra.errors.HydraException: the config cannot be composed even without overrides.
    """
    parsed, faults = _parsed(overrides)
    kept: list[Override] = []
    for override in parsed:
        if fault := _dropped(reader, override, kept):
            faults.append(fault)
        else:
            kept.append(override)
    try:
        return load(reader, name, [str(override.input_line) for override in kept]), faults
    except (HydraException, ValueError):
        return _one_by_one(reader, name, kept, faults)


def _parsed(overrides: Sequence[str]) -> tuple[list[Override], list[str]]:
    parser = OverridesParser.create()
    parsed, faults = [], []
    for text in overrides:
        try:
            parsed.append(parser.parse_override(text))
        except HydraException:
            cure = "write key=value, and quote a value that holds any of ,=[]{}(): as in 'ckpt_path=\"a=b.ckpt\"'"
            faults.append(f"{text}: cannot be read; {cure}")
    return parsed, faults


def _dropped(reader: ConfigLoaderImpl, override: Override, earlier: list[Override]) -> str | None:
    """Say what Hydra would drop without a word: a repeat, an option added to a list, the earlier of two choices."""
    if override.is_sweep_override() or override.is_delete() or not _names_group(reader, override):
        return None
    text, key, value = str(override.input_line), override.key_or_group, override.value()
    if override.is_add():
        return f"{text}: options cannot be added to a group; name them all, such as '{key}=[a,b]'"
    if any(other.key_or_group == key and other.package == override.package for other in earlier):
        return f"{text}: {key} is chosen twice; to stack options write '{key}=[a,b]'"
    names = [str(item) for item in value] if isinstance(value, list) else []
    repeated = sorted({name for name in names if names.count(name) > 1})
    return f"{text}: {', '.join(repeated)} is named more than once" if repeated else None


def _one_by_one(
    reader: ConfigLoaderImpl, name: str, parsed: list[Override], faults: list[str]
) -> tuple[DictConfig, list[str]]:
    # Groups first: a key may exist only in the option that another override chooses.
    good: list[str] = []
    cfg = load(reader, name, good)
    for override in [override for override in parsed if _names_group(reader, override)]:
        try:
            cfg = load(reader, name, [*good, str(override.input_line)])
            good.append(str(override.input_line))
        except (HydraException, ValueError) as error:
            faults.append(_fault(reader, cfg, override, error))
    for override in [override for override in parsed if not _names_group(reader, override)]:
        changes = not (override.is_add() or override.is_force_add() or override.is_delete())
        if changes and (fault := _unknown_key(cfg, override.key_or_group, str(override.input_line))):
            faults.append(fault)
            continue
        try:
            reader.validate_sweep_overrides_legal([override], RunMode.RUN, from_shell=True)
            reader._apply_overrides_to_config([override], cfg)
        except HydraException as error:
            faults.append(_fault(reader, cfg, override, error))
    return cfg, faults


def _names_group(reader: ConfigLoaderImpl, override: Override) -> bool:
    return reader.repository.group_exists(override.key_or_group)


def _fault(reader: ConfigLoaderImpl, cfg: DictConfig, override: Override, error: Exception) -> str:
    """Say in one sentence what is wrong with an override that `cfg` refuses."""
    text, key = str(override.input_line), override.key_or_group
    if override.is_sweep_override():
        values = text.partition("=")[2]
        return f"{text}: to stack them write '{key}=[{values}]', to try one after the other add -m"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        return f"{text}: {_no_option(reader, group, option)}"
    if _names_group(reader, override):
        return f"{text}: name one of {', '.join(_options(reader, key))}"
    if override.is_add() and OmegaConf.select(cfg, key, throw_on_missing=False) is not None:
        return f"{text}: {key} is there already, write {text.lstrip('+')}"
    return _unknown_key(cfg, key, text) or f"{text}: " + " ".join(str(error).split("\n")[0].split())


def _options(reader: ConfigLoaderImpl, group: str) -> list[str]:
    return reader.get_group_options(group, results_filter=ObjectType.CONFIG)


def _no_option(reader: ConfigLoaderImpl, group: str, option: str) -> str:
    names = _options(reader, group)
    return f"{group} has no option '{option}'{suggestion(option, names) or '.'} The options are {', '.join(names)}"


def _unknown_key(cfg: DictConfig, key: str, text: str) -> str | None:
    """Follow `key` into `cfg` and say where it goes astray; None when it does not."""
    node: Any = cfg
    path: list[str] = []
    for part in key.split("."):
        inside = ".".join(path)
        if not isinstance(node, DictConfig):
            return f"{key}: there is nothing inside {inside}" if path else None
        if part not in node:
            return _astray(node, inside, part, text)
        path.append(part)
        node = None if OmegaConf.is_missing(node, part) else node._get_node(part)
    return None


def _astray(node: DictConfig, inside: str, part: str, text: str) -> str:
    target = node.get("_target_")
    here = f"{inside}.{part}" if inside else part
    if isinstance(target, str):
        try:
            known = list(signature(target).parameters)
        except UnknownTargetError:
            known = []
        if part in known:
            return f"{here}: not in the config, add it by +{text}"
        return f"{here}: {target} takes no '{part}'{suggestion(part, known)}"
    names = [str(name) for name in node if name != "hydra"]
    return f"{here}: there is no '{part}'{f' in {inside}' if inside else ''}{suggestion(part, names)}"
