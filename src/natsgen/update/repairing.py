"""Mends the packages of a service after a merge of branches.

A merge may have taken a package away that a part needs, or brought one of an older version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from natsgen.answers import answers_file
from natsgen.errors import ServiceError
from natsgen.files import tree
from natsgen.files.tree import File
from natsgen.services.writer import Writer
from natsgen.transaction.change import Change, change_between
from natsgen.update import drift, unfinished
from natsgen.update.drift import Comparison
from natsgen.workspace import Workspace


@dataclass(frozen=True)
class Repaired:
    """What was mended, or would be.

    Attributes:
        change: the files.
        added: the packages that were missing.
        updated: the packages that had files of another version.
        notes: what the person should know beside.
    """

    change: Change
    added: tuple[str, ...]
    updated: tuple[str, ...]
    notes: tuple[str, ...]


def repair(writer: Writer, service: str) -> Repaired:
    """Mend the packages of a service, whole or not at all.

    Packages that are missing come, and files that an older version made, and nobody edited, become those of the
    service's version. What is not in a package is left alone.

    Args:
        writer: where it is, and how.
        service: its name.

    Raises:
        InputError: there is no such service.
        ServiceError: an update of it is unfinished.
        NatsgenError: it could not be done; the workspace is as before.
    """
    workspace = writer.workspace
    with writer.session_of(service) as folder:
        answers_file.require_matching_name(answers_file.read(folder))
        if unfinished.of(workspace, service):
            raise ServiceError(
                f"{service} has an unfinished update; run natsgen update --continue {service} or --abort first"
            )
        found = drift.compare(workspace, service)
        change = _change(workspace, found)
        writer.write(change, f"repair {service}")
    touched = {name for path in (*change.before, *change.after) for name in found.packages.packages_of(path)}
    added = tuple(found.missing)
    return Repaired(change, added, tuple(sorted(touched - set(added))), tuple(_notes(found)))


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
