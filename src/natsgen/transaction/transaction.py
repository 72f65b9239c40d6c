"""Adds, replaces and removes files of a workspace whole or not at all, whatever happens on the way.

Everything is a move. What is new is staged (`state` says where) and moves from there into the workspace; what goes
moves to the kept files and stays there until the end, so that taking it back is exact. A journal says which moves
there are, then they are done, then the journal is removed: from there on it is done for good. An error or Ctrl-C
before that takes back the moves. After `kill -9` or a power cut, the next command finds the journal and does the
remaining moves, or takes back the ones done if they have become impossible.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from natsgen.errors import ConflictError, NatsgenError, TransactionError
from natsgen.files import places, reading
from natsgen.transaction import fsops, hashes, lock, state
from natsgen.transaction.change import Change
from natsgen.transaction.journal import Journal, Move, read_journal, write_journal
from natsgen.transaction.state import Area
from natsgen.workspace import Workspace


@contextmanager
def session(workspace: Workspace, notify: Callable[[str], None]) -> Iterator[None]:
    """Have the workspace to oneself, made if it is missing, with what was interrupted there finished or undone.

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
            _tell_of_former(workspace, notify)
            for area in state.areas(workspace):
                _recover(area, notify)
            yield
    except BaseException:
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()
        raise


def check(workspace: Workspace, change: Change) -> None:
    """Make sure that the change can be made: what it adds is not there, what it takes is as it was read.

    Raises:
        ConflictError: something is there already, or is not what it was.
        UnsafePathError: a path leads to where natsgen does not write.
    """
    for path in {*change.before, *change.after}:
        places.check(path)
    if taken := [path for path in change.added if os.path.lexists(workspace.path(path))]:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise ConflictError(f"{workspace.root / taken[0]}{more} exists already and is left alone: nothing was changed")
    for path, file in change.before.items():
        target = workspace.path(path)
        if target.is_symlink() or not target.is_file():
            raise ConflictError(f"{target} is no regular file and is left alone: nothing was changed")
        if reading.read_bytes(target) != file.content:
            raise ConflictError(
                f"{target} was changed meanwhile and is left alone: nothing was changed; run this again"
            )


def apply(workspace: Workspace, change: Change, title: str) -> None:
    """Make the change, inside a `session`.

    Args:
        workspace: where to.
        change: as `check` found it possible.
        title: what is being done, for the person who meets an interrupted command, such as "new worker billing".

    Raises:
        ConflictError: a file appeared or was changed meanwhile; the workspace is as before.
        TransactionError: it could not be done; the message says in what state the workspace is.
    """
    for path in {*change.before, *change.after}:
        places.check(path)
    journal = _plan(workspace, change, title)
    area = _area(workspace, title)
    try:
        _stage(area, change, journal)
        write_journal(area, journal)
        _do_moves(area, journal)
    except OSError as error:
        _undo(area, journal, error)
        raise _as_natsgen_error(error, title) from error
    except BaseException as error:
        _undo(area, journal, error)
        raise
    _close(area)


class _ChangedMeanwhile(OSError):
    """A person changed what was about to go; undoing gives it back as they left it."""


def _area(workspace: Workspace, title: str) -> Area:
    try:
        return state.area(workspace)
    except OSError as error:
        raise _as_natsgen_error(error, title) from error


def _tell_of_former(workspace: Workspace, notify: Callable[[str], None]) -> None:
    former = workspace.root / state.FORMER
    if os.path.lexists(former):
        notify(f"{former} is not natsgen's own any more and is left alone: remove it unless you know what it is")


def _plan(workspace: Workspace, change: Change, title: str) -> Journal:
    leaving = dict.fromkeys(_topmost_passing(workspace, path, change) for path in change.removed)
    coming = dict.fromkeys(_topmost_missing(workspace, path) for path in change.added)
    moves = [Move(path, True, hashes.under(path, change.before)) for path in leaving]
    for path in change.replaced:
        moves.append(Move(path, True, hashes.under(path, change.before)))
        moves.append(Move(path, False, hashes.under(path, change.after)))
    moves += [Move(path, False, hashes.under(path, change.after)) for path in coming]
    return Journal(title, tuple(moves))


def _topmost_missing(workspace: Workspace, path: PurePosixPath) -> PurePosixPath:
    way = [*reversed(path.parents[:-1]), path]
    return next((step for step in way if not os.path.lexists(workspace.root / step)), path)


