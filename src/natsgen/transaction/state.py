"""The state that natsgen stores for a workspace, outside the files that a clone contains.

It is in git's own directory or, for a workspace without a repository, in the user's state directory.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from natsgen.errors import GitError, TransactionError, UnsafePathError
from natsgen.files import git, reading
from natsgen.files.tree import File
from natsgen.files.workspace import Workspace
from natsgen.transaction import fsops

FORMER = ".natsgen"
"""The folder in the workspace that once contained the state. A clone may contain one, so it is ignored."""

_LIMIT = 50_000_000  # bytes: a document may contain every file of a service that an update changed
_STAGE = "stage"
_STAGE_NAME = re.compile(r"\.natsgen-[0-9a-f]{16}")
_Document = TypeVar("_Document")


@dataclass(frozen=True)
class Area:
    """The state folder of one workspace.

    Attributes:
        root: the workspace's folder.
        folder: the state folder; it may not exist yet.
    """

    root: Path
    folder: Path

    @property
    def journal(self) -> Path:
        """Return the journal of the running or interrupted command."""
        return self.folder / "journal.json"

    @property
    def journal_draft(self) -> Path:
        """Return the journal while it is being written."""
        return self.folder / "journal.draft"

    @property
    def unfinished(self) -> Path:
        """Return the folder of the updates that the user must finish."""
        return self.folder / "unfinished"

    @property
    def staged(self) -> Path:
        """Return the folder of the files that will move into the workspace."""
        return self._stage() / "staged"

    @property
    def kept(self) -> Path:
        """Return the folder of the files that moved out of the workspace, until the command succeeds."""
        return self._stage() / "kept"

    def create(self) -> None:
        """Create the folder, and the stage for moved files.

        The stage must be on the workspace's file system. If the state folder is on another one, the stage is a folder
        in the workspace with a random name, which is recorded first.
        """
        make_folder(self.folder)
        if self.folder.stat().st_dev == self.root.stat().st_dev:
            return
        fsops.write(self.folder / _STAGE, File(f".natsgen-{secrets.token_hex(8)}".encode()))
        fsops.sync(self.folder)
        self._stage().mkdir()

    def clear(self) -> None:
        """Remove the staged and kept files, then the folder itself if nothing else is in it."""
        for path in (self.journal_draft, self.staged, self.kept):
            fsops.remove(path)
        stage = self._stage()
        if stage != self.folder:
            fsops.remove(stage)
            fsops.remove(self.folder / _STAGE)
        self.remove_if_empty()

    def remove_if_empty(self) -> None:
        """Remove the folder and its parent, each only if it is empty."""
        for folder in (self.folder, self.folder.parent):
            if not folder.is_dir() or any(folder.iterdir()):
                return
            folder.rmdir()

    def _stage(self) -> Path:
        try:
            name = reading.read_bytes(self.folder / _STAGE, limit=100).decode(errors="replace")
        except FileNotFoundError:
            return self.folder
        if not _STAGE_NAME.fullmatch(name) or (self.root / name).is_symlink():
            raise TransactionError(f"{self.folder / _STAGE} is damaged: remove {self.folder}")
        return self.root / name


def area(workspace: Workspace) -> Area:
    """Return where the state of a workspace is stored now; the workspace's folder must exist."""
    return areas(workspace)[0]


def areas(workspace: Workspace) -> tuple[Area, ...]:
    """Return where the state of a workspace may be, the current place first.

    There are two places if the workspace is in a git repository: natsgen may have run before the repository existed.
    """
    found = [_of_user(workspace.root)]
    with suppress(GitError):
        found.insert(0, git.own_folder(workspace.root))
    return tuple(Area(workspace.root, folder) for folder in found)


def read_document(file: Path, parse: Callable[[Any], _Document]) -> _Document | None:
    """Parse a JSON file of the state folder; return None if the file does not exist.

    Raises:
        ValueError: the file is damaged; the message says how.
    """
    try:
        return parse(json.loads(reading.read_bytes(file, _LIMIT)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, UnsafePathError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def make_folder(folder: Path) -> None:
    """Create a folder and its parents; only the user can read the new ones."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)


def users_folder(variable: str, otherwise: str) -> Path:
    """Return a folder of the user, as the XDG Base Directory Specification defines it."""
    given = Path(os.environ.get(variable, ""))
    return given if given.is_absolute() else Path("~", otherwise).expanduser()


def _of_user(root: Path) -> Path:
    key = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    return users_folder("XDG_STATE_HOME", ".local/state") / "natsgen" / key
