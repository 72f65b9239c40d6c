"""What a transaction on a workspace is about to do, written down first, so that it can be finished or undone.

All of it is in `.natsgen/` inside the workspace: the journal, what is staged, and what is kept until the end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen import durable
from natsgen.errors import TransactionError, UnsafePathError
from natsgen.tree import File
from natsgen.workspace import Workspace

AREA = PurePosixPath(".natsgen")
STAGED = AREA / "staged"
KEPT = AREA / "kept"
JOURNAL = AREA / "journal.json"
JOURNAL_DRAFT = AREA / "journal.draft"


@dataclass(frozen=True)
class Move:
    """One step: a file, or a folder that is new or goes as a whole, on its way into the workspace or out of it.

    Attributes:
        path: its place in the workspace.
        leaves: whether it goes from there to the kept files; otherwise it comes from the staged ones.
        digests: the SHA-256 of every file in it, so that nothing is taken away that a person has changed.
    """

    path: PurePosixPath
    leaves: bool
    digests: Mapping[PurePosixPath, str]

    def source(self, workspace: Workspace) -> Path:
        """Where it comes from."""
        return workspace.root / (self.path if self.leaves else STAGED / self.path)

    def target(self, workspace: Workspace) -> Path:
        """Where it goes."""
        return workspace.root / (KEPT / self.path if self.leaves else self.path)

    def is_pending(self, workspace: Workspace) -> bool:
        """Whether it is still to be done or finished. The side in `.natsgen` tells: nobody else changes that."""
        source, target = self.source(workspace), self.target(workspace)
        if not self.leaves:
            return os.path.lexists(source)
        return not os.path.lexists(target) or _is_half_moved(source, target)

    def is_begun(self, workspace: Workspace) -> bool:
        """Whether there is something to take back."""
        source, target = self.source(workspace), self.target(workspace)
        if not os.path.lexists(target):
            return False
        return self.leaves or not os.path.lexists(source) or durable.is_same(source, target)

    def to_document(self) -> dict[str, Any]:
        digests = {str(path): digest for path, digest in self.digests.items()}
        return {"path": str(self.path), "leaves": self.leaves, "digests": digests}

    @classmethod
    def from_document(cls, document: Any) -> Move:
        digests = {PurePosixPath(path): str(digest) for path, digest in document["digests"].items()}
        return cls(PurePosixPath(document["path"]), bool(document["leaves"]), digests)


@dataclass(frozen=True)
class Journal:
    """What an interrupted command was about to do: its name for a person, and its moves in their order."""

    title: str
    moves: tuple[Move, ...]

    def to_file(self) -> File:
        document = {"title": self.title, "moves": [move.to_document() for move in self.moves]}
        return File(json.dumps(document, indent=1).encode())

    @classmethod
    def from_document(cls, document: Any) -> Journal:
        return cls(str(document["title"]), tuple(Move.from_document(move) for move in document["moves"]))


def write_journal(workspace: Workspace, journal: Journal) -> None:
    """Writes the journal of a transaction: whole, and on the disk, when this returns."""
    durable.write(workspace.root / JOURNAL_DRAFT, journal.to_file())
    (workspace.root / JOURNAL_DRAFT).rename(workspace.root / JOURNAL)
    durable.sync(workspace.root / AREA)
    durable.sync(workspace.root)


def read_journal(workspace: Workspace) -> Journal | None:
    """The journal of what was interrupted, or None if nothing was.

    Raises:
        TransactionError: it cannot be understood, or leads out of the workspace.
    """
    file = workspace.root / JOURNAL
    try:
        journal = Journal.from_document(json.loads(file.read_bytes()))
        for move in journal.moves:
            workspace.path(move.path)
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError, AttributeError, UnsafePathError) as error:
        raise TransactionError(
            f"{file} is damaged, so that what was interrupted here can be neither finished nor undone: take from "
            f"{file.parent} what you need, then remove it"
        ) from error
    return journal


def _is_half_moved(source: Path, target: Path) -> bool:
    """Whether a file has its new name and still the old one: a move is interrupted there."""
    return os.path.lexists(source) and os.path.lexists(target) and durable.is_same(source, target)
