"""Decides who owns a file: the template, whose files an update merges, or the owner of the service or the workspace."""

from __future__ import annotations

from pathlib import PurePosixPath

from natsgen.errors import TemplateError
from natsgen.files.tree import Tree
from natsgen.files.workspace import ANSWERS_FILE, COMPOSE, SERVICES
from natsgen.parts.kinds import is_owners


def places_of(service: str) -> tuple[PurePosixPath, PurePosixPath]:
    """Return the paths of a service in the workspace: its folder and its compose file."""
    return PurePosixPath(SERVICES, service), PurePosixPath(COMPOSE, f"{service}.yml")


def answers_file(service: str) -> PurePosixPath:
    """Return the path of a service's answers file, in the workspace."""
    return PurePosixPath(SERVICES, service, ANSWERS_FILE)


def need_answers_file(service: str, rendered: Tree, url: str) -> None:
    """Check that a template renders the answers file of a service.

    Raises:
        TemplateError: it does not.
    """
    if answers_file(service) not in rendered:
        raise TemplateError(f"the template {url} does not have natsgen's layout: it has no {answers_file(service)}")


def is_owners_part(service: str, path: PurePosixPath) -> bool:
    """Return whether a file in the workspace is a part of the service or its test, which updates never change."""
    folder, _ = places_of(service)
    return path.is_relative_to(folder) and is_owners(path.relative_to(folder))


def without_owners(service: str, files: Tree) -> Tree:
    """Return the files without the service's parts and its answers file, which no merge changes."""
    own = answers_file(service)
    return {path: file for path, file in files.items() if path != own and not is_owners_part(service, path)}


def belongs_to(service: str, path: PurePosixPath) -> bool:
    """Return whether a file in the workspace belongs to the service."""
    return any(path.is_relative_to(place) for place in places_of(service))
