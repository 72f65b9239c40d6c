"""Lists the services of a workspace from their files, without importing or changing them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from natsgen import messages
from natsgen.errors import InputError
from natsgen.files import reading
from natsgen.files.workspace import ANSWERS_FILE, SERVICES, Workspace, no_answers_file
from natsgen.parts import naming
from natsgen.parts.handlers import HANDLERS
from natsgen.parts.kind import FoundPart, PartFile, PartKind
from natsgen.parts.kinds import KINDS, kind_of
from natsgen.parts.routes import ROUTES

GATEWAY = "gateway"  # the kind of a service with a web framework

_COMMIT = re.compile(r"^_commit:[ ]*['\"]?([!#-&(-~]*)['\"]?[ ]*$", re.MULTILINE)


@dataclass(frozen=True)
class Service:
    """A service, as in `list`.

    Attributes:
        name: the name of its folder.
        kind: its kind; see `kind_of`; "unknown" without parts.
        version: its template version; "" if unknown.
        files: the files of its parts, by kind and sorted.
        error: why its answers cannot be read; "" if they can.
    """

    name: str
    kind: str
    version: str
    files: tuple[PartFile, ...]
    error: str = ""

    def parts_of(self, kind: PartKind) -> Iterator[tuple[PartFile, FoundPart]]:
        """Return its parts of a kind, each with its file."""
        return ((file, part) for file in self.files if file.kind is kind for part in file.parts)


def names(workspace: Workspace) -> tuple[str, ...]:
    """Return the sorted names of the services that natsgen or Copier created."""
    folder = workspace.root / SERVICES
    return tuple(name for name in workspace.services() if (folder / name / ANSWERS_FILE).exists())


def require_service(workspace: Workspace, name: str) -> Path:
    """Return the folder of a service.

    Raises:
        InputError: the service does not exist; the message suggests the nearest.
        ServiceError: the folder exists, but was not created from a template.
        UnsafePathError: the folder is a symlink.
    """
    known = names(workspace)
    folder = workspace.root / SERVICES / name
    if name in known:
        return folder
    if naming.words_of(name) and folder.is_symlink():
        workspace.path(PurePosixPath(SERVICES, name, ANSWERS_FILE))  # raises UnsafePathError
    if name in workspace.services():
        raise no_answers_file(folder)
    others = messages.available(known) if known else "there are none; natsgen new creates one"
    raise InputError(
        f"unknown service {messages.quote(name)} in {workspace.root}{messages.did_you_mean(name, known)} ({others})"
    )


def service(workspace: Workspace, name: str) -> Service:
    """Return one service, as in `list`, with the errors of files that cannot be read.

    Args:
        workspace: the workspace.
        name: one of `names`.
    """
    folder = workspace.root / SERVICES / name
    files = tuple(file for kind in KINDS.values() for file in kind.files_in(folder))
    version = error = ""
    try:
        version = _version_in(folder / ANSWERS_FILE)
    except OSError as failure:
        error = f"{ANSWERS_FILE}: {failure.strerror}"
    return Service(name, _kind(folder, {file.kind for file in files}), version, files, error)


def _kind(folder: Path, there: Collection[PartKind]) -> str:
    is_gateway = (folder / ROUTES.folder).is_dir()
    if not there and not is_gateway:
        return "worker" if (folder / HANDLERS.folder).is_dir() else "unknown"
    return kind_of(is_gateway, there)


def _version_in(answers: Path) -> str:
    """Return the template version in an answers file, without parsing the rest of it."""
    found = _COMMIT.search(reading.read_bytes(answers, reading.ANSWERS_LIMIT).decode(errors="replace"))
    return found[1].strip() if found else ""
