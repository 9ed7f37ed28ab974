"""A constructor's signature is a config's schema; it is read from the source, as importing torch takes seconds."""

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from segtrain.config.kinds import ANY, Kind, kind_of, suggestion
from segtrain.config.source import Definition, Module, UnreadableError, find, module

__all__ = ["Parameter", "Signature", "UnknownTargetError", "signature"]


class UnknownTargetError(Exception):
    """A `_target_` that leads nowhere; its text says so and what was meant."""


class Parameter(NamedTuple):
    """One parameter of a constructor."""

    name: str
    kind: Kind
    required: bool

    @property
    def plain(self) -> bool:
        """It is a knob: a YAML can give it something other than null without a `_target_`."""
        return any(alternative.plain and alternative.name != "None" for alternative in self.kind)


class Signature(NamedTuple):
    """What a class or a function takes by name."""

    home: str
    """Where it is defined, which may be elsewhere than it was named."""
    parameters: dict[str, Parameter]
    takes_any: bool
    """It has `**kwargs`."""


@cache
def signature(target: str) -> Signature:
    """Give the signature of the class or function named `target`, without importing it where its source is there.

    Raises:
        UnknownTargetError: there is no such thing.
    """
    try:
        found = find(target)
        if found is None:
            if target.partition(".")[0] in sys.builtin_module_names:  # which they are differs from Python to Python
                return _inspected(target)
            raise UnknownTargetError(_unknown(target))
        if isinstance(found.node, ast.ClassDef):
            parameters, takes_any = _constructor(found) or ([], False)
        elif isinstance(found.node, ast.FunctionDef):
            parameters, takes_any = _arguments(found.node.args, found.module)
        else:
            raise UnknownTargetError(f"{target} is neither a class nor a function")
    except UnreadableError:
        return _inspected(target)
    home = f"{found.module.name}.{found.node.name}"
    return Signature(home, {parameter.name: parameter for parameter in parameters}, takes_any)


def _unknown(target: str) -> str:
    """Name the first part of the path that leads nowhere."""
    parts = target.split(".")
    for count in range(1, len(parts)):
        path = ".".join(parts[:count])
        if module(path) is None:
            parent = module(".".join(parts[: count - 1])) if count > 1 else None
            return f"there is no {path}" + suggestion(parts[count - 1], parent.submodules if parent else [])
    owner = module(".".join(parts[:-1]))
    names = [name for name in owner.names if name != parts[-1]] if owner else []
    return f"there is no {target}{suggestion(parts[-1], names)}"


def _constructor(found: Definition) -> tuple[list[Parameter], bool] | None:
    """The parameters of the class's own constructor, its dataclass fields, or those of the first base that has any."""
    node, home = found
    assert isinstance(node, ast.ClassDef)
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name in ("__init__", "__new__"):
            parameters, takes_any = _arguments(statement.args, home)
            return parameters[1:], takes_any
    bases = [base for expression in node.bases if (base := home.resolve(expression))]
    bases = [base for base in bases if isinstance(base.node, ast.ClassDef)]
    if _is_dataclass(node):
        return list(_fields(found, bases).values()), False
    return next((inherited for base in bases if (inherited := _constructor(base))), None)


def _arguments(arguments: ast.arguments, home: Module) -> tuple[list[Parameter], bool]:
    positional = arguments.posonlyargs + arguments.args
    missing = len(positional) - len(arguments.defaults)
    defaults: list[ast.expr | None] = [*[None] * missing, *arguments.defaults, *arguments.kw_defaults]
    pairs = zip(positional + arguments.kwonlyargs, defaults, strict=True)
    parameters = [
        Parameter(argument.arg, kind_of(argument.annotation, home), default is None) for argument, default in pairs
    ]
    return parameters, arguments.kwarg is not None


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any(ast.unparse(item).split("(")[0].endswith("dataclass") for item in node.decorator_list)


def _fields(found: Definition, bases: list[Definition]) -> dict[str, Parameter]:
    node, home = found
    assert isinstance(node, ast.ClassDef)
    fields: dict[str, Parameter] = {}
    for base in reversed(bases):
        parameters, _ = _constructor(base) or ([], False)
        fields |= {parameter.name: parameter for parameter in parameters}
    for name, annotation, value in _annotated(node):
        options = {item.arg: item.value for item in value.keywords} if _is_field(value) else {}
        if "init" in options and ast.unparse(options["init"]) == "False":
            fields.pop(name, None)
            continue
        required = not (options.keys() & {"default", "default_factory"}) if _is_field(value) else value is None
        fields[name] = Parameter(name, kind_of(annotation, home), required)
    return fields


def _annotated(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr, Any]]:
    for statement in node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                if not any(word in ast.unparse(annotation) for word in ("ClassVar", "KW_ONLY")):
                    yield name, annotation, value


def _is_field(value: ast.AST | None) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func).endswith("field")


def _inspected(target: str) -> Signature:
    """Import a target that has no source, and ask Python."""
    path, _, name = target.rpartition(".")
    try:
        made = getattr(importlib.import_module(path), name)
        parameters = list(inspect.signature(made).parameters.values())
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UnknownTargetError(f"there is no {target} that can be called: {error}") from error
    named = [item for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)]
    return Signature(
        f"{made.__module__}.{name}",
        {item.name: Parameter(item.name, ANY, item.default is item.empty) for item in named},
        any(item.kind is item.VAR_KEYWORD for item in parameters),
    )
