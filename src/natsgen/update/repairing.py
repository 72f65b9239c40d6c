"""Repairs the packages of a service after a merge of branches, and its deployment files after an edit of its source.

A merge may remove a package that a part needs, or add one of an older version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from natsgen.answers import answers_file
from natsgen.errors import ServiceError
from natsgen.files import tree
from natsgen.files.tree import File
from natsgen.files.workspace import Workspace
from natsgen.parts.kinds import KINDS
from natsgen.services.writer import Writer
from natsgen.transaction.change import Change, change_between
from natsgen.update import drift, unfinished
from natsgen.update.drift import Comparison


@dataclass(frozen=True)
class Repaired:
    """The result of a repair.

    Attributes:
        change: the change of the files.
        added: the packages that were missing.
        updated: the packages that had files of another version.
        notes: additional notes for the user.
    """

    change: Change
    added: tuple[str, ...]
    updated: tuple[str, ...]
    notes: tuple[str, ...]


def repair(writer: Writer, service: str) -> Repaired:
    """Repair the packages of a service, atomically.

    Missing packages are added, and unmodified files of an older version are updated to the service's version. The
    deployment files are rendered for the service's source. Nothing outside the packages changes.

    Args:
        writer: changes the workspace.
        service: the service's name.

    Raises:
        InputError: the service does not exist.
        ServiceError: the service has an unfinished update.
        ConflictError: the owner edited a part of a deployment file that would change.
        NatsgenError: the command failed; the workspace is as before.
    """
    workspace = writer.workspace
    with writer.session_of(service) as folder:
        answers_file.require_matching_name(answers_file.read(folder))
        if unfinished.of(workspace, service):
            raise ServiceError(
                f"{service} has an unfinished update; run natsgen update --continue {service} or --abort first"
            )
        with drift.compared(workspace, service) as found:
            change = _change(workspace, found)
            change = change.with_other(found.packages.redeployed(found.packages.source_facts, change.after))
        writer.write(change, f"repair {service}")
    touched = {name for path in (*change.before, *change.after) for name in found.packages.packages_of(path)}
    return Repaired(change, tuple(found.missing), tuple(sorted(touched & found.packages.found)), tuple(_notes(found)))


def _change(workspace: Workspace, found: Comparison) -> Change:
    wanted: dict[PurePosixPath, File | None] = {}
    for file in found.files:
        if found.packages.packages_of(file.path) and (file.how == drift.MISSING or file.is_unedited):
            wanted[file.path] = found.made.get(file.path)
    return change_between(tree.read_files(workspace, wanted), wanted)


def _notes(found: Comparison) -> Iterator[str]:
    for file in found.files:
        if found.packages.packages_of(file.path) and file.how != drift.MISSING and not file.is_unedited:
            yield (f"{file.path} was edited, so it was not changed; see natsgen diff {found.packages.service}")
    for kind in KINDS.values() if found.packages.deploys else ():
        for part in kind.files_in(found.packages.folder):
            if part.error:
                yield f"the files in deploy/ leave out {part.path}: {part.error}"
