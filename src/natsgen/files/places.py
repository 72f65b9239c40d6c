"""The paths that natsgen may write: everything below `services/` and `compose/`, and a few named files."""

from __future__ import annotations

import os
import unicodedata
from pathlib import PurePosixPath

from natsgen.errors import UnsafePathError
from natsgen.files.workspace import COMPOSE, MARKER, SERVICES

NAMED_FILES = frozenset(
    PurePosixPath(path)
    for path in (
        *(MARKER, ".gitignore", ".gitattributes"),
        *(".ci/changed-services.sh", ".ci/update-services.sh", ".gitlab-ci.yml"),
        *(".github/workflows/services.yml", ".github/workflows/natsgen-update.yml"),
    )
)
"""The files that `natsgen init` creates."""

_GIT = frozenset({".git", "git~1"})  # the second is the first's short name on Windows


def check(path: PurePosixPath) -> None:
    """Check that natsgen may write a file.

    Args:
        path: the path in the workspace.

    Raises:
        UnsafePathError: natsgen does not write to this path.
    """
    if path in NAMED_FILES:
        return
    if not is_plain(path) or path.parts[0] not in (SERVICES, COMPOSE):
        raise UnsafePathError(f"natsgen does not write {path}: it writes below {SERVICES}/ and {COMPOSE}/ only")


def may_be_moved(path: PurePosixPath) -> bool:
    """Return whether natsgen may add or remove a file or a whole folder there, such as a parent of a named file."""
    if path in NAMED_FILES or any(path in named.parents[:-1] for named in NAMED_FILES):
        return True
    return is_plain(path) and path.parts[0] in (SERVICES, COMPOSE)


def is_plain(path: PurePosixPath) -> bool:
    """Return whether a file may have the path, and it leads only downwards, and into no git folder in any spelling."""
    if path.is_absolute() or not path.parts:
        return False
    try:
        os.fsencode(path)
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold
        return False
    return not any(part == ".." or "\0" in part or _as_git_sees(part) in _GIT for part in path.parts)


def _as_git_sees(part: str) -> str:
    """Return a name as read by file systems that ignore case, invisible characters, or trailing dots and spaces."""
    visible = "".join(one for one in part if unicodedata.category(one) != "Cf")
    return visible.partition(":")[0].rstrip(". ").casefold()
