"""Running one command to its end, with a time limit; it is killed when this process ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from natsgen.harness.errors import CommandFailed, ProgramMissing
from natsgen.harness.reaper import Reaper


class Completed(NamedTuple):
    """The exit code of a command, with its standard output and standard error."""

    exit_code: int
    output: str
    errors: str

    @property
    def everything(self) -> str:
        """Standard output, then standard error."""
        return "\n".join(part.rstrip() for part in (self.output, self.errors) if part.strip())


def run(
    command: Sequence[str | Path],
    *,
    limit: float,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    inherit: tuple[int, ...] = (),
    check: bool = True,
) -> Completed:
    """Run `command` in its own process group, with empty input, for at most `limit` seconds.

    `environment` is the whole environment (default: this process's); `inherit` lists file descriptors to keep open.
    Raises `CommandFailed` when the limit passes (the group is killed) and, if `check` is set, for an exit code other
    than 0; `ProgramMissing` if the program cannot be started.
    """
    words = [str(part) for part in command]
    with Reaper() as reaper:
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=None if environment is None else dict(environment),
                cwd=folder,
                pass_fds=inherit,
                start_new_session=True,
            )
        except OSError as error:
            raise ProgramMissing(f"cannot run {words[0]}: {error}") from error
        reaper.guard(process.pid)
        try:
            output, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            output, errors = _kill(process)
            printed = Completed(-signal.SIGKILL, _text(output), _text(errors)).everything
            raise CommandFailed(words, None, printed, hint=f"The limit was {limit:g} s.") from None
        except BaseException:
            _kill(process)
            raise
    completed = Completed(process.returncode, _text(output), _text(errors))
    if check and completed.exit_code != 0:
        raise CommandFailed(words, completed.exit_code, completed.everything)
    return completed


def _kill(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
