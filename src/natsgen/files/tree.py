"""Files in memory, by their path in the workspace."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from natsgen.errors import ServiceError
from natsgen.files import git, reading
from natsgen.files.workspace import Workspace


@dataclass(frozen=True)
class File:
    """One file.

    Attributes:
        content: its bytes.
        executable: whether it is executable; the umask decides the rest of its mode.
    """

    content: bytes
    executable: bool = False


Tree = Mapping[PurePosixPath, File]


def read(folder: Path) -> Tree:
    """Return every file under `folder`, sorted by its path relative to it; symlinks are skipped."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                found[PurePosixPath(path.relative_to(folder))] = File(path.read_bytes(), os.access(path, os.X_OK))
    return dict(sorted(found.items()))


def read_files(workspace: Workspace, paths: Iterable[PurePosixPath]) -> Tree:
    """Return the files that exist.

    Raises:
        ServiceError: a path is not a regular file, or a sparse checkout leaves it out.
        UnsafePathError: a path leads out of the workspace.
    """
    paths = tuple(paths)
    require_checked_out(workspace, paths)
    found = {}
    for path in paths:
        target = workspace.path(path)
        if not os.path.lexists(target):
            continue
        if target.is_symlink() or not target.is_file():
            raise ServiceError(f"{target} is not a regular file: nothing was changed; replace it with a regular file")
        try:
            found[path] = File(reading.read_bytes(target), os.access(target, os.X_OK))
        except OSError as error:
            raise ServiceError(f"{target} cannot be read: {error.strerror}") from error
    return found


def require_checked_out(workspace: Workspace, paths: Iterable[PurePosixPath]) -> None:
    """Check that no path is missing only because the checkout is sparse.

    Raises:
        ServiceError: one is.
    """
    if left_out := git.not_checked_out(workspace.root, paths):
        raise ServiceError(
            f"{workspace.root / left_out[0]} is not checked out, because the checkout is sparse: nothing was changed; "
            f"add its folder with `git sparse-checkout add`"
        )


def differences(before: Tree, after: Tree) -> list[str]:
    """Return the sorted paths of the files that differ."""
    return sorted(str(path) for path in {*before, *after} if before.get(path) != after.get(path))
