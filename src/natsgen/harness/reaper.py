"""Cleaning up started processes, even if the program that started them is killed with SIGKILL.

A reaper is a small `sh` process in its own session. It reads a pipe whose other end only this process has open. When
this process ends, for any reason, the reaper sees the end of file and cleans up. An ordinary clean-up dismisses the
reaper, which then does nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

# Signals are ignored, so that killing a whole session or process tree does not end the clean-up.
# `$@` is the clean-up command; it is repeated because the things it removes may still be under creation, or in use by
# a process that another reaper is about to kill.
_SCRIPT = """
trap '' HUP INT TERM
group=
while read -r action argument; do
  case $action in
    guard) group=$argument ;;
    dismiss) exit 0 ;;
  esac
done
[ -z "$group" ] || kill -s KILL -- "-$group"
[ $# -gt 0 ] || exit 0
attempt=0
until "$@" || [ $attempt -ge 10 ]; do
  attempt=$((attempt + 1))
  sleep 1
done
"""


class Reaper:
    """Kills the process group it guards and runs `command` if this process ends without dismissing it.

    `command` runs in `/` with `environment` (default: this process's), without output, up to ten times until it
    succeeds. A process created by a bare `fork` keeps the pipe open too, which delays the clean-up until it ends; one
    created by `subprocess` does not.
    """

    def __init__(self, *command: str, environment: Mapping[str, str] | None = None) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "natsgen-reaper", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )

    def guard(self, process_group: int) -> None:
        """Guard this process group, instead of an earlier one."""
        with _lock:
            _guarded[self] = process_group
        self._tell(f"guard {process_group}")

    def dismiss(self) -> None:
        """End the reaper without cleaning up. May be called more than once."""
        with _lock:
            _guarded.pop(self, None)
        with self._lock:
            process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            os.write(process.stdin.fileno(), b"dismiss\n")
        process.stdin.close()
        process.wait()

    def __enter__(self) -> Reaper:
        return self

    def __exit__(self, *_: object) -> None:
        self.dismiss()

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                # A killed reaper is not an error: it only guards against the worst case.
                with contextlib.suppress(BrokenPipeError):
                    os.write(self._process.stdin.fileno(), f"{line}\n".encode())


_lock = threading.Lock()
_guarded: dict[Reaper, int] = {}


def kill_guarded() -> None:
    """Kill all guarded process groups, of all threads, when the program is interrupted.

    A thread that waits for a command gets `CommandFailed`; one that waits for a server gets `ProcessDied`.
    """
    with _lock:
        for process_group in _guarded.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process_group, signal.SIGKILL)


@contextlib.contextmanager
def temporary_folder(prefix: str = "natsgen-") -> Iterator[Path]:
    """Provide a temporary folder, removed at the end of the `with` block or when this process dies."""
    folder = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
    with Reaper("rm", "-rf", "--", str(folder)):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
