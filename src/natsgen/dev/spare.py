"""Start a service faster: import its libraries in advance, wait for a line of input, then become the service.

Run in the service's folder, by its interpreter, as `python -c`; the argument is the module to run. It imports nothing
of natsgen, and nothing of the service before a line arrives on standard input. It ends if that is closed.
"""

from __future__ import annotations

import ast
import gc
import importlib
import os
import runpy
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def main() -> None:
    """Wait, then run the module as `python -m` does."""
    sys.path.pop(0)  # the service's folder: its own code may still be edited
    for statement in libraries():
        with suppress(Exception):  # the service itself will report what is wrong
            exec(compile(ast.Module([statement], []), "libraries", "exec"), {})
    gc.freeze()  # or the collector scans the libraries again when the service ends
    if not sys.stdin.readline():
        return
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.path.insert(0, str(Path.cwd()))
    importlib.invalidate_caches()
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)


def libraries() -> Iterator[ast.stmt]:
    """Yield the import statements at the top of the service's files, except those of its own code."""
    own = {path.stem for path in Path().iterdir()}
    for file in sorted(Path("src").rglob("*.py")):
        with suppress(OSError, SyntaxError, ValueError):  # an edit may be under way
            for node in ast.parse(file.read_bytes()).body:
                match node:
                    case ast.Import(names=[ast.alias(name=name)]) | ast.ImportFrom(module=str(name), level=0):
                        if name.partition(".")[0] not in own:
                            yield node


if __name__ == "__main__":
    main()
