"""Scratch folders, which are removed at the end. `kill -9` leaves one, and a later command removes it."""

from __future__ import annotations

import functools
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "natsgen-scratch-"
LEFT_AFTER = 24 * 3600.0  # seconds without a change, after which no command can be using a folder any more


@contextmanager
def folder() -> Iterator[Path]:
    """Provide an empty folder that only the user can read."""
    import tempfile  # most commands need none

    _remove_left(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        yield Path(name)


@functools.lru_cache(maxsize=8)
def _remove_left(where: str) -> None:
    """Remove what earlier commands of this user left; once for each process."""
    for path in Path(where).glob(f"{PREFIX}*"):
        with suppress(OSError):
            found = path.lstat()
            is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
            if is_own and found.st_mtime < time.time() - LEFT_AFTER:
                shutil.rmtree(path)
