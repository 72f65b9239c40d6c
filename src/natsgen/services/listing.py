"""The services of a workspace, as far as their files say it: nothing here imports or changes a service."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from natsgen import messages, naming
from natsgen.errors import InputError, ServiceError
from natsgen.files import reading
from natsgen.parts import action_discovery, discovery, kinds, pubsub_discovery, route_discovery, task_discovery
from natsgen.parts.action_discovery import ActionFile
from natsgen.parts.discovery import HandlerFile
from natsgen.parts.kinds import HANDLERS, ROUTES, PartFile, PartKind
from natsgen.parts.pubsub_discovery import PublisherFile, SubscriberFile
from natsgen.parts.route_discovery import RouteFile
from natsgen.parts.task_discovery import TaskFile
from natsgen.workspace import ANSWERS_FILE, SERVICES, Workspace

GATEWAY = "gateway"  # the kind of a service that has a web framework in it

_COMMIT = re.compile(r"^_commit:[ ]*['\"]?([^'\"\n]*)['\"]?[ ]*$", re.MULTILINE)


@dataclass(frozen=True)
class Service:
    """A service as `list` tells it.

    Attributes:
        name: its folder's.
        kind: see `parts.kind_of`; "unknown" if it is none.
        version: of the template that it was made from; "" if unknown.
        handlers: its handler files.
        error: why its answers cannot be read; "" if they can.
        actions: its action files.
        routes: its route files.
        publishers: its publisher files.
        subscribers: its subscriber files.
        tasks: its task files.
    """

    name: str
    kind: str
    version: str
    handlers: tuple[HandlerFile, ...]
    error: str = ""
    actions: tuple[ActionFile, ...] = ()
    routes: tuple[RouteFile, ...] = ()
    publishers: tuple[PublisherFile, ...] = ()
    subscribers: tuple[SubscriberFile, ...] = ()
    tasks: tuple[TaskFile, ...] = ()

    @property
    def files(self) -> tuple[PartFile, ...]:
        """The files of all its parts."""
        return (*self.handlers, *self.actions, *self.routes, *self.tasks, *self.publishers, *self.subscribers)


def names(workspace: Workspace) -> tuple[str, ...]:
    """The names of the services that natsgen or Copier made, sorted; other folders under `services/` are others'."""
    folder = workspace.root / SERVICES
    return tuple(name for name in workspace.services() if (folder / name / ANSWERS_FILE).exists())


def require_service(workspace: Workspace, name: str) -> Path:
    """The folder of a service.

    Raises:
        InputError: there is no service of that name; the message names the nearest.
        ServiceError: there is a folder of that name, and no template made it.
        UnsafePathError: it is a symlink.
    """
    known = names(workspace)
    folder = workspace.root / SERVICES / name
    if name in known:
        return folder
    if naming.words_of(name) and folder.is_symlink():
        workspace.path(PurePosixPath(SERVICES, name, ANSWERS_FILE))  # says what is wrong with it
    if name in workspace.services():
        raise ServiceError(f"{folder} has no {ANSWERS_FILE}: natsgen did not make it, and leaves it alone")
    there_are = f"there are {messages.join_names(known)}" if known else "there is none; natsgen new makes one"
    raise InputError(
        f"there is no service {messages.quote(name)} in {workspace.root}"
        f"{messages.did_you_mean(name, known)} ({there_are})"
    )


def service(workspace: Workspace, name: str) -> Service:
    """One service, as `list` tells it. What cannot be read is told with its error.

    Args:
        workspace: where it is.
        name: one of `names`.
    """
    folder = workspace.root / SERVICES / name
    handlers, actions = discovery.handler_files(folder), action_discovery.action_files(folder)
    routes, tasks = route_discovery.route_files(folder), task_discovery.task_files(folder)
    publishers, subscribers = pubsub_discovery.publisher_files(folder), pubsub_discovery.subscriber_files(folder)
    version = error = ""
    try:
        version = _version_in(folder / ANSWERS_FILE)
    except OSError as failure:
        error = f"{ANSWERS_FILE}: {failure.strerror}"
    found = Service(name, "", version, handlers, error, actions, routes, publishers, subscribers, tasks)
    return replace(found, kind=_kind(folder, {file.kind for file in found.files}))


def _kind(folder: Path, there: Collection[PartKind]) -> str:
    is_gateway = (folder / ROUTES.folder).is_dir()
    if not there and not is_gateway:
        return "worker" if (folder / HANDLERS.folder).is_dir() else "unknown"
    return kinds.kind_of(is_gateway, there)


def _version_in(answers: Path) -> str:
    """The template's version in an answers file, without parsing the rest of it."""
    found = _COMMIT.search(reading.read_bytes(answers, reading.ANSWERS_LIMIT).decode(errors="replace"))
    return found[1].strip() if found else ""
