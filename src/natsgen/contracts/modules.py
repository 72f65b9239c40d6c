"""Resolves names in the modules of a service from source, without importing them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from natsgen.files import reading
from natsgen.parts import source

Found = tuple[str, ast.AST | str]
"""The module that defines a name, with the node; for a module outside of the service, with the name there."""

_DEPTH = 10  # names that lead to another name
_UNKNOWN = "\0"


class Modules:
    """The modules of a service, each parsed once.

    Args:
        service: the service's folder.
    """

    def __init__(self, service: Path) -> None:
        self._service = service
        self._trees: dict[str, ast.Module | None] = {}

    def tree(self, module: str) -> ast.Module | None:
        """Return a module; None if it does not exist or cannot be parsed."""
        if module not in self._trees:
            path = PurePosixPath(*module.split("."))
            found = (self._parsed(file) for file in (path.with_suffix(".py"), path / "__init__.py"))
            self._trees[module] = next((tree for tree in found if tree), None)
        return self._trees[module]

    def find(self, module: str, name: str, depth: int = 0) -> Found | None:
        """Return what a name at the top level of a module stands for; None if it is not defined there."""
        tree = self.tree(module)
        if tree is None or depth > _DEPTH:
            return None
        for node in _statements(tree.body):
            match node:
                case ast.ClassDef(name=own) | ast.FunctionDef(name=own) | ast.AsyncFunctionDef(name=own) if own == name:
                    return module, node
                case ast.Assign(targets=[ast.Name(id=own)], value=value) if own == name:
                    return module, value
                case ast.AnnAssign(target=ast.Name(id=own), value=ast.expr() as value) if own == name:
                    return module, value
                case ast.ImportFrom() | ast.Import():
                    for alias in node.names:
                        if (alias.asname or alias.name) == name:
                            return self._imported(module, node, alias.name, depth)
        return None

    def resolve(self, module: str, node: ast.AST) -> Found | None:
        """Return what a name, or an attribute of a module or class, stands for."""
        match node:
            case ast.Name(id=name):
                return self.find(module, name)
            case ast.Attribute(value=value, attr=name):
                match self.resolve(module, value):
                    case (where, ast.Module()):
                        return self.find(where, name)
                    case (where, ast.ClassDef(body=body)):
                        return next(((where, value) for value in _assigned(body, name)), None)
                    case (where, str()):
                        return where, name
        return None

    def text(self, module: str, node: ast.AST, depth: int = 0) -> str | None:
        """Return the text of an expression; None if it is unknown. A token with an unknown value in it is `*`."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=values):
                parts = [self.text(module, getattr(one, "value", one), depth) or _literal(one) for one in values]
                tokens = "".join(parts).split(".")
                found = ".".join("*" if _UNKNOWN in token else token for token in tokens)
                return found if found.strip("*.") else None
            case ast.Name() | ast.Attribute() if depth < _DEPTH:
                match self.resolve(module, node):
                    case (where, ast.expr() as value):
                        return self.text(where, value, depth + 1)
        return None

    def _imported(self, module: str, node: ast.Import | ast.ImportFrom, name: str, depth: int) -> Found | None:
        if isinstance(node, ast.Import):
            tree = self.tree(name)
            return (name, tree) if tree else (name, name)
        above = module.split(".")[: -node.level] if node.level else []
        origin = ".".join([*above, *([node.module] if node.module else [])])
        if found := self.find(origin, name, depth + 1):
            return found
        tree = self.tree(f"{origin}.{name}")
        return (f"{origin}.{name}", tree) if tree else (origin, name)

    def _parsed(self, path: PurePosixPath) -> ast.Module | None:
        if path.parts[0] != "src" or not reading.is_folder(self._service, path.parent):
            return None
        try:
            return source.read(self._service / path, lambda tree: (tree,))[0]
        except ValueError:
            return None


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield from _statements(node.body) if isinstance(node, ast.If) else (node,)  # `if TYPE_CHECKING:`


def _assigned(body: list[ast.stmt], name: str) -> Iterator[ast.expr]:
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id=own)], value=value) if own == name:
                yield value


def _literal(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else _UNKNOWN
