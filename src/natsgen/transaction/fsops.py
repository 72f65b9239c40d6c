"""The few file operations that change a workspace: each is on the disk when it returns, and none overwrites a file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from natsgen.files.tree import File


def write(path: Path, file: File) -> None:
    """Write a file that is not there yet, with the mode that the umask gives it.

    Raises:
        OSError: it exists, or cannot be written.
    """
    mode = 0o777 if file.executable else 0o666
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        rest = memoryview(file.content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync(folder: Path) -> None:
    """Put the names in a folder on the disk, where the file system can do that for folders."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def move(source: Path, target: Path) -> None:
    """Move a file or folder to a name that is free; moving again after an interruption completes it.

    Raises:
        FileExistsError: something else has the name; only an empty folder gives way to a folder.
        OSError: the file system refuses.
    """
    if source.is_dir():
        _move_folder(source, target)
        return
    try:
        target.hardlink_to(source)  # unlike a rename, this never replaces what appeared meanwhile
    except FileExistsError:
        if not is_same(source, target):
            raise
    except OSError:
        # Not every file system has hard links. The gap between look and rename is then the best there is.
        if os.path.lexists(target):
            raise
        source.rename(target)
        return
    sync(target.parent)  # the new name first: a power cut between the two must not leave the file without any
    source.unlink()


def is_same(path: Path, other: Path) -> bool:
    """Return whether two existing paths are names of one file; a symlink is itself, not what it points to."""
    return os.path.samestat(path.lstat(), other.lstat())


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; symlinks are removed, not followed. Nothing there is fine."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    for entry in list(path.iterdir()):
        remove(entry)
    path.rmdir()


def _move_folder(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.ENOTDIR):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        raise
