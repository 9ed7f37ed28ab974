"""Where a name is defined, read from the source without running it: importing Lightning alone takes seconds."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

__all__ = ["Definition", "Module", "UnreadableError", "find", "module"]


class UnreadableError(Exception):
    """A package that is there, but whose source is not: compiled, or made at run time."""


class Definition(NamedTuple):
    """What stands behind a name, and the module whose names it uses."""

    node: ast.AST | None
    """A class, a function, the value of an assignment; None = the module itself."""
    module: "Module"


class Module:
    """A Python module as its source tells it.

    Args:
        name: its dotted name.
        path: its `.py` file.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.is_package = path.name == "__init__.py"
        self.text = path.read_text(encoding="utf-8")

    @cached_property
    def statements(self) -> list[ast.stmt]:
        """The statements at the top level, the last first: the last definition of a name is the one that holds."""
        return list(_flat(ast.parse(self.text).body))[::-1]

    @property
    def submodules(self) -> list[str]:
        if not self.is_package:
            return []
        found = [path.stem for path in self.path.parent.glob("*.py") if path.stem != "__init__"]
        return found + [path.parent.name for path in self.path.parent.glob("*/__init__.py")]

    @property
    def names(self) -> list[str]:
        """Public names that it defines or re-exports, for suggestions."""
        found = [name for statement in self.statements for name in _bound(statement)]
        for imported in self._stars():
            found += imported.names
        return sorted({name for name in found if not name.startswith("_")})

    def absolute(self, statement: ast.ImportFrom) -> str:
        """The dotted name of the module in `from ..x import y`."""
        if not statement.level:
            return statement.module or ""
        parts = self.name.split(".")
        parts = parts[: len(parts) - statement.level + self.is_package]
        return ".".join([*parts, statement.module] if statement.module else parts)

    def may_define(self, name: str) -> bool:
        """A cheap look before the file is parsed."""
        return "import *" in self.text or re.search(rf"\b{re.escape(name)}\b", self.text) is not None

    def _stars(self) -> Iterator["Module"]:
        for statement in self.statements:
            if isinstance(statement, ast.ImportFrom) and any(alias.name == "*" for alias in statement.names):
                imported = module(self.absolute(statement))
                if imported is not None:
                    yield imported

    def find(self, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Definition | None:
        """Follow `name` to its definition, through re-exports."""
        new = (self.name, name) not in seen
        seen |= {(self.name, name)}
        if new and self.may_define(name):
            for statement in self.statements:
                if name in _bound(statement):
                    return self._follow(statement, name, seen)
            for imported in self._stars():
                if (found := imported.find(name, seen)) is not None:
                    return found
        return Definition(None, sub) if (sub := module(f"{self.name}.{name}")) else None

    def _follow(self, statement: ast.stmt, name: str, seen: frozenset[tuple[str, str]]) -> Definition | None:
        match statement:
            case ast.Import(names=aliases):
                alias = next(alias for alias in aliases if name in _bound_alias(alias))
                imported = module(alias.name if alias.asname else name)
                return Definition(None, imported) if imported else None
            case ast.ImportFrom(names=aliases):
                origin = next(alias.name for alias in aliases if name in (alias.asname, alias.name))
                imported = module(self.absolute(statement))
                return imported.find(origin, seen) if imported else None
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                return self.resolve(value, seen) or Definition(value, self)
        return Definition(statement, self)

    def resolve(self, node: ast.AST, seen: frozenset[tuple[str, str]] = frozenset()) -> Definition | None:
        """Follow an expression such as `nn.Module`; None when it is no plain name or leads nowhere."""
        if isinstance(node, ast.Name):
            return self.find(node.id, seen)
        if isinstance(node, ast.Attribute):
            owner = self.resolve(node.value, seen)
            return owner.module.find(node.attr, seen) if owner and owner.node is None else None
        return None


def _flat(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in statements:
        if isinstance(statement, ast.If):
            yield from _flat(statement.body + statement.orelse)
        elif isinstance(statement, ast.Try):
            yield from _flat(statement.body + statement.orelse)  # a handler binds stand-ins
        else:
            yield statement


def _bound_alias(alias: ast.alias) -> tuple[str, ...]:
    return (alias.asname or alias.name.split(".")[0],)


def _bound(statement: ast.stmt) -> tuple[str, ...]:
    """The names that a statement binds."""
    match statement:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return (name,)
        case ast.Assign(targets=targets):
            return tuple(target.id for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return (name,)
        case ast.Import(names=aliases):
            return tuple(name for alias in aliases for name in _bound_alias(alias))
        case ast.ImportFrom(names=aliases):
            return tuple(alias.asname or alias.name for alias in aliases)
    return ()


@cache
def module(name: str) -> Module | None:
    """Find a module's file without importing it or its parents; None when there is none.

    Raises:
        UnreadableError: its package is there without source.
    """
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top) if top.isidentifier() and top != "__main__" else None
    if spec is None or spec.origin in ("built-in", "frozen"):
        return None
    path = Path(spec.origin or "")
    if path.suffix != ".py":
        raise UnreadableError(name)
    for part in rest:
        if path.name != "__init__.py":
            return None
        inner = path.parent / part
        path = inner / "__init__.py" if (inner / "__init__.py").is_file() else inner.with_suffix(".py")
        if not path.is_file():
            return None
    return Module(name, path)


def find(target: str) -> Definition | None:
    """Follow a `_target_` such as "torch.optim.AdamW": a module's path, then one name in it."""
    path, _, name = target.rpartition(".")
    owner = module(path) if path else None
    return owner.find(name) if owner else None
