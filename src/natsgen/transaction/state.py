"""Where natsgen keeps what it must remember of a workspace: never in files that a clone brings along.

That is in git's own directory. Outside of every repository it is in the user's state directory.
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
from natsgen.transaction import fsops
from natsgen.workspace import Workspace

FORMER = ".natsgen"
"""Where it was once: what is there may be anybody's, and is left alone."""

_LIMIT = 50_000_000  # bytes: a document may hold every file of a service that an update changed
_STAGE = "stage"
_STAGE_NAME = re.compile(r"\.natsgen-[0-9a-f]{16}")
_Document = TypeVar("_Document")


@dataclass(frozen=True)
class Area:
    """The folder of one workspace.

    Attributes:
        root: the workspace's folder.
        folder: where the state is; need not exist.
    """

    root: Path
    folder: Path

    @property
    def journal(self) -> Path:
        """What is about to be done."""
        return self.folder / "journal.json"

    @property
    def journal_draft(self) -> Path:
        """The same while it is being written."""
        return self.folder / "journal.draft"

    @property
    def unfinished(self) -> Path:
        """The folder of the updates that a person must finish."""
        return self.folder / "unfinished"

    @property
    def staged(self) -> Path:
        """What is about to come into the workspace."""
        return self._stage() / "staged"

    @property
    def kept(self) -> Path:
        """What has gone from the workspace, until it is gone for good."""
        return self._stage() / "kept"

    def make(self) -> None:
        """Make the folder, and the place for what comes and goes.

        That must be on the workspace's own file system. Where the folder is on another one, it is a folder in the
        workspace whose name nobody can know before, and which is written down first.
        """
        make_folder(self.folder)
        if self.folder.stat().st_dev == self.root.stat().st_dev:
            return
        fsops.write(self.folder / _STAGE, File(f".natsgen-{secrets.token_hex(8)}".encode()))
        fsops.sync(self.folder)
        self._stage().mkdir()

    def clear(self) -> None:
        """Remove what is staged and kept, then the folder itself if nothing else is in it."""
        for path in (self.journal_draft, self.staged, self.kept):
            fsops.remove(path)
        stage = self._stage()
        if stage != self.folder:
            fsops.remove(stage)
            fsops.remove(self.folder / _STAGE)
        self.remove_if_empty()

    def remove_if_empty(self) -> None:
        """Remove the folder, and the one of all workspaces, where nothing is in them."""
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
    """Return where the state of a workspace is kept now; the workspace's folder must be there."""
    return areas(workspace)[0]


def areas(workspace: Workspace) -> tuple[Area, ...]:
    """Return where the state of a workspace may be, first where it is kept now: it may have come into git since."""
    found = [_of_user(workspace.root)]
    with suppress(GitError):
        found.insert(0, git.own_folder(workspace.root))
    return tuple(Area(workspace.root, folder) for folder in found)


def read_document(file: Path, parse: Callable[[Any], _Document]) -> _Document | None:
    """Return what `parse` makes of a JSON file that is kept here; None if there is none.

    Raises:
        ValueError: it is damaged; the message says how.
    """
    try:
        return parse(json.loads(reading.read_bytes(file, _LIMIT)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, UnsafePathError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, of which only the person may see what is new."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)


def users_folder(variable: str, otherwise: str) -> Path:
    """Return a folder of the user's, as the XDG Base Directory Specification finds it."""
    given = Path(os.environ.get(variable, ""))
    return given if given.is_absolute() else Path("~", otherwise).expanduser()


def _of_user(root: Path) -> Path:
    key = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    return users_folder("XDG_STATE_HOME", ".local/state") / "natsgen" / key
