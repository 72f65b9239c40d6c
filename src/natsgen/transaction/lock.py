"""The lock that allows one natsgen command at a time in a workspace."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from natsgen.errors import LockedError

WAIT_SECONDS = 10.0  # several times what a command takes
_POLL_SECONDS = 0.05


@contextmanager
def exclusive(folder: Path, wait: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the folder's lock; the operating system releases it when the process ends, even if it is killed.

    Args:
        folder: an existing folder. The lock is on the folder itself, so there is no lock file to leave behind.
        wait: seconds to wait for another holder.

    Raises:
        LockedError: another command held the lock for all that time.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + wait
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise LockedError(
                    f"another natsgen command has been running in {folder} for {wait:.0f} s: nothing was changed; "
                    "run this again when it has finished"
                )
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
