"""Whose a file is: the template's, which an update merges, or a person's or the workspace's, which it leaves alone."""

from __future__ import annotations

from pathlib import PurePosixPath

from natsgen.errors import TemplateError
from natsgen.files.tree import Tree
from natsgen.parts.kinds import is_owners
from natsgen.workspace import ANSWERS_FILE, COMPOSE, SERVICES


def places_of(service: str) -> tuple[PurePosixPath, PurePosixPath]:
    """Return where a service's files are in the workspace: its folder and its compose file."""
    return PurePosixPath(SERVICES, service), PurePosixPath(COMPOSE, f"{service}.yml")


def answers_file(service: str) -> PurePosixPath:
    """Return where a service's answers are in the workspace."""
    return PurePosixPath(SERVICES, service, ANSWERS_FILE)


def need_answers_file(service: str, rendered: Tree, url: str) -> None:
    """Make sure that what a template makes of a service says by which answers, where natsgen finds it again.

    Raises:
        TemplateError: it does not.
    """
    if answers_file(service) not in rendered:
        raise TemplateError(f"the template {url} does not have natsgen's layout: it has no {answers_file(service)}")


def is_persons(service: str, path: PurePosixPath) -> bool:
    """Return whether a file in the workspace is a part of the service, or a part's test: no update changes those."""
    folder, _ = places_of(service)
    return path.is_relative_to(folder) and is_owners(path.relative_to(folder))


def belongs_to(service: str, path: PurePosixPath) -> bool:
    """Return whether a file in the workspace is one of the service's."""
    return any(path.is_relative_to(place) for place in places_of(service))
