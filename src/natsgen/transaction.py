"""Adds, replaces and removes files of a workspace whole or not at all, whatever happens on the way.

Everything is a move. What is new is staged in `.natsgen/staged/` inside the workspace and moves out of there; what goes
moves into `.natsgen/kept/` and stays there until the end, so that taking it back is exact. A journal says which moves
there are, then they are done, then the journal is removed: from there on it is done for good. An error or Ctrl-C before
that takes back the moves. After `kill -9` or a power cut, the next command finds the journal and does the remaining
moves, or takes back the ones done if they have become impossible.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen import durable, lock
from natsgen.change import Change
from natsgen.errors import ConflictError, NatsgenError, TransactionError, UnsafePathError
from natsgen.tree import File, Tree
from natsgen.workspace import Workspace

AREA = PurePosixPath(".natsgen")
_STAGED = AREA / "staged"
_KEPT = AREA / "kept"
_JOURNAL = AREA / "journal.json"
_JOURNAL_DRAFT = AREA / "journal.draft"
_ITSELF = PurePosixPath()


@contextmanager
def session(workspace: Workspace, notify: Callable[[str], None]) -> Iterator[None]:
    """Has the workspace to oneself, made if it is missing, with what was interrupted there finished or undone.

    Args:
        workspace: whose folder is locked, and removed again if it was made here and the body fails.
        notify: is told about an interrupted command that was finished or undone.

    Raises:
        LockedError: another command is at work.
        TransactionError: what was interrupted can be neither finished nor undone.
    """
    missing = [folder for folder in (workspace.root, *workspace.root.parents) if not os.path.lexists(folder)]
    try:
        workspace.root.mkdir(parents=True, exist_ok=True)
        with lock.exclusive(workspace.root):
            _recover(workspace, notify)
            yield
    except BaseException:
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()
        raise


def check(workspace: Workspace, change: Change) -> None:
    """Makes sure that the change can be made: what it adds is not there, what it takes is as it was read.

    Raises:
        ConflictError: something is there already, or is not what it was.
        UnsafePathError: a path leads out of the workspace.
    """
    if taken := [path for path in change.added if os.path.lexists(workspace.path(path))]:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise ConflictError(f"{workspace.root / taken[0]}{more} exists already and is left alone: nothing was changed")
    for path, file in change.before.items():
        target = workspace.path(path)
        if target.is_symlink() or not target.is_file():
            raise ConflictError(f"{target} is no regular file and is left alone: nothing was changed")
        if _digest(target.read_bytes()) != _digest(file.content):
            raise ConflictError(
                f"{target} was changed meanwhile and is left alone: nothing was changed; run this again"
            )


def apply(workspace: Workspace, change: Change, title: str) -> None:
    """Makes the change, inside a `session`.

    Args:
        workspace: where to.
        change: as `check` found it possible.
        title: what is being done, for the person who meets an interrupted command, such as "new worker billing".

    Raises:
        ConflictError: a file appeared or was changed meanwhile; the workspace is as before.
        TransactionError: it could not be done; the message says in what state the workspace is.
    """
    journal = _plan(workspace, change, title)
    try:
        _stage(workspace, change, journal)
        _write_journal(workspace, journal)
        _do_moves(workspace, journal)
    except OSError as error:
        _undo(workspace, journal, error)
        raise _as_natsgen_error(error, title) from error
    except BaseException as error:
        _undo(workspace, journal, error)
        raise
    _close(workspace)


class _ChangedMeanwhile(OSError):
    """A person changed what was about to go; undoing gives it back as they left it."""


@dataclass(frozen=True)
class _Move:
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
        return workspace.root / (self.path if self.leaves else _STAGED / self.path)

    def target(self, workspace: Workspace) -> Path:
        return workspace.root / (_KEPT / self.path if self.leaves else self.path)

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
    def from_document(cls, document: Any) -> _Move:
        digests = {PurePosixPath(path): str(digest) for path, digest in document["digests"].items()}
        return cls(PurePosixPath(document["path"]), bool(document["leaves"]), digests)


@dataclass(frozen=True)
class _Journal:
    """What an interrupted command was about to do: its name for a person, and its moves in their order."""

    title: str
    moves: tuple[_Move, ...]

    def to_file(self) -> File:
        document = {"title": self.title, "moves": [move.to_document() for move in self.moves]}
        return File(json.dumps(document, indent=1).encode())

    @classmethod
    def from_document(cls, document: Any) -> _Journal:
        return cls(str(document["title"]), tuple(_Move.from_document(move) for move in document["moves"]))


def _plan(workspace: Workspace, change: Change, title: str) -> _Journal:
    leaving = dict.fromkeys(_topmost_passing(workspace, path, change) for path in change.removed)
    coming = dict.fromkeys(_topmost_missing(workspace, path) for path in change.added)
    moves = [_Move(path, True, _digests_under(path, change.before)) for path in leaving]
    for path in change.replaced:
        moves.append(_Move(path, True, _digests_under(path, change.before)))
        moves.append(_Move(path, False, _digests_under(path, change.after)))
    moves += [_Move(path, False, _digests_under(path, change.after)) for path in coming]
    return _Journal(title, tuple(moves))


def _topmost_missing(workspace: Workspace, path: PurePosixPath) -> PurePosixPath:
    way = [*reversed(path.parents[:-1]), path]
    return next((step for step in way if not os.path.lexists(workspace.root / step)), path)


def _topmost_passing(workspace: Workspace, path: PurePosixPath, change: Change) -> PurePosixPath:
    """The highest folder that goes with the file because nothing else is in it; the file itself if there is none."""
    gone = path
    removed = {workspace.root / one for one in change.removed}
    for folder in path.parents:
        if folder not in change.passing or any(entry not in removed for entry in _all_in(workspace.root / folder)):
            break
        gone = folder
    return gone


def _digests_under(path: PurePosixPath, files: Tree) -> dict[PurePosixPath, str]:
    return {one.relative_to(path): _digest(file.content) for one, file in files.items() if one.is_relative_to(path)}


def _stage(workspace: Workspace, change: Change, journal: _Journal) -> None:
    areas = [_STAGED / path for path in change.after] + [_KEPT / move.path for move in journal.moves if move.leaves]
    folders = {parent for path in areas for parent in path.parents if AREA in parent.parents}
    (workspace.root / AREA).mkdir(exist_ok=True)
    for folder in sorted(folders):
        (workspace.root / folder).mkdir()
    for path, file in change.after.items():
        durable.write(workspace.root / _STAGED / path, file)
    for path in change.replaced:
        if change.before[path].executable != change.after[path].executable:
            continue  # the new mode is wanted
        mode = stat.S_IMODE((workspace.root / path).stat().st_mode)
        (workspace.root / _STAGED / path).chmod(mode)
    for folder in folders:
        durable.sync(workspace.root / folder)


def _write_journal(workspace: Workspace, journal: _Journal) -> None:
    durable.write(workspace.root / _JOURNAL_DRAFT, journal.to_file())
    (workspace.root / _JOURNAL_DRAFT).rename(workspace.root / _JOURNAL)
    durable.sync(workspace.root / AREA)
    durable.sync(workspace.root)


def _do_moves(workspace: Workspace, journal: _Journal) -> None:
    """Does the moves that are not done yet."""
    for move in journal.moves:
        workspace.path(move.path)
        if move.is_pending(workspace):
            durable.move(move.source(workspace), move.target(workspace))
        if move.leaves and _is_changed(move.target(workspace), move):
            raise _ChangedMeanwhile(f"{workspace.root / move.path} was changed meanwhile")
    _sync_parents(workspace, journal)


def _undo(workspace: Workspace, journal: _Journal, cause: BaseException) -> None:
    """Takes back the moves that were done, then forgets the whole transaction."""
    try:
        if (workspace.root / _JOURNAL).exists():  # before it is written, nothing moves
            _take_back_moves(workspace, journal)
        _forget(workspace)
    except OSError as error:
        raise TransactionError(
            f"{journal.title} failed ({_reason(cause)}) and could not be undone ({_reason(error)}): the next natsgen "
            f"command in {workspace.root} will finish or undo it"
        ) from cause


def _take_back_moves(workspace: Workspace, journal: _Journal) -> None:
    begun = [move for move in journal.moves if move.is_begun(workspace)]
    came = [move for move in begun if not move.leaves]
    if changed := [move.path for move in came if _is_changed(move.target(workspace), move)]:
        raise FileExistsError(f"{workspace.root / changed[0]} was changed since; move it away")
    ours = {move.path for move in came}
    if taken := [move.path for move in begun if move.leaves and _is_taken(workspace, move) and move.path not in ours]:
        raise FileExistsError(f"{workspace.root / taken[0]} appeared meanwhile; move it away")
    for move in reversed(begun):
        durable.move(move.target(workspace), move.source(workspace))
    if begun:
        _sync_parents(workspace, journal)


def _is_half_moved(source: Path, target: Path) -> bool:
    """Whether a file has its new name and still the old one: a move is interrupted there."""
    return os.path.lexists(source) and os.path.lexists(target) and durable.is_same(source, target)


def _is_taken(workspace: Workspace, leaving: _Move) -> bool:
    """Whether something else has come to where the move would be taken back to."""
    source, target = leaving.source(workspace), leaving.target(workspace)
    return os.path.lexists(source) and not durable.is_same(source, target)


def _is_changed(path: Path, move: _Move) -> bool:
    if path.is_symlink():
        return True
    if not path.is_dir():
        return move.digests != {_ITSELF: _digest(path.read_bytes())}
    found = {}
    for entry in _all_in(path):
        if entry.is_symlink() or not entry.is_file():
            return True
        found[PurePosixPath(entry.relative_to(path))] = _digest(entry.read_bytes())
    return found != move.digests


def _all_in(folder: Path) -> Iterator[Path]:
    """Everything under a folder that is no folder, symlinks to folders included."""
    for parent, folders, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)
        yield from (path for name in folders if (path := Path(parent, name)).is_symlink())


def _recover(workspace: Workspace, notify: Callable[[str], None]) -> None:
    area = workspace.path(AREA)
    if not os.path.lexists(area):
        return
    if area.is_symlink() or not area.is_dir():
        raise TransactionError(f"{area} is not natsgen's own folder: move it away")
    journal = _read_journal(workspace)
    if journal is None:
        _forget(workspace)
        return
    try:
        _do_moves(workspace, journal)
    except OSError as error:
        _undo(workspace, journal, error)
        notify(f"undid what was interrupted here, {journal.title}, because it cannot be finished: {_reason(error)}")
        return
    _close(workspace)
    notify(f"finished what was interrupted here: {journal.title}")


def _read_journal(workspace: Workspace) -> _Journal | None:
    file = workspace.root / _JOURNAL
    try:
        journal = _Journal.from_document(json.loads(file.read_bytes()))
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


def _close(workspace: Workspace) -> None:
    # Everything is in its place. What cannot be cleared away now is cleared away by the next command.
    with suppress(OSError):
        _forget(workspace)


def _forget(workspace: Workspace) -> None:
    """Removes the journal, durably before all else: without one, what is staged or kept is mere rubbish."""
    area = workspace.root / AREA
    if not area.exists():
        return
    if os.path.lexists(workspace.root / _JOURNAL):
        (workspace.root / _JOURNAL).unlink()
        durable.sync(area)
    for path in (_JOURNAL_DRAFT, _STAGED, _KEPT):
        durable.remove(workspace.root / path)
    if not any(area.iterdir()):
        area.rmdir()


def _sync_parents(workspace: Workspace, journal: _Journal) -> None:
    for parent in {parent for move in journal.moves for parent in (move.path.parent, *_kept_parent(move))}:
        durable.sync(workspace.root / parent)


def _kept_parent(move: _Move) -> tuple[PurePosixPath, ...]:
    return ((_KEPT / move.path).parent,) if move.leaves else ()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _as_natsgen_error(error: OSError, title: str) -> NatsgenError:
    if isinstance(error, _ChangedMeanwhile):
        return ConflictError(f"{title}: {error}; nothing was changed; run this again")
    if isinstance(error, FileExistsError):
        return ConflictError(f"{title}: {_reason(error)}, which appeared meanwhile; nothing was changed")
    return TransactionError(f"{title} could not be done: {_reason(error)}; nothing was changed")


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename2 or error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__