def _topmost_passing(workspace: Workspace, path: PurePosixPath, change: Change) -> PurePosixPath:
    """Return the highest folder that goes with the file because nothing else is in it, else the file itself."""
    gone = path
    removed = {workspace.root / one for one in change.removed}
    for folder in path.parents:
        if folder not in change.passing or any(
            entry not in removed for entry in hashes.all_in(workspace.root / folder)
        ):
            break
        gone = folder
    return gone


def _stage(area: Area, change: Change, journal: Journal) -> None:
    area.make()
    staged, kept = area.staged, area.kept
    files = [staged / path for path in change.after] + [kept / move.path for move in journal.moves if move.leaves]
    folders = {parent for file in files for parent in file.parents if staged.parent in parent.parents}
    for folder in sorted(folders):
        folder.mkdir()
    for path, file in change.after.items():
        fsops.write(staged / path, file)
    for path in change.replaced:
        if change.before[path].executable != change.after[path].executable:
            continue  # the new mode is wanted
        mode = stat.S_IMODE((area.root / path).stat().st_mode)
        (staged / path).chmod(mode)
    for folder in folders:
        fsops.sync(folder)


def _do_moves(area: Area, journal: Journal) -> None:
    """Do the moves that are not done yet."""
    workspace = Workspace(area.root)
    for move in journal.moves:
        workspace.path(move.path)
        if move.is_pending(area):
            fsops.move(move.source(area), move.target(area))
        if move.leaves and hashes.is_changed(move.target(area), move.digests):
            raise _ChangedMeanwhile(f"{area.root / move.path} was changed meanwhile")
    _sync_parents(area, journal)


def _undo(area: Area, journal: Journal, cause: BaseException) -> None:
    """Take back the moves that were done, then forget the whole transaction."""
    try:
        if area.journal.exists():  # before it is written, nothing moves
            _take_back_moves(area, journal)
        _forget(area)
    except OSError as error:
        raise TransactionError(
            f"{journal.title} failed ({_reason(cause)}) and could not be undone ({_reason(error)}): the next natsgen "
            f"command in {area.root} will finish or undo it"
        ) from cause


def _take_back_moves(area: Area, journal: Journal) -> None:
    begun = [move for move in journal.moves if move.is_begun(area)]
    came = [move for move in begun if not move.leaves]
    if changed := [move.path for move in came if hashes.is_changed(move.target(area), move.digests)]:
        raise FileExistsError(f"{area.root / changed[0]} was changed since; move it away")
    ours = {move.path for move in came}
    if taken := [move.path for move in begun if move.leaves and _is_taken(area, move) and move.path not in ours]:
        raise FileExistsError(f"{area.root / taken[0]} appeared meanwhile; move it away")
    for move in reversed(begun):
        fsops.move(move.target(area), move.source(area))
    if begun:
        _sync_parents(area, journal)


def _is_taken(area: Area, leaving: Move) -> bool:
    """Return whether something else has come to where the move would be taken back to."""
    source, target = leaving.source(area), leaving.target(area)
    return os.path.lexists(source) and not fsops.is_same(source, target)


def _recover(area: Area, notify: Callable[[str], None]) -> None:
    if not area.folder.is_dir():
        return
    journal = read_journal(area)
    if journal is None:
        _forget(area)
        return
    try:
        _do_moves(area, journal)
    except OSError as error:
        _undo(area, journal, error)
        notify(f"undid what was interrupted here, {journal.title}, because it cannot be finished: {_reason(error)}")
        return
    _close(area)
    notify(f"finished what was interrupted here: {journal.title}")


def _close(area: Area) -> None:
    # Everything is in its place. What cannot be cleared away now is cleared away by the next command.
    with suppress(OSError):
        _forget(area)


def _forget(area: Area) -> None:
    """Remove the journal, durably before all else: without one, what is staged or kept is mere rubbish."""
    if not area.folder.exists():
        return
    if os.path.lexists(area.journal):
        area.journal.unlink()
        fsops.sync(area.folder)
    area.clear()


def _sync_parents(area: Area, journal: Journal) -> None:
    moved = [area.root / move.path for move in journal.moves]
    moved += [move.target(area) for move in journal.moves if move.leaves]
    for parent in {path.parent for path in moved}:
        fsops.sync(parent)


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
