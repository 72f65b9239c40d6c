"""Stopping processes without ending them; to others this looks like a dead network."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

from natsgen.harness.local_server import LocalServer
from natsgen.harness.processes import ManagedProcess
from natsgen.harness.waiting import wait_until


def freeze(which: LocalServer | ManagedProcess) -> None:
    """Stop the whole process group (SIGSTOP), with its connections open, until `resume`.

    Returns when every thread is stopped. Raises `WaitTimeout` if that takes too long.
    """
    process = _process(which)
    process.signal_group(signal.SIGSTOP)
    wait_until(lambda: _is_stopped(process.pid), limit=30, what=f"the threads of {process.name} to stop", every=0.001)


def resume(which: LocalServer | ManagedProcess) -> None:
    """Continue a frozen group (SIGCONT)."""
    _process(which).signal_group(signal.SIGCONT)


def _process(which: LocalServer | ManagedProcess) -> ManagedProcess:
    return which.process if isinstance(which, LocalServer) else which


def _is_stopped(pid: int) -> bool:
    """Return whether every thread is stopped, has ended, or is in the kernel (D) and stops on its return."""
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: the state follows the name in parentheses
            if thread.read_text().rpartition(")")[2].split()[0] not in "TDZX":
                return False
    return True
