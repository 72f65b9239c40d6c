"""The journal of a transaction: written before the transaction changes anything, so that it can be finished or undone.

The journal is stored outside the files that a clone contains. It is nevertheless checked as a whole before any of it
runs: it may name only paths where natsgen writes, with the digest of each file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen.errors import TransactionError, UnsafePathError
from natsgen.files import places
from natsgen.files.tree import File
from natsgen.files.workspace import Workspace
from natsgen.transaction import fsops, hashes, state
from natsgen.transaction.state import Area

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Move:
    """One step: moves a file or a whole folder into the workspace or out of it.

    Attributes:
        path: its path in the workspace.
        leaves: whether it moves from the workspace to the kept files; if not, it moves from the staged files to the
            workspace.
        digests: the SHA-256 of every file in it, so that a file that the user modified is never removed.
    """

    path: PurePosixPath
    leaves: bool
    digests: Mapping[PurePosixPath, str]

    def source(self, area: Area) -> Path:
        """Return the path that it moves from."""
        return area.root / self.path if self.leaves else area.staged / self.path

    def target(self, area: Area) -> Path:
        """Return the path that it moves to."""
        return area.kept / self.path if self.leaves else area.root / self.path

    def is_pending(self, area: Area) -> bool:
        """Return whether it is not done yet, judged by natsgen's own folder, which nobody else changes."""
        source, target = self.source(area), self.target(area)
        if not self.leaves:
            return os.path.lexists(source)
        # a file with both its old and its new name is half moved
        return not os.path.lexists(target) or (os.path.lexists(source) and fsops.is_same(source, target))

    def is_begun(self, area: Area) -> bool:
        """Return whether there is something to undo."""
        source, target = self.source(area), self.target(area)
        if not os.path.lexists(target):
            return False
        return self.leaves or not os.path.lexists(source) or fsops.is_same(source, target)

    def check(self, area: Area) -> None:
        """Check that natsgen could have written this move, and that the staged files are unchanged.

        Raises:
            UnsafePathError: natsgen does not write to this path.
            ValueError: a digest is invalid, or the staged files differ from it.
        """
        Workspace(area.root).path(self.path)
        inside = [self.path if path == hashes.ITSELF else self.path / path for path in self.digests]
        if not places.may_be_moved(self.path) or not inside:
            raise UnsafePathError(f"natsgen does not write {self.path}")
        for path in inside:
            places.check(path)
        if not all(_DIGEST.fullmatch(digest) for digest in self.digests.values()):
            raise ValueError(f"{self.path} has an invalid digest")
        source = self.source(area)
        if not self.leaves and os.path.lexists(source) and hashes.is_changed(source, self.digests):
            raise ValueError(f"{source} is not what was staged")

    def to_document(self) -> dict[str, Any]:
        found = {str(path): digest for path, digest in self.digests.items()}
        return {"path": str(self.path), "leaves": self.leaves, "digests": found}

    @classmethod
    def from_document(cls, document: Any) -> Move:
        found = {PurePosixPath(path): str(digest) for path, digest in document["digests"].items()}
        return cls(PurePosixPath(document["path"]), bool(document["leaves"]), found)


@dataclass(frozen=True)
class Journal:
    """The steps of a command.

    Attributes:
        title: what the command does, for messages.
        moves: its moves, in order.
    """

    title: str
    moves: tuple[Move, ...]


def write_journal(area: Area, journal: Journal) -> None:
    """Write the journal of a transaction; it is complete and on disk when this returns."""
    document = {"title": journal.title, "moves": [move.to_document() for move in journal.moves]}
    fsops.write(area.journal_draft, File(json.dumps(document, indent=1).encode()))
    area.journal_draft.rename(area.journal)
    fsops.sync(area.folder)
    fsops.sync(area.folder.parent)


def read_journal(area: Area) -> Journal | None:
    """Return the checked journal of an interrupted command; None if there is none.

    Raises:
        TransactionError: the journal is damaged, or contains moves that natsgen would not make.
    """

    def checked(document: Any) -> Journal:
        title = str(document["title"])
        if not title.isprintable():
            raise ValueError("its title contains unprintable characters")
        moves = tuple(Move.from_document(move) for move in document["moves"])
        for move in moves:
            move.check(area)
        return Journal(title, moves)

    try:
        return state.read_document(area.journal, checked)
    except ValueError as error:
        raise TransactionError(
            f"{area.journal} is damaged ({error}), so the interrupted command can be neither finished nor undone: "
            f"copy what you need from {area.staged.parent}, then remove {area.folder}"
        ) from error
