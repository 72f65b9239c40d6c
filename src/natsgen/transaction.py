"""Adds, replaces and removes files of a workspace whole or not at all, whatever happens on the way.

Everything is a move. What is new is staged in `.natsgen/staged/` inside the workspace and moves out of there; what goes
moves into `.natsgen/kept/` and stays there until the end, so that taking it back is exact. A journal says which moves
there are, then they are done, then the journal is removed: from there on it is done for good. An error or Ctrl-C before
that takes back the moves. After `kill -9` or a power cut, the next command finds the journal and does the remaining
moves, or takes back the ones done if they have become impossible.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from natsgen import digests, durable, lock
from natsgen.change import Change
from natsgen.errors import ConflictError, NatsgenError, TransactionError
from natsgen.journal import AREA, JOURNAL, JOURNAL_DRAFT, KEPT, STAGED, Journal, Move, read_journal, write_journal
from natsgen.workspace import Workspace


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
        if target.read_bytes() != file.content:
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
        write_journal(workspace, journal)
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


def _plan(workspace: Workspace, change: Change, title: str) -> Journal:
    leaving = dict.fromkeys(_topmost_passing(workspace, path, change) for path in change.removed)
    coming = dict.fromkeys(_topmost_missing(workspace, path) for path in change.added)
    moves = [Move(path, True, digests.under(path, change.before)) for path in leaving]
    for path in change.replaced:
        moves.append(Move(path, True, digests.under(path, change.before)))
        moves.append(Move(path, False, digests.under(path, change.after)))
    moves += [Move(path, False, digests.under(path, change.after)) for path in coming]
    return Journal(title, tuple(moves))


def _topmost_missing(workspace: Workspace, path: PurePosixPath) -> PurePosixPath:
    way = [*reversed(path.parents[:-1]), path]
    return next((step for step in way if not os.path.lexists(workspace.root / step)), path)


def _topmost_passing(workspace: Workspace, path: PurePosixPath, change: Change) -> PurePosixPath:
    """The highest folder that goes with the file because nothing else is in it; the file itself if there is none."""
    gone = path
    removed = {workspace.root / one for one in change.removed}
    for folder in path.parents:
        if folder not in change.passing or any(
            entry not in removed for entry in digests.all_in(workspace.root / folder)
        ):
            break
        gone = folder
    return gone


def _stage(workspace: Workspace, change: Change, journal: Journal) -> None:
    areas = [STAGED / path for path in change.after] + [KEPT / move.path for move in journal.moves if move.leaves]
    folders = {parent for path in areas for parent in path.parents if AREA in parent.parents}
    (workspace.root / AREA).mkdir(exist_ok=True)
    for folder in sorted(folders):
        (workspace.root / folder).mkdir()
    for path, file in change.after.items():
        durable.write(workspace.root / STAGED / path, file)
    for path in change.replaced:
        if change.before[path].executable != change.after[path].executable:
            continue  # the new mode is wanted
        mode = stat.S_IMODE((workspace.root / path).stat().st_mode)
        (workspace.root / STAGED / path).chmod(mode)
    for folder in folders:
        durable.sync(workspace.root / folder)


def _do_moves(workspace: Workspace, journal: Journal) -> None:
    """Does the moves that are not done yet."""
    for move in journal.moves:
        workspace.path(move.path)
        if move.is_pending(workspace):
            durable.move(move.source(workspace), move.target(workspace))
        if move.leaves and digests.is_changed(move.target(workspace), move.digests):
            raise _ChangedMeanwhile(f"{workspace.root / move.path} was changed meanwhile")
    _sync_parents(workspace, journal)


def _undo(workspace: Workspace, journal: Journal, cause: BaseException) -> None:
    """Takes back the moves that were done, then forgets the whole transaction."""
    try:
        if (workspace.root / JOURNAL).exists():  # before it is written, nothing moves
            _take_back_moves(workspace, journal)
        _forget(workspace)
    except OSError as error:
        raise TransactionError(
            f"{journal.title} failed ({_reason(cause)}) and could not be undone ({_reason(error)}): the next natsgen "
            f"command in {workspace.root} will finish or undo it"
        ) from cause


def _take_back_moves(workspace: Workspace, journal: Journal) -> None:
    begun = [move for move in journal.moves if move.is_begun(workspace)]
    came = [move for move in begun if not move.leaves]
    if changed := [move.path for move in came if digests.is_changed(move.target(workspace), move.digests)]:
        raise FileExistsError(f"{workspace.root / changed[0]} was changed since; move it away")
    ours = {move.path for move in came}
    if taken := [move.path for move in begun if move.leaves and _is_taken(workspace, move) and move.path not in ours]:
        raise FileExistsError(f"{workspace.root / taken[0]} appeared meanwhile; move it away")
    for move in reversed(begun):
        durable.move(move.target(workspace), move.source(workspace))
    if begun:
        _sync_parents(workspace, journal)


def _is_taken(workspace: Workspace, leaving: Move) -> bool:
    """Whether something else has come to where the move would be taken back to."""
    source, target = leaving.source(workspace), leaving.target(workspace)
    return os.path.lexists(source) and not durable.is_same(source, target)


def _recover(workspace: Workspace, notify: Callable[[str], None]) -> None:
    area = workspace.path(AREA)
    if not os.path.lexists(area):
        return
    if area.is_symlink() or not area.is_dir():
        raise TransactionError(f"{area} is not natsgen's own folder: move it away")
    journal = read_journal(workspace)
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


def _close(workspace: Workspace) -> None:
    # Everything is in its place. What cannot be cleared away now is cleared away by the next command.
    with suppress(OSError):
        _forget(workspace)


def _forget(workspace: Workspace) -> None:
    """Removes the journal, durably before all else: without one, what is staged or kept is mere rubbish."""
    area = workspace.root / AREA
    if not area.exists():
        return
    if os.path.lexists(workspace.root / JOURNAL):
        (workspace.root / JOURNAL).unlink()
        durable.sync(area)
    for path in (JOURNAL_DRAFT, STAGED, KEPT):
        durable.remove(workspace.root / path)
    if not any(area.iterdir()):
        area.rmdir()


def _sync_parents(workspace: Workspace, journal: Journal) -> None:
    for parent in {parent for move in journal.moves for parent in (move.path.parent, *_kept_parent(move))}:
        durable.sync(workspace.root / parent)


def _kept_parent(move: Move) -> tuple[PurePosixPath, ...]:
    return ((KEPT / move.path).parent,) if move.leaves else ()


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
