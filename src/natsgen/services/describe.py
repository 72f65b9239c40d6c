"""Describes one service in full: its answers, its settings, and the files that its owner changed."""

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
from natsgen.files.workspace import ANSWERS_FILE, SERVICES, Workspace
from natsgen.parts.kinds import is_owners
from natsgen.rendering import render, versions
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import declared, listing
from natsgen.services.declared import Setting
from natsgen.services.listing import Service
from natsgen.services.service_packages import ServicePackages


@dataclass(frozen=True)
class ChangedFile:
    """A file that differs from the template.

    Attributes:
        path: the path in the workspace.
        how: "changed" or "missing".
        is_own: whether it belongs to the owner: a part, or its test.
    """

    path: PurePosixPath
    how: str
    is_own: bool


@dataclass(frozen=True)
class ServiceReport:
    """A service in full.

    Attributes:
        service: the service, as in `list`.
        answers: the answers that it was created with.
        settings: the settings that it reads from its environment.
        settings_error: why the settings are unknown; "" if they are known.
        published: the literal subjects that it publishes to.
        changed: the files that differ from its version of the template.
        is_outdated: whether there is a newer version of the template; None if its version is not a release.
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
    """Describe one service in full.

    Args:
        workspace: the workspace.
        template: the template of the service's version.
        questionnaire: the template's questions.
        name: the service's name.
        newest: the newest version of the template.

    Raises:
        InputError: the service does not exist.
        ServiceError: its answers are invalid, so it cannot be compared with the template.
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
    held = ServicePackages(workspace, template, name, known.as_data())
    rendered = render.render(template, known.as_data(), with_packages=held.found, with_facts=held.facts)
    made = {**_added_later(template, known, found), **rendered}
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
    """Return the files of the parts that the answers do not name, as a command would create them."""
    made: dict[PurePosixPath, File] = {}
    for file in found.files:
        try:
            made.update(render.render_part(template, known.as_data(), file.regenerated()))
        except (InputError, TemplateError):
            made[PurePosixPath(SERVICES, found.name) / file.path] = File(b"")  # the owner wrote it without a command
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
