"""A gateway's routes come and go: a file for each and one for its test, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from natsgen.answers.answers import NO_FRAMEWORK
from natsgen.errors import ConflictError, ServiceError
from natsgen.parts import route_discovery, route_naming
from natsgen.parts.kinds import ROUTES
from natsgen.parts.route_discovery import RouteFile
from natsgen.parts.routes import Route
from natsgen.services import edit
from natsgen.services.edit import Added, Removed, ServiceTarget


def add_route(site: ServiceTarget, route: Route) -> Added[Route]:
    """Adds a route and its test to a gateway, whole or not at all.

    Raises:
        InputError: there is no such service.
        ServiceError: it is no gateway.
        ConflictError: a file or function of that name, or a route of that method and path, exists.
        NatsgenError: it could not be done; the workspace is as before.
    """

    def fit(folder: Path) -> tuple[Route, Iterable[str]]:
        if site.answers().framework == NO_FRAMEWORK:
            raise ServiceError(
                f"{site.service} is no gateway: it has no web framework to have routes with; natsgen new gateway makes "
                "a service with one"
            )
        there = route_discovery.route_files(folder)
        _refuse_clashes(site, route, there)
        return route, edit.not_compared(there)

    return edit.add(site, ROUTES, fit)


def remove_route(site: ServiceTarget, text: str, *, force: bool) -> Removed[RouteFile]:
    """Removes a route file and its test from a gateway, as `growth.remove` does."""
    return edit.remove(site, ROUTES, route_discovery.route_files, text, force=force)


def _refuse_clashes(site: ServiceTarget, wanted: Route, there: Sequence[RouteFile]) -> None:
    target = wanted.target
    instead = route_naming.name_for(target.subject, publishes=target.publishes, taken=edit.names_in(there))
    for file in there:
        for found in file.routes:
            if found.key == wanted.key:
                raise ConflictError(
                    f"{site.folder / file.path} answers {found.request.text} already, in line {found.line}, and is "
                    "left alone: choose another method or path"
                )
    for file in there:
        if file.name == wanted.name:
            what = ", ".join(found.request.text for found in file.routes) or file.error
            raise ConflictError(
                f"{site.folder / file.path} exists already ({what}) and is left alone: choose another name, such as "
                f"--name {instead}"
            )
