"""What is wrong with the nodes of a config that name a `_target_`, before anything is built."""

from collections.abc import Iterator, Sequence
from typing import Any

from segtrain.config.kinds import GIVEN, refusal, shown, suggestion
from segtrain.config.signatures import Signature, UnknownTargetError, signature

__all__ = ["ALLOWED", "join", "launch_faults", "target_faults"]

ALLOWED = (
    "segtrain.", "torch.optim.", "pytorch_lightning.Trainer", "pytorch_lightning.loggers.",
    "pytorch_lightning.callbacks.", "albumentations.", "torchmetrics.",
)  # fmt: skip
"""What a `_target_` may name: a config is otherwise able to run any code."""

_HYDRA_KEYS = ("_target_", "_partial_", "_recursive_", "_convert_")


def join(path: str, key: Any) -> str:
    """Give the name of `key` inside `path`, as an override writes it."""
    return f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}" if path else str(key)


def target_faults(node: Any, allowed: Sequence[str], path: str = "") -> Iterator[str]:
    """Compare every node that has a `_target_` with the signature of what it names.

    Args:
        node: plain dicts and lists.
        allowed: the prefixes that a `_target_` may have.
        path: where `node` stands.
    """
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from target_faults(item, allowed, join(path, index))
    elif isinstance(node, dict):
        if "_target_" in node:
            yield from _node_faults(node, allowed, path)
        for key, item in node.items():
            yield from target_faults(item, allowed, join(path, key))


def _node_faults(node: dict[str, Any], allowed: Sequence[str], path: str) -> Iterator[str]:
    target = node["_target_"]
    here = join(path, "_target_")
    if target is GIVEN:
        return
    if not isinstance(target, str) or not _is_allowed(target, allowed):
        yield f"{here}: {shown(target)} is not allowed; only {', '.join(allowed)} are. {_cure(str(target))}"
        return
    try:
        taken = signature(target)
    except UnknownTargetError as error:
        yield f"{here}: {error}"
        return
    if taken.home.split(".")[0] != target.split(".")[0]:  # such as a module's own import of os.system
        yield f"{here}: {target} is {taken.home}, which is not allowed"
        return
    yield from _argument_faults(node, taken, path)


def _is_allowed(target: str, allowed: Sequence[str]) -> bool:
    return any(target.startswith(prefix) if prefix.endswith(".") else target == prefix for prefix in allowed)


def _cure(target: str) -> str:
    prefix = target.rpartition(".")[0]
    return f"If you trust it, say so on the command line: 'allow_targets=[{prefix}.]'" if prefix else ""


def _argument_faults(node: dict[str, Any], taken: Signature, path: str) -> Iterator[str]:
    target = node["_target_"]
    takes_any = taken.takes_any and not target.startswith("segtrain.")
    given = {key: value for key, value in node.items() if key not in _HYDRA_KEYS}
    for key, value in given.items():
        if (parameter := taken.parameters.get(key)) is not None:
            if fault := refusal(value, parameter.kind):
                yield f"{join(path, key)}: {fault}"
        elif not takes_any:
            yield f"{join(path, key)}: {target} takes no '{key}'{suggestion(key, list(taken.parameters))}"
    if not node.get("_partial_"):  # whoever completes a partial gives the rest
        for name, parameter in taken.parameters.items():
            if parameter.required and name not in given:
                yield f"{join(path, name)}: must be given to {target}"


def launch_faults(node: Any, path: str = "hydra") -> Iterator[str]:
    """Find what would make Hydra itself, or its logging, run code of a config's choosing."""
    items = enumerate(node) if isinstance(node, list) else node.items() if isinstance(node, dict) else ()
    for key, value in items:
        here = join(path, key)
        ours = isinstance(value, str) and value.startswith(("hydra.", "hydra_plugins.", "logging.", "colorlog."))
        if key in ("_target_", "()", "class") and not ours:
            yield f"{here}: {shown(value)} is not allowed; only Hydra's own plugins and logging are"
        yield from launch_faults(value, here)
