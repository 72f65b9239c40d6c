"""Commands measured as a person waits for them: whole processes, in rounds that take turns."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Command = Sequence[str | Path]
LIMIT_SECONDS = 120.0
"""For one command; what takes longer hangs."""


def nothing_to_restore() -> None:
    """After a command that changes nothing."""


@dataclass(frozen=True)
class Measured:
    """A command that is measured.

    Attributes:
        name: as the tables show it.
        command: what is run.
        folder: where.
        environment: the variables it is run with.
        restore: puts back what the command changed, outside of the measured time.
    """

    name: str
    command: Command
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    restore: Callable[[], None] = nothing_to_restore

    def run(self) -> float:
        """Run the command once, and return what it took in seconds."""
        began = time.perf_counter()
        execute(self.command, self.folder, self.environment)
        took = time.perf_counter() - began
        self.restore()
        return took


def take_turns(commands: Sequence[Measured], rounds: int) -> dict[str, list[float]]:
    """Run each command once a round; return the seconds of every round by the command's name."""
    for one in commands:  # only warms up: bytecode, the disk's cache
        one.run()
    seconds: dict[str, list[float]] = {one.name: [] for one in commands}
    for number in range(1, rounds + 1):
        for one in commands:
            seconds[one.name].append(one.run())
        if sys.stderr.isatty():
            print(f"\rround {number} of {rounds}", end="\n" if number == rounds else "", file=sys.stderr, flush=True)
    return seconds


def execute(command: Command, folder: Path, environment: Mapping[str, str]) -> str:
    """Run a command to its end; return its standard output.

    Raises:
        SystemExit: it failed; a figure of it would mean nothing.
    """
    completed = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    if completed.returncode:
        shown = " ".join(map(str, command))
        raise SystemExit(f"{shown} in {folder} ended with {completed.returncode}:\n{completed.stderr}")
    return completed.stdout
