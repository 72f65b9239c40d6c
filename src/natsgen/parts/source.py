"""Reads decorated functions and their arguments from Python source, without importing it."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from natsgen.files import reading

Function = ast.FunctionDef | ast.AsyncFunctionDef
_Extracted = TypeVar("_Extracted")


@dataclass(frozen=True)
class Value:
    """An argument in the source.

    Attributes:
        source: the expression as written.
        literal: its value if it is a literal; None for any other expression.
    """

    source: str
    literal: str | int | float | bool | None

    @property
    def is_text(self) -> bool:
        """Return whether it is a string literal."""
        return isinstance(self.literal, str)

    @property
    def shown(self) -> str:
        """Return the value for display in a list, with an expression in parentheses."""
        return self.text if self.is_text else f"({self.source})"

    @property
    def text(self) -> str:
        """Return the value for display: the text of a literal, or else the expression."""
        return self.source if self.literal is None else str(self.literal)


def paths(service: Path, folder: PurePosixPath, suffix: str) -> tuple[PurePosixPath, ...]:
    """Return the sorted files with a suffix in a folder of a service, without reading them."""
    if not reading.is_folder(service, folder):
        return ()
    with os.scandir(service / folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name.endswith(suffix) and entry.is_file())
    return tuple(folder / name for name in names)


def all_files(folder: Path) -> Iterator[Path]:
    """Yield the Python files in a folder and below it, sorted; symlinks are skipped."""
    if folder.is_symlink():
        return
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (
            file for name in sorted(names) if name.endswith(".py") and reading.is_regular(file := Path(parent, name))
        )


def read(file: Path, extract: Callable[[ast.Module], tuple[_Extracted, ...]]) -> tuple[_Extracted, ...]:
    """Return what `extract` finds in a Python file.

    Raises:
        ValueError: the file cannot be read or parsed; the message is one line.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the owner's own tools report warnings about the owner's code
            return extract(ast.parse(reading.read_bytes(file, reading.SOURCE_LIMIT)))
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno or 1}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"it is not valid Python: {' '.join(str(error).split()) or type(error).__name__}") from error


def decorated(module: ast.Module, decorator: str) -> list[tuple[Function, ast.Call]]:
    """Return the functions in a module that have a decorator, each with the decorator's call, in source order."""
    names = _names_of(module, decorator)
    functions = [node for node in ast.walk(module) if isinstance(node, Function)]
    found = [
        (function, call)
        for function in functions
        for call in function.decorator_list
        if isinstance(call, ast.Call) and called_name(call) in names
    ]
    return sorted(found, key=lambda one: one[0].lineno)


def called_name(call: ast.Call) -> str:
    """Return the last part of the name of the called function."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def arguments(call: ast.Call, first: str) -> tuple[Value | None, dict[str, Value]]:
    """Return the argument `first`, positional or by keyword, and all other keyword arguments."""
    options = {keyword.arg: value(keyword.value) for keyword in call.keywords if keyword.arg is not None}
    return (value(call.args[0]) if call.args else options.pop(first, None)), options


def value(node: ast.expr) -> Value:
    """Return an expression as a value."""
    literal = node.value if isinstance(node, ast.Constant) else None
    known = literal if isinstance(literal, str | int | float | bool) else None
    return Value(ast.unparse(node), known)


def _names_of(module: ast.Module, decorator: str) -> set[str]:
    imports = [node for node in module.body if isinstance(node, ast.ImportFrom)]
    aliases = {name.asname for node in imports for name in node.names if name.name == decorator and name.asname}
    return {decorator, *aliases}


def joined(form: str, *parts: Value | None) -> Value:
    """Return values formatted into a text that has a {} for each; a literal only if all of them are literals."""
    known = [part or Value("", None) for part in parts]
    text = form.format(*(part.text if part.literal is not None else f"{{{part.source}}}" for part in known))
    return Value(text, text if all(part.literal is not None for part in known) else None)
