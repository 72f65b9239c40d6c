"""Where natsgen writes: below `services/` and `compose/`, and a few named files beside them; nowhere else."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from natsgen.errors import UnsafePathError
from natsgen.workspace import COMPOSE, MARKER, SERVICES

NAMED_FILES = frozenset(
    PurePosixPath(path)
    for path in (
        *(MARKER, ".gitignore", ".gitattributes"),
        *(".ci/changed-services.sh", ".github/workflows/services.yml", ".gitlab-ci.yml"),
    )
)
"""What `natsgen init` writes beside the services."""

_GIT = frozenset({".git", "git~1"})  # the second is what Windows may call the first


def check(path: PurePosixPath) -> None:
    """Make sure that natsgen may write a file.

    Args:
        path: in the workspace.

    Raises:
        UnsafePathError: it may not; the message names the path.
    """
    if path in NAMED_FILES:
        return
    if not is_plain(path) or path.parts[0] not in (SERVICES, COMPOSE):
        raise UnsafePathError(f"{path} is no place for natsgen, which writes below {SERVICES}/ and {COMPOSE}/ only")


def may_be_moved(path: PurePosixPath) -> bool:
    """Return whether a file or a whole folder may come or go there: also a folder that is above named files only."""
    if path in NAMED_FILES or any(path in named.parents[:-1] for named in NAMED_FILES):
        return True
    return is_plain(path) and path.parts[0] in (SERVICES, COMPOSE)


def is_plain(path: PurePosixPath) -> bool:
    """Return whether a path leads down only, and into no folder of git's, however a file system spells that."""
    if path.is_absolute() or not path.parts:
        return False
    return not any(part == ".." or "\0" in part or _as_git_sees(part) in _GIT for part in path.parts)


def _as_git_sees(part: str) -> str:
    """Return a name as file systems take it that ignore case, invisible characters, or dots and blanks at the end."""
    visible = "".join(one for one in part if unicodedata.category(one) != "Cf")
    return visible.partition(":")[0].rstrip(". ").casefold()
