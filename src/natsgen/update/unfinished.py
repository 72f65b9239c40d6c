"""Updates with conflict markers: records what they changed until the owner finishes or aborts them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen.errors import ConflictError, ServiceError
from natsgen.files import file_merge, places, reading, tree
from natsgen.files.merging import Conflict
from natsgen.files.tree import File
from natsgen.files.workspace import Workspace
from natsgen.services import ownership
from natsgen.services.writer import Writer
from natsgen.transaction import fsops, state
from natsgen.transaction.change import Change, change_between
from natsgen.transaction.hashes import digest_of
from natsgen.update.planning import Plan


@dataclass(frozen=True)
class Unfinished:
    """An update that the owner must finish.

    Attributes:
        service: the service's name.
        before: the version before it.
        after: the version after it.
        conflicts: the files that the owner must resolve.
        files: every file that it changed, as it was before; None for one that did not exist.
        answers: the SHA-256 of the answers file that it wrote; if the file differs, the update was undone.
    """

    service: str
    before: str
    after: str
    conflicts: tuple[Conflict, ...]
    files: dict[PurePosixPath, File | None]
    answers: str


def of(workspace: Workspace, service: str) -> Unfinished | None:
    """Return the unfinished update of a service; None if there is none, or if it was undone with git.

    Raises:
        ServiceError: the record cannot be read.
    """
    file = _file(workspace, service)
    try:
        found = state.read_document(file, _from_document)
    except ValueError as error:
        raise ServiceError(
            f"{file} is damaged: undo the update of {service} with git, then delete this file"
        ) from error
    return found if found and found.answers == _digest_of_answers(workspace, service) else None


def names(workspace: Workspace) -> tuple[str, ...]:
    """Return the services with an unfinished update, sorted.

    Raises:
        ServiceError: a record cannot be read.
    """
    remembered = sorted(path.stem for path in state.area(workspace).unfinished.glob("*.json"))
    return tuple(name for name in remembered if of(workspace, name) is not None)


def remember(workspace: Workspace, plan: Plan) -> None:
    """Record what a plan will change."""
    task = plan.task
    after = plan.change.after.get(ownership.answers_file(task.service))
    digest = digest_of(after.content) if after else _digest_of_answers(workspace, task.service)
    files = {path: plan.change.before.get(path) for path in {*plan.change.before, *plan.change.after}}
    forget(workspace, task.service)
    file = _file(workspace, task.service)
    state.make_folder(file.parent)
    found = Unfinished(task.service, task.old.commit, task.new.commit, plan.conflicts, files, digest)
    fsops.write(file, File(json.dumps(_to_document(found), indent=1).encode()))
    fsops.sync(file.parent)


def forget(workspace: Workspace, service: str) -> None:
    """Remove the record of a service, and the folder with the last record."""
    area = state.area(workspace)
    (area.unfinished / f"{service}.json").unlink(missing_ok=True)
    if area.unfinished.is_dir() and not any(area.unfinished.iterdir()):
        area.unfinished.rmdir()
    area.remove_if_empty()


def finish(writer: Writer, service: str) -> Unfinished:
    """Finish an update whose conflicts are resolved.

    Args:
        writer: changes the workspace.
        service: the service's name.

    Raises:
        ServiceError: the service has no unfinished update.
        ConflictError: some files still have conflict markers; the message lists them.
    """
    workspace = writer.workspace
    with writer.session():
        found = _need(workspace, service)
        marked = tree.read_files(workspace, [conflict.path for conflict in found.conflicts if conflict.has_markers])
        if left := [path for path, file in marked.items() if file_merge.has_markers(file.content)]:
            files = ", ".join(map(str, left))
            raise ConflictError(f"{service}: unresolved conflict markers in {files}; resolve them, then run this again")
        if not writer.dry_run:
            forget(workspace, service)
    return found


def abort(writer: Writer, service: str) -> Change:
    """Restore everything that an unfinished update changed.

    Args:
        writer: changes the workspace.
        service: the service's name.

    Returns:
        The change.

    Raises:
        ServiceError: the service has no unfinished update.
        NatsgenError: the command failed; the workspace is as before.
    """
    workspace = writer.workspace
    with writer.session():
        found = _need(workspace, service)
        there = tree.read_files(workspace, found.files)
        change = change_between(there, found.files)
        writer.write(change, f"update --abort {service}")
        if not writer.dry_run:
            forget(workspace, service)
    return change


def _need(workspace: Workspace, service: str) -> Unfinished:
    found = of(workspace, service)
    if found is None:
        forget(workspace, service)
        raise ServiceError(f"{service} has no unfinished update")
    return found


def _file(workspace: Workspace, service: str) -> Path:
    return state.area(workspace).unfinished / f"{service}.json"


def _digest_of_answers(workspace: Workspace, service: str) -> str:
    file = workspace.root / ownership.answers_file(service)
    return digest_of(reading.read_bytes(file)) if file.is_file() else ""


def _to_document(found: Unfinished) -> dict[str, Any]:
    return {
        "service": found.service,
        "before": found.before,
        "after": found.after,
        "conflicts": [{"path": str(c.path), "why": c.why, "has_markers": c.has_markers} for c in found.conflicts],
        "files": {
            str(path): file and {"content": base64.b64encode(file.content).decode(), "executable": file.executable}
            for path, file in found.files.items()
        },
        "answers": found.answers,
    }


def _from_document(document: Any) -> Unfinished:
    conflicts = [
        Conflict(PurePosixPath(one["path"]), str(one["why"]), bool(one["has_markers"])) for one in document["conflicts"]
    ]
    files = {PurePosixPath(path): _file_from(entry) for path, entry in document["files"].items()}
    for path in (*files, *(conflict.path for conflict in conflicts)):
        places.check(path)
    service, before, after, answers = (str(document[key]) for key in ("service", "before", "after", "answers"))
    return Unfinished(service, before, after, tuple(conflicts), files, answers)


def _file_from(entry: Any) -> File | None:
    if entry is None:
        return None
    return File(base64.b64decode(entry["content"], validate=True), bool(entry["executable"]))
