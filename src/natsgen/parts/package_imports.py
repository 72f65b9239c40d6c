"""The modules of a service that its own Python files import, read from source without running it."""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from natsgen.files import reading

_ROOT = "src"
_MODULE = re.compile(rf"\b{_ROOT}(?:\.\w+)+")
_LEFT_OUT = frozenset({"__pycache__", "node_modules"})


def files_in(service: Path) -> Iterator[PurePosixPath]:
    """Yield the files below a service's folder, sorted, without caches and hidden folders."""
    for parent, folders, names in os.walk(service):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT and not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink() and path.suffix != ".pyc":
                yield PurePosixPath(path.relative_to(service))


def imported_by(service: Path, path: PurePosixPath, *, even_in_texts: bool = True) -> frozenset[PurePosixPath]:
    """Return the files that a Python file of a service may import, existing or not, relative to the service's folder.

    In a file that is not valid Python, everything that looks like a module counts.

    Args:
        service: the service's folder.
        path: the file, relative to that folder.
        even_in_texts: include modules in strings, as in `monkeypatch.setattr("src.tasks.queue.Queue", ...)`.

    Raises:
        OSError: the file cannot be read.
    """
    text = reading.read_bytes(service / path, reading.SOURCE_LIMIT).decode(errors="replace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the owner's own tools report warnings about the owner's code
            module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return frozenset(_paths_of(_MODULE.findall(text)))
    return frozenset(_paths_of(_modules_in(module, path, even_in_texts=even_in_texts)))


def _modules_in(module: ast.Module, path: PurePosixPath, *, even_in_texts: bool) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, path)
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif even_in_texts and isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _MODULE.findall(node.value)


def _origin(node: ast.ImportFrom, path: PurePosixPath) -> str:
    """Return the full name of the module that names are imported from."""
    if not node.level:
        return node.module or ""
    package = path.parent.parts[: len(path.parent.parts) - node.level + 1]
    return ".".join((*package, *((node.module,) if node.module else ())))


def _paths_of(modules: Iterable[str]) -> Iterator[PurePosixPath]:
    """Yield the possible files of modules, and of their parent packages, which are imported first."""
    for module in modules:
        parts = module.split(".")
        if parts[0] != _ROOT:
            continue
        for end in range(1, len(parts) + 1):
            place = PurePosixPath(*parts[:end])
            yield place / "__init__.py"
            yield place.with_name(f"{place.name}.py")
