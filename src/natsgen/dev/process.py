"""One run of a program whose output is read line by line. Its process group ends with it, or with natsgen."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from natsgen.harness.reaper import Reaper

LINE_LIMIT = 256 * 1024  # characters of one line that are kept
_CHUNK = 64 * 1024


class Program:
    """A running program, in its own process group.

    Standard output and standard error are one stream, read by `read`. The whole group is killed when the program has
    ended, and also when this process has ended, even by SIGKILL.
    """

    def __init__(self, process: Process, reaper: Reaper) -> None:
        self._process = process
        self._reaper = reaper

    @classmethod
    async def start(
        cls, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], *, waits: bool = False
    ) -> Program:
        """Start a program in `folder` with `environment` as its whole environment.

        With `waits`, it can read standard input until `proceed` sends a line; otherwise standard input is empty.

        Raises:
            OSError: it cannot be started.
        """
        reaper = Reaper()
        try:
            process = await asyncio.create_subprocess_exec(
                *map(str, command),
                stdin=PIPE if waits else DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )
        except BaseException:
            reaper.dismiss()
            raise
        reaper.guard(process.pid)
        return cls(process, reaper)

    @property
    def has_ended(self) -> bool:
        """Return whether it has ended."""
        return self._process.returncode is not None

    def proceed(self) -> None:
        """Send it the line that it waits for."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.close()

    async def read(self, line: Callable[[str], None]) -> int:
        """Pass every line that it prints to `line`, and return its exit code once it has ended, negative for a signal.

        Lines are cut at `LINE_LIMIT`.
        """
        ended = asyncio.create_task(self._end_of_group())
        try:
            await self._read_lines(line)
            return await ended
        finally:
            self.kill()
            await ended
            self._reaper.dismiss()

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End the whole group at once (SIGKILL)."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def discard(self) -> None:
        """Kill it before its output was read."""
        self.kill()
        await self.read(lambda _: None)

    async def _end_of_group(self) -> int:
        code = await self._process.wait()
        self.kill()  # processes that it left behind would keep the output open
        return code

    async def _read_lines(self, line: Callable[[str], None]) -> None:
        assert self._process.stdout is not None
        rest = b""
        while chunk := await self._process.stdout.read(_CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            for one in whole:
                line(one[:LINE_LIMIT].decode(errors="replace"))
            rest = rest[:LINE_LIMIT]
        if rest:
            line(rest.decode(errors="replace"))
