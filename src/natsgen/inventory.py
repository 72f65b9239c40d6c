"""The services of a workspace, as far as their files say it: nothing here imports or changes a service."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from natsgen import action_discovery, discovery, naming, route_discovery
from natsgen.action_discovery import ActionFile
from natsgen.discovery import HandlerFile
from natsgen.errors import InputError, ServiceError
from natsgen.parts import HANDLERS, ROUTES, PartFile
from natsgen.route_discovery import RouteFile
from natsgen.workspace import ANSWERS_FILE, SERVICES, Workspace

GATEWAY = "gateway"  # the kind of a service that has a web framework in it

_COMMIT = re.compile(r"^_commit:[ ]*['\"]?([^'\"\n]*)['\"]?[ ]*$", re.MULTILINE)


@dataclass(frozen=True)
class Service:
    """A service as `list` tells it.

    Attributes:
        name: its folder's.
        kind: "gateway" if it has a web framework in it; else "worker" if it handles events, "service" if it only
            answers requests.
        version: of the template that it was made from; "" if unknown.
        handlers: its handler files.
        error: why its answers cannot be read; "" if they can.
        actions: its action files.
        routes: its route files.
    """

    name: str
    kind: str
    version: str
    handlers: tuple[HandlerFile, ...]
    error: str = ""
    actions: tuple[ActionFile, ...] = ()
    routes: tuple[RouteFile, ...] = ()

    @property
    def files(self) -> tuple[PartFile, ...]:
        """The files of all its parts."""
        return (*self.handlers, *self.actions, *self.routes)


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
    there_are = f"there are {naming.listed(known)}" if known else "there is none; natsgen new makes one"
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
    handlers, actions = discovery.handler_files(folder), action_discovery.action_files(folder)
    routes = route_discovery.route_files(folder)
    version = error = ""
    try:
        version = _version_in(folder / ANSWERS_FILE)
    except OSError as failure:
        error = f"{ANSWERS_FILE}: {failure.strerror}"
    return Service(name, _kind(folder, handlers, actions), version, handlers, error, actions, routes)


def _kind(folder: Path, handlers: Sequence[HandlerFile], actions: Sequence[ActionFile]) -> str:
    if (folder / ROUTES.folder).is_dir():
        return GATEWAY
    if actions and not handlers:
        return "service"
    return "worker" if (folder / HANDLERS.folder).is_dir() else "unknown"


def _version_in(answers: Path) -> str:
    """The template's version in an answers file, without parsing the rest of it."""
    found = _COMMIT.search(answers.read_text(encoding="utf-8", errors="replace"))
    return found[1].strip() if found else ""
