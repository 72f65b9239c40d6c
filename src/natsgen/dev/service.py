"""One service under `natsgen dev`: one process at a time, restarted after a clean stop when a file is edited."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from http.client import HTTPException
from pathlib import Path
from typing import Any

from natsgen.dev import environment
from natsgen.dev.console import Console, record_of
from natsgen.dev.environment import Servers
from natsgen.dev.process import Program
from natsgen.harness.http_client import request
from natsgen.harness.ports import LOOPBACK, is_free

INSTALL_SILENCE = 1.0  # seconds after which a message says what takes so long
AGAIN_AFTER = 1.0  # seconds until a service that ended by itself is restarted
STOP_MARGIN = 15.0  # seconds beyond GRACEFUL_SHUTDOWN_TIMEOUT: the worker's own margins for its parts
READY_POLL = 0.05
SPARE = Path(__file__).with_name("spare.py")
PROBE_SECONDS = 2.0

Take = Callable[[str, str, "Mapping[str, Any] | None"], None]
"""Takes a line of a service: its name, the line, and the line as a log record if it is one."""


class State(StrEnum):
    """The states of a service."""

    INSTALLING = "installing"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    BROKEN = "broken"  # it did not start; the next edit restarts it
    STOPPED = "stopped"


class DevService:
    """A service that is run until `stop`.

    Args:
        folder: the service's folder.
        servers: what it connects to.
        console: where natsgen says what it does with the service.
        take: called with every line that the service prints.

    Attributes:
        state: its current state.
        reason: why it is broken; empty otherwise.
        port: the port of its HTTP endpoints; 0 before the first start.
        python: the interpreter of its environment; None until it exists.
        starts: how many times it was started.
    """

    def __init__(self, folder: Path, servers: Servers, console: Console, take: Take) -> None:
        self.folder = folder
        self.name = folder.name
        self.state = State.STOPPED
        self.reason = ""
        self.port = 0
        self.python: Path | None = None
        self.starts = 0
        self.variables: Mapping[str, str] = {}
        self._servers = servers
        self._console = console
        self._take = take
        self._program: Program | None = None
        self._spare: asyncio.Task[Program] | None = None
        self._spare_has: tuple[Path | None, Mapping[str, str]] = (None, {})
        self._edits: set[Path] = set()
        self._wake = asyncio.Event()
        self._stopping = False
        self._requirements = b""
        self._last_line = ""

    def edited(self, files: set[Path]) -> None:
        """Restart with the edited files."""
        self._edits |= files
        self._wake.set()

    def stop(self) -> None:
        """Stop in order; `run` returns when that is done."""
        self._stopping = True
        self._wake.set()

    def kill(self) -> None:
        """Stop at once."""
        self.stop()
        if self._program:
            self._program.kill()

    async def run(self) -> None:
        """Run the service until `stop`."""
        while not self._stopping:
            self._wake.clear()
            edits, self._edits = self._edits, set()
            for file in edits:
                environment.forget_compiled(file)
            began = time.monotonic()
            if await self._installed():
                await self._run_once(began, edits)
            elif not self._stopping:
                await self._wake.wait()
        if self._spare:
            with suppress(OSError):
                await (await self._spare).discard()
        self.state = State.STOPPED

    async def _run_once(self, began: float, edits: set[Path]) -> None:
        self.state, self.reason = State.STARTING, ""
        self.variables = environment.variables(self.folder, self._servers, self.port or None)
        self.port = int(self.variables["HTTP_PORT"])
        self.starts += 1
        try:
            program = await self._take_spare()
        except OSError as error:
            await self._broken(str(error))
            return
        self._program = program
        program.proceed()
        reading = asyncio.create_task(program.read(self._line))
        readiness = asyncio.create_task(self._announce(began, edits))
        is_running = await self._woken(reading)
        readiness.cancel()
        if is_running:
            await self._end(program, reading)
        else:
            await self._ended(reading.result(), was_ready=self.state is State.READY)
        self._program = None

    async def _take_spare(self) -> Program:
        """Return a process that waits to become the service, created from its current files.

        Raises:
            OSError: it cannot be started.
        """
        spare, self._spare = self._spare, None
        if spare:
            with suppress(OSError):
                program = await spare
                if self._spare_has == (self.python, self.variables) and not program.has_ended:
                    return program
                await program.discard()
        return await self._start_spare()

    def _make_spare(self) -> None:
        """Start the process that will become the service after the next edit."""
        self._spare_has = self.python, self.variables
        self._spare = asyncio.create_task(self._start_spare())

    async def _start_spare(self) -> Program:
        command = [str(self.python), "-c", SPARE.read_text(encoding="utf-8"), "src.main"]
        return await Program.start(command, self.folder, self.variables, waits=True)

    async def _end(self, program: Program, reading: asyncio.Task[int]) -> None:
        self.state = State.STOPPING
        program.terminate()
        limit = environment.grace_of(self.variables) + STOP_MARGIN
        ended, _ = await asyncio.wait({reading}, timeout=limit)
        if not ended:
            self._console.say(f"{self.name} did not stop within {limit:g} s: killed", level="ERROR")
            program.kill()
        code = await reading
        if code or self._stopping:
            self._console.say(f"{self.name} ended with {_how(code)}", level="ERROR" if code else "INFO")

    async def _ended(self, code: int, *, was_ready: bool) -> None:
        how = _how(code)
        if not was_ready and not is_free(self.port):
            self._console.say(f"port {self.port} of {self.name} was taken: restarting on another one")
            return
        if not was_ready:
            self._make_spare()
            await self._broken(f"ended with {how}", self._last_line)
            return
        self.state, self.reason = State.STARTING, f"ended with {how}"
        self._console.say(f"{self.name} ended with {how}: restarting", level="ERROR")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), AGAIN_AFTER)

    async def _broken(self, why: str, last: str = "") -> None:
        self.state, self.reason = State.BROKEN, f"{why}: {last}" if last else why
        self._console.say(f"{self.name} did not start: {why}; events wait until you fix it", level="ERROR")
        await self._wake.wait()

    async def _announce(self, began: float, edits: set[Path]) -> None:
        is_ready = False
        while not is_ready:
            await asyncio.sleep(READY_POLL)
            is_ready = await asyncio.to_thread(self._is_ready)
        self.state = State.READY
        after = f" after an edit of {_shown(edits, self.folder)}" if edits else ""
        where = f"http://{LOOPBACK}:{self.port}"
        self._console.say(f"{self.name} is ready{after} ({time.monotonic() - began:.1f} s)", url=where)
        self._make_spare()

    def _is_ready(self) -> bool:
        try:
            return request(LOOPBACK, self.port, "/readyz", limit=PROBE_SECONDS).status == 200
        except (OSError, HTTPException):
            return False

    async def _installed(self) -> bool:
        """Return whether the service's environment exists; create it if the requirements have changed."""
        file = self.folder / environment.REQUIREMENTS
        try:
            content = file.read_bytes()
        except OSError as error:
            return self._no_environment(f"{file}: {error.strerror}")
        if self.python and content == self._requirements:
            return True
        self.state, self.reason, lines = State.INSTALLING, "", list[str]()
        command = [sys.executable, "-m", "natsgen.dev.install", str(file)]
        program = await Program.start(command, self.folder, os.environ)
        reading = asyncio.create_task(program.read(lines.append))
        began = time.monotonic()
        ended, _ = await asyncio.wait({reading}, timeout=INSTALL_SILENCE)
        if not ended:
            self._console.say(f"creating the environment of {self.name} from its {file.name}; this happens once")
        while await self._woken(reading):
            if self._stopping:
                program.kill()
                await reading
                return False
            self._wake.clear()
        if self._edits:
            self._wake.set()  # the requirements may have been edited meanwhile
        if reading.result() != 0:
            return self._no_environment("\n".join(lines))
        if not ended:
            self._console.say(f"the environment of {self.name} is ready ({time.monotonic() - began:.1f} s)")
        self.python, self._requirements = Path(lines[-1]), content
        return True

    def _no_environment(self, why: str) -> bool:
        self.state, self.reason = State.BROKEN, why
        self._console.say(f"{self.name} has no environment", level="ERROR", exception=why)
        return False

    async def _woken(self, reading: asyncio.Task[int]) -> bool:
        """Wait until an edit or the stop wakes it, or the program has ended; return whether the program still runs."""
        wake = asyncio.create_task(self._wake.wait())
        await asyncio.wait({reading, wake}, return_when=asyncio.FIRST_COMPLETED)
        wake.cancel()
        return not reading.done()

    def _line(self, line: str) -> None:
        if line.strip():
            self._last_line = line.strip()
        self._take(self.name, line, record_of(line))


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _shown(files: set[Path], folder: Path) -> str:
    names = sorted(str(file.relative_to(folder)) for file in files if file.is_relative_to(folder))
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else "a file"
