"""Every YAML under configs/ composes, passes the check, and shows every knob of what it builds."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from segtrain import config
from segtrain.config import STACKING, faults
from segtrain.config.kinds import GIVEN
from segtrain.config.tree import resolved

ROOTS = sorted(path.stem for path in config.config_dir().glob("*.yaml"))
ELSEWHERE = ("hydra", "paths", "study")
"""Groups that no training chooses from."""
OPTIONS = [(group, name) for group in config.groups() if group not in ELSEWHERE for name in config.options(group)]
FILES = sorted(config.config_dir().rglob("*.yaml"))

NEEDED = {
    "predict": ["run=x", "input=y"],
    "evaluate": ["run=x"],
    "tune_postprocess": ["run=x"],
    "segment": ["input=x", "output=y"],
    "benchmark_segment": ["images=x"],
    "correct": ["run=x", "above=0.5"],
}
"""What a command cannot do without."""

SUPPLIED = {"classes", "overlapping", "window", "references", "total_steps", "restarts"}
"""Plain parameters that complete a partial: they follow from the data and the trainer, and no user chooses them."""


@pytest.fixture(autouse=True)
def _composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_base", _base)


_base = cache(faults._base)


def composed(*overrides: str, name: str = "train") -> dict[str, Any]:
    tree, _ = resolved(config.compose_config(name, overrides))
    return dict(tree)


def stand_ins(tree: Any, path: str = "") -> Iterator[str]:
    """Give what only a user can: a value of the right kind for every `???` and every unset environment variable."""
    for key, value in tree.items() if isinstance(tree, dict) else ():
        here = f"{path}.{key}" if path else key
        if value is GIVEN and "_target_" in tree:
            kind = config.signature(tree["_target_"]).parameters[key].kind
            legal = {"list": "[a,b]", "str": "x", "int": "1", "float": "1.0", "dict": "{a:1}"}
            yield f"{here}={next(legal[item.name] for item in kind if item.name in legal)}"
        yield from stand_ins(value, here)


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Give every mapping that has a `_target_`."""
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(value)
    if isinstance(tree, dict) and "_target_" in tree:
        yield tree


def hidden_knobs(tree: Any) -> list[str]:
    """Name the plain parameters of our own constructors that a YAML does not show."""
    hidden = []
    for node in nodes(tree):
        target = node["_target_"]
        if target.startswith("segtrain."):
            plain = {item.name for item in config.signature(target).parameters.values() if item.plain}
            supplied = SUPPLIED if node.get("_partial_") else set()
            hidden += [f"{target}: {name}" for name in plain - node.keys() - supplied]
    return hidden


def check_choice(group: str, chosen: str) -> dict[str, Any]:
    """Compose and check, and give what was chosen."""
    name = {"evidence": "audit", "segmenter": "segment"}.get(group, "train")
    needed = NEEDED.get(name, [])
    tree = composed(chosen, *needed, name=name)
    if given := list(stand_ins(tree)):
        tree = composed(chosen, *needed, *given, name=name)
    config.check(OmegaConf.create(tree), name=name)
    return dict(tree.get(group) or {})


@pytest.mark.parametrize(("group", "name"), [item for item in OPTIONS if item[0] not in STACKING], ids=str)
def test_every_option_passes_the_check_and_shows_every_knob(group: str, name: str) -> None:
    assert hidden_knobs(check_choice(group, f"{group}={name}")) == []


@pytest.mark.parametrize("group", [group for group in STACKING if config.options(group) and group not in ELSEWHERE])
def test_all_options_of_a_group_that_stacks_pass_together_and_show_every_knob(group: str) -> None:
    names = [name for name in config.options(group) if name != "none"]
    node = check_choice(group, f"{group}=[{','.join(names)}]")
    assert list(node) == names
    assert hidden_knobs(node) == []


@pytest.mark.parametrize(("group", "name"), [item for item in OPTIONS if item[0] in STACKING], ids=str)
def test_an_option_that_stacks_holds_one_key_its_own_name(group: str, name: str) -> None:
    content = OmegaConf.load(config.config_dir() / group / f"{name}.yaml")
    assert [key for key in content if key != "defaults"] == ([] if name == "none" else [name])


def test_every_post_processor_has_ranges_to_search() -> None:
    tree = composed("run=x", name="tune_postprocess")
    assert tree["search"].keys() == {name for name in config.options("postprocess") if name not in ("none", "auto")}
    candidates = list(tree["postprocess"])
    assert candidates == [name for name in tree["search"] if name in candidates]  # in the order of the ranges


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_file_says_on_its_first_line_what_it_is(path: Path) -> None:
    first = next(line for line in path.read_text().splitlines() if not line.startswith("# @package"))
    assert first.startswith("# ")
    assert len(first.split()) > 2
    assert first.isascii()


@pytest.mark.parametrize("name", ROOTS)
def test_every_command_composes_and_explains_its_keys(name: str) -> None:
    config.check_command(name, NEEDED.get(name, []))
    lines = (config.config_dir() / f"{name}.yaml").read_text().split("\n\n", 1)[1].splitlines()
    told = [line for line in lines if line and not line.startswith(" ") and not line.startswith(("task_name", "num_"))]
    assert [line for line in told if "  # " not in line] == []
