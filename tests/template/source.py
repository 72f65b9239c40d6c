"""Reads the template's Python: how much code a file has, and what it imports."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

SERVICE = Path(__file__).resolve().parents[2] / "template/services/{{ service_name }}"
CREATED_ONCE = {"src/domain/resources.py", "src/domain/settings.py"}  # the owner's from then on
LOADERS = ("import_module", "load_package")  # functions that import a module whose name is a string
NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
}


def python_files(folder: Path) -> list[Path]:
    """Return the Python files below a folder."""
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def code_lines(path: Path) -> int:
    """Return how many lines of a file have code: not empty, no comment, not in a docstring."""
    text = path.read_text(encoding="utf-8")
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            docstrings.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def module_of(path: Path) -> str:
    """Return the name that a file of the template is imported by."""
    return ".".join(path.relative_to(SERVICE).with_suffix("").parts).removesuffix(".__init__")


def imports(*, loaders: bool = True) -> dict[str, set[str]]:
    """Return what each module of the template imports of it: anywhere, also lazily or for type checkers only.

    A package's `__init__.py`, which every import of one of its modules runs first, counts only where it is named.

    Args:
        loaders: whether modules that are named to `LOADERS` count.
    """
    files = {module_of(path): path for path in python_files(SERVICE / "src")}
    names = LOADERS if loaders else ()
    return {name: set(_imported(path, files.keys(), names)) - {name} for name, path in files.items()}


def _imported(path: Path, modules: Collection[str], loaders: Collection[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules else node.module for name in inside]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in loaders:
            names = [one.value for one in node.args[:1] if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        yield from (name for name in names if name in modules)


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, each sorted."""
    reached = {name: _reached(graph, name) for name in graph}
    groups = {
        frozenset(other for other in reached[name] if name in reached[other]) for name in graph if name in reached[name]
    }
    return sorted(sorted(group) for group in groups)


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in graph[waiting.pop()] - found:
            found.add(name)
            waiting.append(name)
    return found
