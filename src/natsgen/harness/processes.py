"""One run of one program: starting, watching, signalling and stopping it, with nothing left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from natsgen.harness.errors import ProcessDied, ProgramMissing, WaitTimeout, last_lines
from natsgen.harness.output import OutputFile
from natsgen.harness.reaper import Reaper
from natsgen.harness.waiting import wait_until

STOP_SECONDS = 10.0
"""How long a process gets between SIGTERM and SIGKILL by default: as in Docker."""

KILL_SECONDS = 10.0
"""A killed process ends at once, unless the kernel works on its behalf (a hanging disk)."""

TAIL_LINES = 30
"""How much of the output an error message shows: a traceback and the lines before it."""


class Stopped(NamedTuple):
    """A process's exit code (negative: the signal), the seconds it took to stop, and whether SIGKILL was needed."""

    exit_code: int
    seconds: float
    forced: bool


class ManagedProcess:
    """One run of `command`, in its own process group, with its output in `<name>.log` in `log_folder`.

    With `separate_errors`, standard error goes to `<name>.err.log`. An existing file is appended to; `lines` and the
    like return the output of this run only. `environment` is the whole environment (default: this process's). Standard
    input is empty. When the process ends for any reason, the rest of its group is killed; when *this* process dies,
    the whole group is.

    Raises `ProgramMissing` if the program cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        name: str,
        log_folder: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        separate_errors: bool = False,
    ) -> None:
        self.name = name
        self.command = tuple(str(part) for part in command)
        self.output = OutputFile(log_folder / f"{name}.log")
        self.errors = OutputFile(log_folder / f"{name}.err.log") if separate_errors else None
        self._lock = threading.Lock()
        self._reaper = Reaper()
        try:
            self._process = self._spawn(environment, folder)
        except OSError as error:
            self._reaper.dismiss()
            raise ProgramMissing(f"cannot start {name} ({self.command[0]}): {error}") from error
        except BaseException:
            self._reaper.dismiss()
            raise
        self._reaper.guard(self._process.pid)

    @property
    def pid(self) -> int:
        """Return the process id, which is also the id of its group."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Return the exit code, negative for a signal; None while the process runs."""
        with self._lock:
            if self._process.returncode is None and self._process.poll() is not None:
                # Remaining children keep the group's number in use. Without any the number is free, and the kernel
                # reuses it only after all others: so the signal is sent now, and never later.
                self._signal_group(signal.SIGKILL)
                self._reaper.dismiss()
            return self._process.returncode

    @property
    def running(self) -> bool:
        """Return whether the process has not ended (a frozen one has not)."""
        return self.returncode is None

    def check_alive(self) -> None:
        """Raise `ProcessDied`, with the end of the output, if the process has ended."""
        code = self.returncode
        if code is not None:
            raise ProcessDied(f"{self.name} has ended with {_exit_text(code)}. The end of its output:\n{self.tail()}")

    def lines(self) -> list[str]:
        """Return the lines of this run's standard output (and standard error, unless separate)."""
        return self.output.lines()

    def error_lines(self) -> list[str]:
        """Return the lines of this run's separate standard error."""
        return [] if self.errors is None else self.errors.lines()

    def tail(self, count: int = TAIL_LINES) -> str:
        """Return the last `count` lines of the output and of a separate standard error, for a message."""
        files = (self.output, self.errors)
        parts = [last_lines(file.text(), count) for file in files if file is not None]
        return "\n".join(part for part in parts if part) or "(no output)"

    def wait_for_line(self, pattern: str, *, limit: float) -> re.Match[str]:
        """Wait up to `limit` seconds for a line that `pattern` (a regular expression) matches; return the match.

        Earlier lines count too. Raises `WaitTimeout`, or `ProcessDied` if the process ended first.
        """

        def find() -> re.Match[str] | None:
            ended = not self.running  # checked before reading, so that no output is missed
            match = self.output.find(pattern)
            if match is None and ended:
                self.check_alive()
            return match

        try:
            return wait_until(find, limit=limit, what=f"{self.name} to print {pattern!r}")
        except WaitTimeout as error:
            raise WaitTimeout(f"{error}. The end of its output:\n{self.tail()}") from error

    def signal(self, number: int) -> None:
        """Send a signal to the process (not to its children). Does nothing if it has ended."""
        with self._lock:
            if self._process.returncode is None:
                self._process.send_signal(number)

    def signal_group(self, number: int) -> None:
        """Send a signal to the process and its children. Does nothing if it has ended."""
        with self._lock:
            if self._process.returncode is None:
                self._signal_group(number)

    def stop(self, limit: float = STOP_SECONDS) -> Stopped:
        """Ask the process to end (SIGTERM), and kill it if it has not done so within `limit` seconds.

        One that has ended already is reported with the exit code it had.
        """
        started = time.monotonic()
        self.signal(signal.SIGTERM)
        self.signal_group(signal.SIGCONT)  # a stopped process receives only SIGKILL; a running one ignores it
        try:
            return Stopped(self.wait(limit), time.monotonic() - started, forced=False)
        except WaitTimeout:
            self.kill()
            return Stopped(self.wait(KILL_SECONDS), time.monotonic() - started, forced=True)

    def kill(self) -> None:
        """End the whole group at once (SIGKILL) and wait until it is gone."""
        self.signal_group(signal.SIGKILL)
        self.wait(KILL_SECONDS)

    def wait(self, limit: float) -> int:
        """Wait until the process has ended, and return its exit code. Raises `WaitTimeout` after `limit` seconds."""
        wait_until(lambda: not self.running, limit=limit, what=f"{self.name} (process {self.pid}) to end", every=0.005)
        code = self.returncode
        assert code is not None
        return code

    def __enter__(self) -> ManagedProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _spawn(self, environment: Mapping[str, str] | None, folder: Path | None) -> subprocess.Popen[bytes]:
        with contextlib.ExitStack() as files:
            return subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=files.enter_context(self.output.path.open("ab")),
                stderr=files.enter_context(self.errors.path.open("ab")) if self.errors else subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=folder,
                start_new_session=True,
            )

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _exit_text(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
