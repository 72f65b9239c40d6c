"""The file operations that change a workspace: each is on disk when it returns, and none overwrites a file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from natsgen.files.tree import File


def write(path: Path, file: File) -> None:
    """Write a new file, with the mode that the umask allows.

    Raises:
        OSError: the file exists, or cannot be written.
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
    """Flush the entries of a folder to disk, where the file system supports that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def move(source: Path, target: Path) -> None:
    """Move a file or folder to a free name; moving again after an interruption completes the move.

    Raises:
        FileExistsError: something else has the name; only an empty folder is replaced, by a folder.
        OSError: the file system refuses.
    """
    if source.is_dir():
        _move_folder(source, target)
        return
    try:
        target.hardlink_to(source)  # unlike a rename, this never replaces a file that appeared meanwhile
    except FileExistsError:
        if not is_same(source, target):
            raise
    except OSError:
        # Not every file system has hard links. Without them, a short gap between check and rename is unavoidable.
        if os.path.lexists(target):
            raise
        source.rename(target)
        return
    sync(target.parent)  # the new name first: a power cut between the two must not lose the file
    source.unlink()


def is_same(path: Path, other: Path) -> bool:
    """Return whether two existing paths are names of one file; a symlink is itself, not what it points to."""
    return os.path.samestat(path.lstat(), other.lstat())


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content, if it exists; symlinks are removed, not followed."""
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
