"""Brings an existing worker under natsgen management: infers its answers, and reports differences from the template.

An adopted worker has an answers file, so that `check`, `diff`, `list` and `update` work on it; nothing else changes.
With `--replace`, the template's files replace its infrastructure, and its handlers get a decorator that subscribes
them. The service must be committed, so that git can restore it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from natsgen import messages
from natsgen.answers import answers, answers_file, workspace_defaults
from natsgen.answers.given_answers import GivenAnswers
from natsgen.answers.questions import Questionnaire
from natsgen.errors import InputError, NatsgenError, ServiceError
from natsgen.files import git, reading, requirements, tree
from natsgen.files.tree import File, Tree
from natsgen.files.workspace import ANSWERS_FILE, COMPOSE, SERVICES, Workspace
from natsgen.parts import naming
from natsgen.rendering import render
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import declared, ownership
from natsgen.services.writer import Writer
from natsgen.transaction.change import Change, change_between
from natsgen.update import handwritten, keeping
from natsgen.update.handwritten import Handwritten

_OWN_SETTINGS = PurePosixPath("src/domain/settings.py")
_TESTS = PurePosixPath("tests/test_handlers.py")
_KEPT_TESTS = PurePosixPath("tests/test_adopted_handlers.py")
_SETTING = re.compile(r"^    ([A-Z][A-Z0-9_]*):", re.MULTILINE)


@dataclass(frozen=True)
class Adoption:
    """The result of an adoption.

    Attributes:
        service: the service's name.
        answers: the inferred answers.
        change: the change of the workspace's files.
        differing: the template's files that differ in the service.
        missing: the template's files that the service lacks.
        notes: additional notes for the user.
    """

    service: str
    answers: dict[str, Any]
    change: Change
    differing: tuple[PurePosixPath, ...]
    missing: tuple[PurePosixPath, ...]
    notes: tuple[str, ...]


def adopt(
    writer: Writer, template: TemplateSource, questionnaire: Questionnaire, folder: Path, *, replace: bool
) -> Adoption:
    """Adopt the service in a folder, atomically.

    Args:
        writer: changes the workspace.
        template: the template to compare the service with.
        questionnaire: the template's questions.
        folder: the service's folder.
        replace: replace its infrastructure by the template's.

    Raises:
        InputError: the folder is not under services/.
        ServiceError: the service cannot be adopted; the message says why.
        NatsgenError: the command failed; the workspace is as before.
    """
    workspace = writer.workspace
    name = _name(workspace, folder)
    with writer.session():
        place = workspace.root / SERVICES / name
        is_adopted = os.path.lexists(place / ANSWERS_FILE)
        if is_adopted and not (replace and handwritten.is_written(place)):
            raise ServiceError(f"{place} is already managed by natsgen: it has a {ANSWERS_FILE}")
        if found := git.uncommitted(workspace.root, ownership.places_of(name)):
            files = ", ".join(map(str, found))
            raise ServiceError(f"{name} has uncommitted changes; commit them first: {files}")
        written = handwritten.read(place)
        known = _infer(workspace, questionnaire, name, written).as_data()
        if is_adopted:
            known = answers_file.answers_of(answers_file.read(place), questionnaire, workspace.root).as_data()
        rendered = render.render(template, known, workspace.root.name)
        ownership.need_answers_file(name, rendered, template.url)
        adoption = _compare(workspace, questionnaire, name, written, known, rendered, replace=replace)
        writer.write(adoption.change, f"adopt {name}")
    return adoption


def _name(workspace: Workspace, folder: Path) -> str:
    services = workspace.root / SERVICES
    if not folder.is_dir() or folder.resolve().parent != services.resolve():
        raise InputError(f"{folder} is not a folder in {services}; move the service there first")
    return messages.located("PATH", naming.service, folder.resolve().name)


def _infer(workspace: Workspace, questionnaire: Questionnaire, name: str, written: Handwritten) -> answers.Answers:
    values: dict[str, Any] = {
        "service_name": name,
        "handlers": {one.handler.name: one.handler.to_answer() for one in written.handlers},
    }
    if written.context:
        values["bounded_context"] = written.context
    known = questionnaire.questions
    folder = workspace.root / SERVICES / name
    composed = [workspace.root / COMPOSE / f"{name}.yml", folder / "docker-compose.yml", folder / "compose.yml"]
    if "network" in known and (network := keeping.network(composed)):
        values["network"] = network
    of_image = {"python_version": written.python, "image": written.image}
    values |= {key: value for key, value in of_image.items() if key in known and value in known[key].choices}
    given = GivenAnswers.of(values, dict.fromkeys(values, f"{SERVICES}/{name}"))
    try:
        given = given.over(workspace_defaults.read(workspace.root, questionnaire).without("framework"))
        return answers.complete(given, questionnaire, workspace.root)
    except NatsgenError as error:
        raise ServiceError(f"{name} cannot be adopted: {error}") from error


def _compare(
    workspace: Workspace,
    questionnaire: Questionnaire,
    name: str,
    written: Handwritten,
    known: dict[str, Any],
    rendered: Tree,
    *,
    replace: bool,
) -> Adoption:
    own = ownership.answers_file(name)
    tests = PurePosixPath(SERVICES, name) / _TESTS
    kept_tests = PurePosixPath(SERVICES, name) / _KEPT_TESTS
    handlers = {PurePosixPath(SERVICES, name) / one.file: one for one in written.handlers}
    templates = ownership.without_owners(name, rendered)
    there = tree.read_files(workspace, {*templates, *handlers, tests, kept_tests, own})
    owned = {
        path: file for path, file in templates.items() if not (questionnaire.is_written_once(path) and path in there)
    }
    folder = PurePosixPath(SERVICES, name)
    wanted: dict[PurePosixPath, File | None] = {own: rendered[own]}
    notes: list[str] = []
    if replace:
        wanted.update(owned)
        project, added = keeping.project(
            workspace.root / folder,
            rendered.get(folder / keeping.PROJECT),
            _pinned(rendered, folder),
        )
        if project:
            wanted[folder / keeping.PROJECT] = project
        if added:
            notes.append(f"pyproject.toml: kept {', '.join(added)}; run natsgen lock {name} to pin them")
        if lost := keeping.events(there, rendered, folder):
            wanted[folder / keeping.KEPT_EVENTS] = there[folder / keeping.EVENTS]
            notes.append(f"{keeping.EVENTS}: moved {', '.join(lost)} to {keeping.KEPT_EVENTS}; import them from there")
        for path, one in handlers.items():
            content = handwritten.decorated(there[path].content, one)
            wanted[path] = File(content, there[path].executable)
        if tests in there and there[tests] != owned.get(tests) and kept_tests not in there:
            wanted[kept_tests] = there[tests]
    return Adoption(
        name,
        known,
        change_between({path: file for path, file in there.items() if path in wanted}, wanted),
        tuple(path for path, file in sorted(owned.items()) if path in there and there[path].content != file.content),
        tuple(path for path in sorted(owned) if path not in there),
        (*notes, *_notes(workspace.root / SERVICES / name, rendered, replace=replace)),
    )


def _notes(service: Path, rendered: Tree, *, replace: bool) -> Iterator[str]:
    """Yield notes about the owner's content in the template's files, which has to move to other files."""
    folder = PurePosixPath(SERVICES, service.name)
    if not replace and (more := sorted(_requirements(service) - _pinned(rendered, folder))):
        yield f"requirements.txt: move {', '.join(more)} to pyproject.toml"
    mine = _settings(service)
    config = rendered.get(folder / declared.CONFIG_FILE)
    theirs = set(_SETTING.findall(config.content.decode() if config else ""))
    if more := sorted(mine - theirs):
        verb = "add the removed" if replace else "move the"
        yield f"{declared.CONFIG_FILE}: {verb} settings {', '.join(more)} to {_OWN_SETTINGS}"


def _pinned(rendered: Tree, folder: PurePosixPath) -> set[str]:
    """Return the packages that the template pins; a team's own template may pin none."""
    file = rendered.get(folder / "requirements.txt")
    return _names(file.content.decode()) if file else set()


def _requirements(service: Path) -> set[str]:
    try:
        return _names(reading.read_text(service / "requirements.txt"))
    except (OSError, ValueError):
        return set()


def _names(text: str) -> set[str]:
    """Return the packages in requirements, except those that the template replaces."""
    return {*requirements.parse(text).packages} - keeping.REPLACED


def _settings(service: Path) -> set[str]:
    try:
        return {setting.name for setting in declared.settings_of(service)}
    except ValueError:
        return set()
