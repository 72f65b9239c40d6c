"""Transactions: a command adds, replaces and removes all of its files in a workspace, or none.

Each step is a move. New files are staged (see `state`) and move from there into the workspace. Removed files move to
the kept files and stay there until the end, so that undoing is exact. A transaction writes a journal of its moves, does
them, and then removes the journal, which commits it. An error or Ctrl-C before that undoes the moves. After `kill -9`
or a power cut, the next command finds the journal and does the remaining moves; if that is impossible, it undoes them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from natsgen.errors import ConflictError, NatsgenError, TransactionError
from natsgen.files import places, reading, tree
from natsgen.files.workspace import Workspace
from natsgen.transaction import fsops, hashes, lock, state
from natsgen.transaction.change import Change
from natsgen.transaction.journal import Journal, Move, read_journal, write_journal
from natsgen.transaction.state import Area


@contextmanager
def session(workspace: Workspace, notify: Callable[[str], None]) -> Iterator[None]:
    """Lock the workspace, create it if it does not exist, and finish or undo an interrupted command.

    Args:
        workspace: the workspace; its folder is removed again if it was created here and the body fails.
        notify: called with a message about an interrupted command that was finished or undone.

    Raises:
        LockedError: another command is running.
        TransactionError: the interrupted command can be neither finished nor undone.
    """
    missing = [folder for folder in (workspace.root, *workspace.root.parents) if not os.path.lexists(folder)]
    try:
        workspace.root.mkdir(parents=True, exist_ok=True)
        with lock.exclusive(workspace.root):
            former = workspace.root / state.FORMER
            if os.path.lexists(former):
                notify(f"{former} is ignored, because natsgen no longer uses it: remove it unless it is yours")
            for area in state.areas(workspace):
                _recover(area, notify)
            yield
    except BaseException:
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()
        raise


def check(workspace: Workspace, change: Change) -> None:
    """Check that the change is possible: added files do not exist, and replaced and removed ones are unchanged.

    Raises:
        ConflictError: a file exists already, or has changed.
        ServiceError: a sparse checkout leaves out a file that would be added.
        UnsafePathError: natsgen does not write to a path.
    """
    for path in {*change.before, *change.after}:
        places.check(path)
    tree.require_checked_out(workspace, change.added)
    if taken := [path for path in change.added if os.path.lexists(workspace.path(path))]:
        exist = f"and {len(taken) - 1} more exist" if len(taken) > 1 else "exists"
        raise ConflictError(f"{workspace.root / taken[0]} {exist} already: nothing was changed")
    for path, file in change.before.items():
        target = workspace.path(path)
        if target.is_symlink() or not target.is_file():
            raise ConflictError(f"{target} is not a regular file: nothing was changed")
        if reading.read_bytes(target) != file.content:
            raise ConflictError(f"{target} was modified meanwhile: nothing was changed; run this again")


def apply(workspace: Workspace, change: Change, title: str) -> None:
    """Apply the change, inside a `session`.

    Args:
        workspace: the workspace.
        change: a change that `check` accepted.
        title: what the command does, for messages about an interrupted one, such as "new worker billing".

    Raises:
        ConflictError: a file appeared or was modified meanwhile; the workspace is as before.
        TransactionError: the change failed; the message describes the state that the workspace is in.
    """
    for path in {*change.before, *change.after}:
        places.check(path)
    journal = _plan(workspace, change, title)
    try:
        area = state.area(workspace)
    except OSError as error:
        raise _as_natsgen_error(error, title) from error
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
    """Raised when a file was modified while it was moved out; undoing restores the modified file."""


def _plan(workspace: Workspace, change: Change, title: str) -> Journal:
    leaving = dict.fromkeys(_topmost_removable(workspace, path, change) for path in change.removed)
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


def _topmost_removable(workspace: Workspace, path: PurePosixPath, change: Change) -> PurePosixPath:
    """Return the highest folder to remove with the file because nothing else is in it, or else the file itself."""
    gone = path
    removed = {workspace.root / one for one in change.removed}
    for folder in path.parents:
        if folder not in change.removable_folders or any(
            entry not in removed for entry in hashes.all_in(workspace.root / folder)
        ):
            break
        gone = folder
    return gone


def _stage(area: Area, change: Change, journal: Journal) -> None:
    area.create()
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
            raise _ChangedMeanwhile(f"{area.root / move.path} was modified meanwhile")
    _sync_parents(area, journal)


def _undo(area: Area, journal: Journal, cause: BaseException) -> None:
    """Undo the moves that were done, then remove the journal and the stage."""
    try:
        if area.journal.exists():  # nothing moves before it is written
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
        raise FileExistsError(f"{area.root / changed[0]} was modified since; move it away")
    ours = {move.path for move in came}
    if taken := [move.path for move in begun if move.leaves and _is_taken(area, move) and move.path not in ours]:
        raise FileExistsError(f"{area.root / taken[0]} appeared meanwhile; move it away")
    for move in reversed(begun):
        fsops.move(move.target(area), move.source(area))
    if begun:
        _sync_parents(area, journal)


def _is_taken(area: Area, leaving: Move) -> bool:
    """Return whether something else has appeared at the path that the move would restore."""
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
        notify(f"undid an interrupted command, {journal.title}, because it could not be finished: {_reason(error)}")
        return
    _close(area)
    notify(f"finished an interrupted command: {journal.title}")


def _close(area: Area) -> None:
    # The change is complete. The next command removes what cannot be removed now.
    with suppress(OSError):
        _forget(area)


def _forget(area: Area) -> None:
    """Remove the journal first and durably, and then the stage, which is of no use without it."""
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
    return TransactionError(f"{title} failed: {_reason(error)}; nothing was changed")


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename2 or error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__
