"""Updates that left conflict markers: what they changed is remembered until a person has decided, or wants it back."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen import durable, transaction
from natsgen.change import Change
from natsgen.digests import digest_of
from natsgen.errors import ConflictError, ServiceError
from natsgen.journal import AREA
from natsgen.tree import File
from natsgen.update import file_merge, ownership, planning
from natsgen.update.merging import Conflict
from natsgen.update.planning import Plan
from natsgen.workspace import Workspace

_FOLDER = AREA / "unfinished"
_GITIGNORE = AREA / ".gitignore"


@dataclass(frozen=True)
class Unfinished:
    """An update that a person must finish.

    Attributes:
        service: the service's name.
        before: the version before it.
        after: the version after it.
        conflicts: where a person must decide.
        files: every file that it changed, as it was before; None for one that was not there.
        answers: the SHA-256 of the answers file that it wrote: with another one, it is no longer this update.
    """

    service: str
    before: str
    after: str
    conflicts: tuple[Conflict, ...]
    files: dict[PurePosixPath, File | None]
    answers: str


def of(workspace: Workspace, service: str) -> Unfinished | None:
    """The unfinished update of a service; None if there is none, or if a person took it back with git.

    Raises:
        ServiceError: what was remembered cannot be read.
    """
    file = workspace.root / _file(service)
    try:
        document = json.loads(file.read_bytes())
        found = _from_document(document)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ServiceError(f"{file} is damaged: take the update of {service} back with git, then remove it") from error
    return found if found.answers == _digest_of_answers(workspace, service) else None


def names(workspace: Workspace) -> tuple[str, ...]:
    """The services with an unfinished update, sorted.

    Raises:
        ServiceError: what was remembered cannot be read.
    """
    remembered = sorted(path.stem for path in (workspace.root / _FOLDER).glob("*.json"))
    return tuple(name for name in remembered if of(workspace, name) is not None)


def remember(workspace: Workspace, plan: Plan) -> None:
    """Writes down what the plan changes, before it is done."""
    own = ownership.answers_file(plan.task.service)
    after = plan.change.after.get(own)
    digest = digest_of(after.content) if after else _digest_of_answers(workspace, plan.task.service)
    files = {path: plan.change.before.get(path) for path in {*plan.change.before, *plan.change.after}}
    task = plan.task
    forget(workspace, task.service)
    folder = workspace.path(_FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    if not (workspace.root / _GITIGNORE).exists():
        durable.write(workspace.path(_GITIGNORE), File(b"*\n"))
    found = Unfinished(task.service, task.old.commit, task.new.commit, plan.conflicts, files, digest)
    durable.write(workspace.path(_file(task.service)), File(json.dumps(_to_document(found), indent=1).encode()))
    durable.sync(folder)


def forget(workspace: Workspace, service: str) -> None:
    """Removes what is remembered of a service, and the folder of it with the last one."""
    (workspace.path(_FOLDER) / f"{service}.json").unlink(missing_ok=True)
    folder = workspace.root / _FOLDER
    if folder.is_dir() and not any(folder.iterdir()):
        (workspace.root / _GITIGNORE).unlink(missing_ok=True)
        folder.rmdir()
        area = workspace.root / AREA
        if not any(area.iterdir()):
            area.rmdir()


def with_markers(workspace: Workspace, found: Unfinished) -> tuple[PurePosixPath, ...]:
    """The files of an unfinished update that have conflict markers still."""
    paths = [conflict.path for conflict in found.conflicts if conflict.has_markers]
    there = planning.read(workspace, paths)
    return tuple(path for path, file in there.items() if file_merge.has_markers(file.content))


def finish(workspace: Workspace, service: str, notify: Callable[[str], None]) -> Unfinished:
    """Ends an update whose conflicts a person has decided.

    Raises:
        ServiceError: there is none.
        ConflictError: some files have conflict markers still; the message lists them.
    """
    with transaction.session(workspace, notify):
        found = _need(workspace, service)
        if left := with_markers(workspace, found):
            files = ", ".join(map(str, left))
            raise ConflictError(f"{service}: there are conflict markers still in {files}: decide, then run this again")
        forget(workspace, service)
    return found


def abort(workspace: Workspace, service: str, notify: Callable[[str], None]) -> Change:
    """Puts everything that an unfinished update changed back to what it was.

    Returns:
        What was changed.

    Raises:
        ServiceError: there is none.
        NatsgenError: it could not be done; the workspace is as before.
    """
    with transaction.session(workspace, notify):
        found = _need(workspace, service)
        there = planning.read(workspace, found.files)
        change = planning.change(there, found.files)
        transaction.check(workspace, change)
        transaction.apply(workspace, change, f"update --abort {service}")
        forget(workspace, service)
    return change


def _need(workspace: Workspace, service: str) -> Unfinished:
    found = of(workspace, service)
    if found is None:
        forget(workspace, service)
        raise ServiceError(f"{service} has no unfinished update")
    return found


def _file(service: str) -> PurePosixPath:
    return _FOLDER / f"{service}.json"


def _digest_of_answers(workspace: Workspace, service: str) -> str:
    file: Path = workspace.root / ownership.answers_file(service)
    return digest_of(file.read_bytes()) if file.is_file() else ""


def _to_document(found: Unfinished) -> dict[str, Any]:
    return {
        "service": found.service,
        "before": found.before,
        "after": found.after,
        "conflicts": [{"path": str(c.path), "why": c.why, "has_markers": c.has_markers} for c in found.conflicts],
        "files": {str(path): _file_document(file) for path, file in found.files.items()},
        "answers": found.answers,
    }


def _file_document(file: File | None) -> dict[str, Any] | None:
    if file is None:
        return None
    return {"content": base64.b64encode(file.content).decode(), "executable": file.executable}


def _from_document(document: Any) -> Unfinished:
    conflicts = [
        Conflict(PurePosixPath(one["path"]), str(one["why"]), bool(one["has_markers"])) for one in document["conflicts"]
    ]
    files = {PurePosixPath(path): _file_from(entry) for path, entry in document["files"].items()}
    service, before, after, answers = (str(document[key]) for key in ("service", "before", "after", "answers"))
    return Unfinished(service, before, after, tuple(conflicts), files, answers)


def _file_from(entry: Any) -> File | None:
    if entry is None:
        return None
    return File(base64.b64decode(entry["content"], validate=True), bool(entry["executable"]))
