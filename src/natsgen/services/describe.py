"""One service in full: what it was made with, what it reads, and what a person changed in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen.answers import answers_file
from natsgen.answers.answers import Answers
from natsgen.answers.questions import Questionnaire
from natsgen.errors import InputError, TemplateError
from natsgen.files import by_key, line_ends, reading
from natsgen.files.tree import File, Tree
from natsgen.parts import packages
from natsgen.parts.kinds import is_owners
from natsgen.rendering import render, versions
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import declared, listing
from natsgen.services.declared import Setting
from natsgen.services.listing import Service
from natsgen.workspace import ANSWERS_FILE, SERVICES, Workspace


@dataclass(frozen=True)
class ChangedFile:
    """A file that is not as the template makes it.

    Attributes:
        path: in the workspace.
        how: "changed" or "missing".
        is_own: whether it is there for a person to change: a part, or the test of one.
    """

    path: PurePosixPath
    how: str
    is_own: bool


@dataclass(frozen=True)
class ServiceReport:
    """A service in full.

    Attributes:
        service: as `list` tells it.
        answers: what it was made with.
        settings: what it reads from its environment.
        settings_error: why those are not known; "" if they are.
        published: the subjects that its source says it publishes to.
        changed: the files that are not as its version of the template makes them.
        is_outdated: whether there is a newer version of the template; None where one is no release.
    """

    service: Service
    answers: Mapping[str, Any]
    settings: tuple[Setting, ...]
    settings_error: str
    published: tuple[str, ...]
    changed: tuple[ChangedFile, ...]
    is_outdated: bool | None


def describe_service(
    workspace: Workspace, template: TemplateSource, questionnaire: Questionnaire, name: str, newest: str
) -> ServiceReport:
    """Return one service in full.

    Args:
        workspace: where it is.
        template: what it is compared with: of its own version.
        questionnaire: the template's questions.
        name: the service's.
        newest: the newest version of the template.

    Raises:
        InputError: there is no such service.
        ServiceError: its answers cannot be used, so that nothing can be compared.
    """
    folder = listing.require_service(workspace, name)
    memory = answers_file.read(folder)
    known = answers_file.answers_of(memory, questionnaire, workspace.root)
    settings: tuple[Setting, ...] = ()
    settings_error = ""
    try:
        settings = declared.settings_of(folder)
    except ValueError as error:
        settings_error = f"{declared.CONFIG_FILE}: {error}"
    found = listing.service(workspace, name)
    there = packages.found(folder)
    made = {**_added_later(template, known, found), **render.render(template, known.as_data(), with_packages=there)}
    return ServiceReport(
        service=found,
        answers=memory.values,
        settings=settings,
        settings_error=settings_error,
        published=declared.published_by(folder),
        changed=tuple(_changed(workspace, questionnaire, name, made)),
        is_outdated=versions.is_newer(newest, memory.commit) if versions.parse(memory.commit) else None,
    )


def _added_later(template: TemplateSource, known: Answers, found: Service) -> Tree:
    """Return the files of the parts that the answers do not name, as a command would make them."""
    made: dict[PurePosixPath, File] = {}
    for file in found.files:
        try:
            made.update(render.render_part(template, known.as_data(), file.regenerated()))
        except (InputError, TemplateError):
            made[PurePosixPath(SERVICES, found.name) / file.path] = File(b"")  # a person made it, and no command
    return made


def _changed(workspace: Workspace, questionnaire: Questionnaire, name: str, made: Tree) -> Iterator[ChangedFile]:
    folder = PurePosixPath(SERVICES, name)
    for path, file in sorted(made.items()):
        if questionnaire.is_written_once(path) or path.name == ANSWERS_FILE:
            continue
        is_own = path.is_relative_to(folder) and is_owners(path.relative_to(folder))
        target = workspace.root / path
        if not os.path.lexists(target):
            yield ChangedFile(path, "missing", is_own)
        elif not reading.is_regular(target) or not by_key.is_unmodified(path, _there(target, path, file), file):
            yield ChangedFile(path, "changed", is_own)


def _there(target: Path, path: PurePosixPath, made: File) -> File:
    there = {path: File(reading.read_bytes(target), os.access(target, os.X_OK))}
    return line_ends.as_rendered(there, {path: made})[path]
