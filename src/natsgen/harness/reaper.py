"""Clean removal of what was started, even when the program that started it is killed with SIGKILL.

A reaper is a small `sh` process in a session of its own. It reads a pipe whose other end only this process holds, so it
sees the end of file when this process is gone, for whatever reason, and then cleans up. On an ordinary clean-up it is
dismissed and does nothing.
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

# Signals are ignored: whoever ends a whole session or tree of processes must not end the clean-up with it.
# `$@` is the clean-up command; it is repeated because what it removes may still be in the middle of being created, or
# written to by a process that another reaper is about to kill.
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
    """Kills the process group it guards and runs `command` when this process ends without having dismissed it.

    `command` is run in `/` with `environment` (default: this process's), its output thrown away, and again up to ten
    times while it fails. A process made by a bare `fork` holds the pipe too, and so delays the clean-up to its own end;
    one made by `subprocess` does not.
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
        """From now on, kill this process group too (one at a time: the last one counts)."""
        with _lock:
            _guarded[self] = process_group
        self._tell(f"guard {process_group}")

    def dismiss(self) -> None:
        """Nothing is left to clean up. May be called more than once."""
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
                # A reaper that somebody killed is no reason to fail: it only guards against the worst case.
                with contextlib.suppress(BrokenPipeError):
                    os.write(self._process.stdin.fileno(), f"{line}\n".encode())


_lock = threading.Lock()
_guarded: dict[Reaper, int] = {}


def kill_guarded() -> None:
    """Kill all process groups that are guarded at this moment, in whatever threads: for a program that is interrupted.

    Who waits for a command gets a `CommandFailed`, and who waits for a server a `ProcessDied`.
    """
    with _lock:
        for process_group in _guarded.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process_group, signal.SIGKILL)


@contextlib.contextmanager
def temporary_folder(prefix: str = "natsgen-") -> Iterator[Path]:
    """Provide a folder of its own, removed at the end of the `with` block or when this process dies."""
    folder = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
    with Reaper("rm", "-rf", "--", str(folder)):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
