"""What a transaction on a workspace is about to do, written down first, so that it can be finished or undone.

It is kept where no clone can bring one along. It is checked all the same, as a whole and before any of it is done: it
names only places where natsgen writes, and the digest of each file that comes.
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
from natsgen.transaction import fsops, hashes, state
from natsgen.transaction.state import Area
from natsgen.workspace import Workspace

_DIGEST = re.compile(r"[0-9a-f]{64}")


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

    def source(self, area: Area) -> Path:
        """Return where it comes from."""
        return area.root / self.path if self.leaves else area.staged / self.path

    def target(self, area: Area) -> Path:
        """Return where it goes."""
        return area.kept / self.path if self.leaves else area.root / self.path

    def is_pending(self, area: Area) -> bool:
        """Return whether it is still to be done. The side that is natsgen's tells: nobody else changes that."""
        source, target = self.source(area), self.target(area)
        if not self.leaves:
            return os.path.lexists(source)
        return not os.path.lexists(target) or _is_half_moved(source, target)

    def is_begun(self, area: Area) -> bool:
        """Return whether there is something to take back."""
        source, target = self.source(area), self.target(area)
        if not os.path.lexists(target):
            return False
        return self.leaves or not os.path.lexists(source) or fsops.is_same(source, target)

    def check(self, area: Area) -> None:
        """Make sure that it is one that natsgen would write down, and that what comes is what was staged.

        Raises:
            UnsafePathError: it leads to where natsgen does not write.
            ValueError: a digest is none, or what is staged is something else.
        """
        Workspace(area.root).path(self.path)
        inside = [self.path if path == hashes.ITSELF else self.path / path for path in self.digests]
        if not places.may_be_moved(self.path) or not inside:
            raise UnsafePathError(f"{self.path} is no place for natsgen")
        for path in inside:
            places.check(path)
        if not all(_DIGEST.fullmatch(digest) for digest in self.digests.values()):
            raise ValueError(f"{self.path} has a digest that is none")
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
    """What an interrupted command was about to do: its name for a person, and its moves in their order."""

    title: str
    moves: tuple[Move, ...]

    def to_file(self) -> File:
        document = {"title": self.title, "moves": [move.to_document() for move in self.moves]}
        return File(json.dumps(document, indent=1).encode())

    @classmethod
    def from_document(cls, document: Any) -> Journal:
        title = str(document["title"])
        if not title.isprintable():
            raise ValueError("its title cannot be shown")
        return cls(title, tuple(Move.from_document(move) for move in document["moves"]))


def write_journal(area: Area, journal: Journal) -> None:
    """Write the journal of a transaction: whole, and on the disk, when this returns."""
    fsops.write(area.journal_draft, journal.to_file())
    area.journal_draft.rename(area.journal)
    fsops.sync(area.folder)
    fsops.sync(area.folder.parent)


def read_journal(area: Area) -> Journal | None:
    """Return the journal of what was interrupted, checked; None if nothing was.

    Raises:
        TransactionError: it cannot be understood, or holds what natsgen would not do.
    """

    def checked(document: Any) -> Journal:
        journal = Journal.from_document(document)
        for move in journal.moves:
            move.check(area)
        return journal

    try:
        return state.read_document(area.journal, checked)
    except ValueError as error:
        raise TransactionError(
            f"{area.journal} is damaged ({error}), so that what was interrupted here can be neither "
            f"finished nor undone: take from {area.staged.parent} what you need, then remove {area.folder}"
        ) from error


def _is_half_moved(source: Path, target: Path) -> bool:
    """Return whether a file has its new name and still the old one: a move is interrupted there."""
    return os.path.lexists(source) and os.path.lexists(target) and fsops.is_same(source, target)
