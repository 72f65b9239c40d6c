"""The real parts that the harness's tests start."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import natsgen.harness
from natsgen.harness.nats_server import NatsServer

SOURCES = (Path(natsgen.harness.__file__).parents[2], Path(__file__).parents[2])


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats") as server:
        yield server


Owner = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    """Starts a program that uses the harness, in a process that the test may kill; gives that and its first line."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: str | Path) -> tuple[subprocess.Popen[str], str]:
        file = tmp_path / f"owner{len(started)}.py"
        file.write_text(textwrap.dedent(program))
        process = subprocess.Popen(
            [sys.executable, str(file), *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, SOURCES))},
        )
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def runs() -> Callable[[int], bool]:
    """Tells whether a process id belongs to a process that runs; an orphan that nobody waited for does not."""

    def check(pid: int) -> bool:
        try:  # read here and not asked of `ps`, which small machines lack
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return state != "Z"

    return check
