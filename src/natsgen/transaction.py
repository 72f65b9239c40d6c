"""Adds files to a workspace whole or not at all, whatever happens on the way.

The files are staged in `.natsgen/` inside the workspace, a journal says what is to be moved where, and then a few moves
make it visible. An error or Ctrl-C before the last move takes back the moves. After `kill -9` or a power cut, the next
command finds the journal and does the remaining moves, or takes back the ones done if they have become impossible.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from natsgen import durable, lock, tree
from natsgen.errors import ConflictError, NatsgenError, TransactionError, UnsafePathError
from natsgen.tree import File, Tree
from natsgen.workspace import Workspace

AREA = PurePosixPath(".natsgen")
_STAGED = AREA / "staged"
_JOURNAL = AREA / "journal.json"
_JOURNAL_DRAFT = AREA / "journal.draft"


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


def check(workspace: Workspace, files: Tree) -> None:
    """Makes sure that every file can be added.

    Raises:
        ConflictError: something is there already.
        UnsafePathError: a path leads out of the workspace.
    """
    if taken := [path for path in files if os.path.lexists(workspace.path(path))]:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise ConflictError(f"{workspace.root / taken[0]}{more} exists already and is left alone: nothing was changed")


def add(workspace: Workspace, files: Tree, title: str) -> None:
    """Adds files, inside a `session`.

    Args:
        workspace: where to.
        files: by their path; those of `check`.
        title: what is being done, for the person who meets an interrupted command, such as "new worker billing".

    Raises:
        ConflictError: a file of that name appeared meanwhile; the workspace is as before.
        TransactionError: it could not be done; the message says in what state the workspace is.
    """
    journal = _plan(workspace, files, title)
    try:
        _stage(workspace, files)
        _write_journal(workspace, journal)
        _do_moves(workspace, journal)
    except OSError as error:
        _undo(workspace, journal, error)
        raise _as_natsgen_error(error, title) from error
    except BaseException as error:
        _undo(workspace, journal, error)
        raise
    _close(workspace)


@dataclass(frozen=True)
class _Journal:
    """What an interrupted command was about to do.

    Attributes:
        title: the command, for a person.
        moves: what moves from the staged tree to the same path of the workspace: files, and folders where the whole
            folder is new.
        digests: the SHA-256 of every file, so that nothing is taken back that a person has changed since.
    """

    title: str
    moves: tuple[PurePosixPath, ...]
    digests: Mapping[PurePosixPath, str]

    def to_file(self) -> File:
        document = {
            "title": self.title,
            "moves": [str(path) for path in self.moves],
            "digests": {str(path): digest for path, digest in self.digests.items()},
        }
        return File(json.dumps(document, indent=1).encode())

    @classmethod
    def from_document(cls, document: Any) -> _Journal:
        return cls(
            title=str(document["title"]),
            moves=tuple(PurePosixPath(path) for path in document["moves"]),
            digests={PurePosixPath(path): str(digest) for path, digest in document["digests"].items()},
        )


def _plan(workspace: Workspace, files: Tree, title: str) -> _Journal:
    moves = dict.fromkeys(_topmost_missing(workspace, path) for path in files)
    return _Journal(title, tuple(moves), {path: _digest(file) for path, file in files.items()})


def _topmost_missing(workspace: Workspace, path: PurePosixPath) -> PurePosixPath:
    way = [*reversed(path.parents[:-1]), path]
    return next((step for step in way if not os.path.lexists(workspace.root / step)), path)


def _stage(workspace: Workspace, files: Tree) -> None:
    (workspace.root / AREA).mkdir(exist_ok=True)
    folders = {parent for path in files for parent in (_STAGED / path).parents if parent.is_relative_to(_STAGED)}
    for folder in sorted(folders):
        (workspace.root / folder).mkdir()
    for path, file in files.items():
        durable.write(workspace.root / _STAGED / path, file)
    for folder in folders:
        durable.sync(workspace.root / folder)


def _write_journal(workspace: Workspace, journal: _Journal) -> None:
    durable.write(workspace.root / _JOURNAL_DRAFT, journal.to_file())
    (workspace.root / _JOURNAL_DRAFT).rename(workspace.root / _JOURNAL)
    durable.sync(workspace.root / AREA)
    durable.sync(workspace.root)


def _do_moves(workspace: Workspace, journal: _Journal) -> None:
    """Does the moves that are not done yet: what is no longer staged has been moved."""
    for path in journal.moves:
        target = workspace.path(path)
        staged = workspace.root / _STAGED / path
        if os.path.lexists(staged):
            durable.move(staged, target)
    _sync_parents(workspace, journal)


def _undo(workspace: Workspace, journal: _Journal, cause: BaseException) -> None:
    """Takes back the moves that were done, then forgets the whole transaction."""
    try:
        _take_back_moves(workspace, journal)
        _forget(workspace)
    except OSError as error:
        raise TransactionError(
            f"{journal.title} failed ({_reason(cause)}) and could not be undone ({_reason(error)}): the next natsgen "
            f"command in {workspace.root} will finish or undo it"
        ) from cause


def _take_back_moves(workspace: Workspace, journal: _Journal) -> None:
    done = [path for path in journal.moves if _is_moved(workspace, path)]
    if changed := [path for path in done if _is_changed(workspace, journal, path)]:
        raise FileExistsError(f"{workspace.root / changed[0]} was changed since; move it away")
    for path in reversed(done):
        staged = workspace.root / _STAGED / path
        if os.path.lexists(staged):
            (workspace.root / path).unlink()  # it was linked to its new name, and not yet unlinked from the old
        else:
            (workspace.root / path).rename(staged)
    if done:
        _sync_parents(workspace, journal)


def _is_moved(workspace: Workspace, path: PurePosixPath) -> bool:
    staged, target = workspace.root / _STAGED / path, workspace.root / path
    if not os.path.lexists(target) or not (workspace.root / _JOURNAL).exists():
        return False
    return not os.path.lexists(staged) or durable.is_same(staged, target)


def _is_changed(workspace: Workspace, journal: _Journal, moved: PurePosixPath) -> bool:
    target = workspace.root / moved
    expected = {path: digest for path, digest in journal.digests.items() if path.is_relative_to(moved)}
    if not target.is_dir():
        return expected != {moved: _digest(File(target.read_bytes()))}
    return expected != {moved / path: _digest(file) for path, file in tree.read(target).items()}


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
        for path in journal.moves:
            workspace.path(path)
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError, AttributeError, UnsafePathError) as error:
        raise TransactionError(
            f"{file} is damaged, so that what was interrupted here can be neither finished nor undone: see what "
            f"{file.parent} holds, then remove it"
        ) from error
    return journal


def _close(workspace: Workspace) -> None:
    # Everything is in its place. What cannot be cleared away now is cleared away by the next command.
    with suppress(OSError):
        _forget(workspace)


def _forget(workspace: Workspace) -> None:
    """Removes the journal, durably before all else: without one, what is staged is mere rubbish."""
    area = workspace.root / AREA
    if not area.exists():
        return
    if os.path.lexists(workspace.root / _JOURNAL):
        (workspace.root / _JOURNAL).unlink()
        durable.sync(area)
    for path in (_JOURNAL_DRAFT, _STAGED):
        durable.remove(workspace.root / path)
    if not any(area.iterdir()):
        area.rmdir()


def _sync_parents(workspace: Workspace, journal: _Journal) -> None:
    for parent in {path.parent for path in journal.moves}:
        durable.sync(workspace.root / parent)


def _digest(file: File) -> str:
    return hashlib.sha256(file.content).hexdigest()


def _as_natsgen_error(error: OSError, title: str) -> NatsgenError:
    if isinstance(error, FileExistsError):
        return ConflictError(f"{title}: {_reason(error)}, which appeared meanwhile; nothing was changed")
    return TransactionError(f"{title} could not be done: {_reason(error)}; nothing was changed")


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename2 or error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__
