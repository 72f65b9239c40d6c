"""The services of a workspace, as far as their files say it: nothing here imports or changes a service."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from natsgen import discovery, naming
from natsgen.discovery import HandlerFile
from natsgen.errors import InputError, ServiceError
from natsgen.handlers import HANDLER_FOLDER
from natsgen.workspace import ANSWERS_FILE, SERVICES, Workspace

_COMMIT = re.compile(r"^_commit:[ ]*['\"]?([^'\"\n]*)['\"]?[ ]*$", re.MULTILINE)


@dataclass(frozen=True)
class Service:
    """A service as `list` tells it.

    Attributes:
        name: its folder's.
        kind: what it was made as.
        version: of the template that it was made from; "" if unknown.
        handlers: its handler files.
        error: why its answers cannot be read; "" if they can.
    """

    name: str
    kind: str
    version: str
    handlers: tuple[HandlerFile, ...]
    error: str = ""


def names(workspace: Workspace) -> tuple[str, ...]:
    """The names of the services that natsgen or Copier made, sorted; other folders under `services/` are others'."""
    folder = workspace.root / SERVICES
    return tuple(name for name in workspace.services() if (folder / name / ANSWERS_FILE).exists())


def need_service(workspace: Workspace, name: str) -> Path:
    """The folder of a service.

    Raises:
        InputError: there is no service of that name; the message names the nearest.
        ServiceError: there is a folder of that name, and no template made it.
    """
    known = names(workspace)
    folder = workspace.root / SERVICES / name
    if name in known:
        return folder
    if name in workspace.services():
        raise ServiceError(f"{folder} has no {ANSWERS_FILE}: natsgen did not make it, and leaves it alone")
    there_are = f"there are {naming.listed(known)}" if known else "there is none; natsgen new worker makes one"
    raise InputError(
        f"there is no service {naming.shown(name)} in {workspace.root}{naming.nearest(name, known)} ({there_are})"
    )


def service(workspace: Workspace, name: str) -> Service:
    """One service, as `list` tells it. What cannot be read is told with its error.

    Args:
        workspace: where it is.
        name: one of `names`.
    """
    folder = workspace.root / SERVICES / name
    handlers = discovery.handler_files(folder)
    kind = "worker" if (folder / HANDLER_FOLDER).is_dir() else "unknown"
    try:
        return Service(name, kind, _version_in(folder / ANSWERS_FILE), handlers)
    except OSError as error:
        return Service(name, kind, "", handlers, f"{ANSWERS_FILE}: {error.strerror}")


def _version_in(answers: Path) -> str:
    """The template's version in an answers file, without parsing the rest of it."""
    found = _COMMIT.search(answers.read_text(encoding="utf-8", errors="replace"))
    return found[1].strip() if found else ""
