"""Reads untrusted files: only regular files of a bounded size, never through a symbolic link."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePosixPath

LIMIT = 5_000_000  # bytes; a file of a service has a few thousand
ANSWERS_LIMIT = 200_000  # bytes of an answers file
SOURCE_LIMIT = 1_000_000  # bytes of a parsed file; parsing needs a hundred times as much memory
_BLOCK = 1 << 20


def read_bytes(file: Path, limit: int = LIMIT) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: it is not a regular file, exceeds the limit, or cannot be read; `strerror` is readable.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP or (error.errno == errno.ENXIO and not file.is_file()):
            raise _refused(file, error.errno) from error
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _refused(file, errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL)
        blocks, size = [], 0
        while size <= limit and (block := os.read(descriptor, _BLOCK)):
            blocks.append(block)
            size += len(block)
    finally:
        os.close(descriptor)
    if size > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes", str(file))
    return b"".join(blocks)


def read_text(file: Path, limit: int = LIMIT) -> str:
    """Return the content of a regular file in UTF-8, with a byte order mark or without.

    Raises:
        OSError: see `read_bytes`.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_bytes(file, limit).decode("utf-8-sig")


def is_regular(file: Path) -> bool:
    """Return whether the path is a regular file, not a link to one."""
    try:
        return stat.S_ISREG(file.lstat().st_mode)
    except (OSError, ValueError):
        return False


def is_folder(below: Path, path: PurePosixPath) -> bool:
    """Return whether a path below a folder is a folder, with no link on the way."""
    way = [below / step for step in (*reversed(path.parents[:-1]), path)]
    return all(step.is_dir() and not step.is_symlink() for step in way)


def _refused(file: Path, number: int) -> OSError:
    kind = "a symbolic link" if file.is_symlink() else "a folder" if file.is_dir() else "a device, a pipe or a socket"
    return OSError(number, f"it is {kind}, not a regular file", str(file))
