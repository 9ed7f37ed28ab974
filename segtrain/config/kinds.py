"""What a parameter takes, as its annotation says, and whether a value from a config is that."""

import ast
from typing import Any, NamedTuple

from segtrain.config.source import Module

__all__ = ["ANY", "GIVEN", "Kind", "kind_of", "refusal", "shown", "suggestion"]

GIVEN = object()
"""Stands for a value that is not known yet; it passes for any kind."""

_LISTS = {"list", "List", "Sequence", "MutableSequence", "Iterable", "Collection", "tuple", "Tuple", "set", "Set",
          "frozenset"}  # fmt: skip
_DICTS = {"dict", "Dict", "Mapping", "MutableMapping"}
_PATHS = {"Path", "PathLike"}
_FIRST = {"Annotated", "Required", "Final", "InitVar"}


class Alternative(NamedTuple):
    """One way in which a value may be right."""

    name: str
    """int, float, str, bool, None, list, dict, literal, object (something built) or any (not known)."""
    values: tuple[Any, ...] = ()
    """The values of a literal."""
    inner: "Kind" = ()
    """What the elements of a list, or the values of a dict, may be; empty = anything."""

    def takes(self, value: Any) -> bool:
        match self.name:
            case "any":
                return True
            case "literal":
                return any(value == legal and type(value) is type(legal) for legal in self.values)
            case "None":
                return value is None
            case "float":
                return isinstance(value, int | float) and not isinstance(value, bool)
            case "int":
                return isinstance(value, int) and not isinstance(value, bool)
            case "list":
                return isinstance(value, list) and all(refusal(item, self.inner) is None for item in value)
            case "dict":
                return isinstance(value, dict) and all(refusal(item, self.inner) is None for item in value.values())
        return type(value).__name__ == self.name

    def __str__(self) -> str:
        match self.name:
            case "literal":
                return "one of " + ", ".join(shown(value) for value in self.values)
            case "None":
                return "null"
            case "list":
                return "list of " + _told(self.inner) if self.plain and self.inner else "list"
            case "object":
                return "an object with a _target_"
        return self.name

    @property
    def plain(self) -> bool:
        """A YAML can hold it without a `_target_`."""
        return self.name not in ("any", "object") and (not self.inner or any(item.plain for item in self.inner))


Kind = tuple[Alternative, ...]
"""The alternatives of a union; none = anything."""

ANY: Kind = (Alternative("any"),)


def refusal(value: Any, kind: Kind) -> str | None:
    """Say what was expected instead of `value`; None when it is right."""
    built = isinstance(value, dict) and "_target_" in value
    if value is GIVEN or built or not kind or any(alternative.takes(value) for alternative in kind):
        return None
    legal = [str(item) for alternative in kind for item in alternative.values]
    return f"{_told(kind)} expected, got {shown(value)}{suggestion(str(value), legal)}"


def suggestion(name: object, names: list[str]) -> str:
    """Give ", did you mean ...?" for the nearest of `names`; nothing when none is near."""
    from difflib import get_close_matches

    near = get_close_matches(str(name).lower(), [other.lower() for other in names], n=1, cutoff=0.6)
    originals = [other for other in names if near and other.lower() == near[0]]
    return f", did you mean '{originals[0]}'?" if originals else ""


def shown(value: Any) -> str:
    """Write a value as a config would, and not at length."""
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _told(kind: Kind) -> str:
    return " or ".join(dict.fromkeys(str(alternative) for alternative in kind))


def kind_of(annotation: ast.AST | None, module: Module) -> Kind:
    """Read an annotation that stands in `module`; what cannot be read is `ANY`."""
    match annotation:
        case ast.Constant(value=None):
            return (Alternative("None"),)
        case ast.Constant(value=str(text)):
            return kind_of(ast.parse(text, mode="eval").body, module)
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return kind_of(left, module) + kind_of(right, module)
        case ast.Subscript(value=value, slice=index):
            return _subscript(_last(value), index, module)
        case ast.Name() | ast.Attribute():
            return _named(annotation, module)
    return ANY


def _subscript(name: str, index: ast.expr, module: Module) -> Kind:
    items = index.elts if isinstance(index, ast.Tuple) else [index]
    if name == "Literal":
        try:
            return (Alternative("literal", tuple(ast.literal_eval(item) for item in items)),)
        except ValueError:  # a name that only running the module would give
            return ANY
    if name in _FIRST:
        return kind_of(items[0], module)
    kinds = [kind_of(item, module) for item in items if not isinstance(item, ast.Constant) or item.value is not ...]
    union = tuple(alternative for kind in kinds for alternative in kind)
    if name == "Union":
        return union
    if name == "Optional":
        return (*union, Alternative("None"))
    if name in _LISTS:
        return (Alternative("list", inner=union),)
    if name in _DICTS:
        return (Alternative("dict", inner=kinds[-1]),)
    return (Alternative("object"),)


def _named(annotation: ast.Name | ast.Attribute, module: Module) -> Kind:
    name = _last(annotation)
    if name in ("int", "float", "str", "bool"):
        return (Alternative(name),)
    if name in _LISTS | _DICTS:
        return (Alternative("list" if name in _LISTS else "dict"),)
    if name in _PATHS:
        return (Alternative("str"),)
    if name in ("Any", "object"):
        return ANY
    found = module.resolve(annotation)
    if found is None or found.node is None:
        return ANY
    if isinstance(found.node, ast.ClassDef):
        enum = any(_last(base).endswith("Enum") for base in found.node.bases)
        return ANY if enum else (Alternative("object"),)
    return kind_of(found.node, found.module)  # an alias; a TypeVar's call gives ANY


def _last(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
