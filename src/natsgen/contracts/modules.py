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
_PIECES = 20  # constants and values that a text may be put together from
_UNKNOWN = "\0"


class Modules:
    """The modules of a service, each parsed once.

    Args:
        service: the service's folder.

    Attributes:
        problems: why files could not be read, by their paths in the service's folder.
    """

    def __init__(self, service: Path) -> None:
        self.problems: dict[PurePosixPath, str] = {}
        self._service = service
        self._trees: dict[str, ast.Module | None] = {}
        self._packages: set[str] = set()
        self._names: dict[str, dict[str, ast.AST]] = {}

    def tree(self, module: str) -> ast.Module | None:
        """Return a module; None if it does not exist or cannot be parsed."""
        if module not in self._trees:
            path = module.replace(".", "/")
            tree = self._parsed(PurePosixPath(f"{path}.py"))
            if tree is None and (tree := self._parsed(PurePosixPath(path, "__init__.py"))):
                self._packages.add(module)
            self._trees[module] = tree
        return self._trees[module]

    def find(self, module: str, name: str, depth: int = 0) -> Found | None:
        """Return what a name at the top level of a module stands for; None if it is not defined there."""
        if module not in self._names:
            tree = self.tree(module)
            self._names[module] = dict(_defined(tree.body)) if tree else {}
        match self._names[module].get(name):
            case None:
                return None
            case ast.ImportFrom() | ast.Import() as node:
                original = next(one.name for one in node.names if (one.asname or one.name) == name)
                return self._imported(module, node, original, depth + 1) if depth < _DEPTH else None
            case node:
                return module, node

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
                        found = dict(_defined(body)).get(name)
                        return (where, found) if found else None
                    case (where, str()):
                        return where, name
        return None

    def text(self, module: str, node: ast.AST, depth: int = 0) -> str | None:
        """Return the text of an expression; None if it is unknown. A token with an unknown value in it is `*`."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=values) if depth < _DEPTH and len(values) <= _PIECES:
                parts = [self.text(module, getattr(one, "value", one), depth + 3) or _literal(one) for one in values]
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
        steps = node.level - (module in self._packages)  # from a package, one dot leads to itself
        above = module.split(".")[: -steps or None] if node.level else []
        origin = ".".join([*above, *([node.module] if node.module else [])])
        if found := self.find(origin, name, depth):
            return found
        tree = self.tree(f"{origin}.{name}")
        return (f"{origin}.{name}", tree) if tree else (origin, name)

    def _parsed(self, path: PurePosixPath) -> ast.Module | None:
        if path.parts[0] != "src" or not reading.is_folder(self._service, path.parent):
            return None
        try:
            return source.read(self._service / path, lambda tree: (tree,))[0]
        except ValueError as error:
            self.problems[path] = str(error)
            return None


def _defined(body: list[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    """Yield the names that statements define, each with what it stands for, or with its import."""
    for node in body:
        match node:
            case ast.If(body=inner):  # such as `if TYPE_CHECKING:`
                yield from _defined(inner)
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, node
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value
            case ast.ImportFrom() | ast.Import():
                yield from ((one.asname or one.name, node) for one in node.names)


def _literal(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else _UNKNOWN
