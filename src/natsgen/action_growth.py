"""A service's actions come and go: a file for each and one for its test, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from natsgen import action_discovery, action_naming, growth
from natsgen.action_discovery import ActionFile, FoundAction
from natsgen.actions import Action
from natsgen.change import Change
from natsgen.errors import ConflictError, ServiceError
from natsgen.parts import ACTIONS
from natsgen.questions import Questionnaire
from natsgen.template_source import TemplateSource
from natsgen.workspace import SERVICES, Workspace

RUNTIME = PurePosixPath("src/infrastructure/action.py")
"""What answers for the actions, in a service's folder."""


@dataclass(frozen=True)
class Added:
    """An action that was added, or would be.

    Attributes:
        action: which one.
        change: its files.
        notes: what the person should know beside.
    """

    action: Action
    change: Change
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Removed:
    """An action file that was removed, or would be.

    Attributes:
        name: of the file's action.
        change: the files that go.
        subjects: that nobody answers any more, as far as they can be told from the file.
        notes: what the person should know beside.
    """

    name: str
    change: Change
    subjects: tuple[str, ...]
    notes: tuple[str, ...]


def add_action(
    workspace: Workspace,
    template: TemplateSource,
    questionnaire: Questionnaire,
    service: str,
    action: Action,
    *,
    dry_run: bool,
    notify: Callable[[str], None],
) -> Added:
    """Adds an action and its test to a service, whole or not at all.

    Args:
        workspace: where the service is.
        template: what is rendered.
        questionnaire: the template's questions.
        service: the service's name.
        action: what to add, checked. Where the service has another version of it, its file is named after both.
        dry_run: find out everything and change nothing.
        notify: is told what else happened, such as that an interrupted command was finished.

    Raises:
        InputError: there is no such service.
        ConflictError: a file of that name, or an action of that name and version, exists.
        NatsgenError: it could not be done; the workspace is as before.
    """
    with growth.session(workspace, service, notify) as folder:
        _need_runtime(folder)
        there = action_discovery.action_files(folder)
        action = _with_free_name(workspace, service, action, there)
        change = Change(after=growth.render(workspace, template, questionnaire, service, ACTIONS, action))
        growth.carry_out(workspace, change, f"add-action {service} {action.name}", dry_run=dry_run)
    return Added(action, change, tuple(_notes_on_added(there)))


def remove_action(
    workspace: Workspace,
    template: TemplateSource,
    questionnaire: Questionnaire,
    service: str,
    text: str,
    *,
    force: bool,
    dry_run: bool,
    notify: Callable[[str], None],
) -> Removed:
    """Removes an action file and its test from a service, whole or not at all.

    Args:
        workspace: where the service is.
        template: what made them; they are rendered again to see whether a person changed them.
        questionnaire: the template's questions.
        service: the service's name.
        text: the action's name as a person types it: `greet`, `greet_v2` or the file's name.
        force: remove them although a person changed them.
        dry_run: find out everything and change nothing.
        notify: is told what else happened, such as that an interrupted command was finished.

    Raises:
        InputError: there is no such service or action.
        ConflictError: a person changed one of the files, and `force` is not given.
        NatsgenError: it could not be done; the workspace is as before.
    """
    with growth.session(workspace, service, notify) as folder:
        there = action_discovery.action_files(folder)
        file = growth.file_of(ACTIONS, service, text, there)
        change = growth.removal(workspace, service, file)
        if not force:
            growth.refuse_edited(workspace, template, questionnaire, service, file, change)
        notes = growth.notes_without(folder, file)
        growth.carry_out(workspace, change, f"remove-action {service} {file.name}", dry_run=dry_run)
    return Removed(file.name, change, tuple(action.subject_in(service).text for action in file.actions), notes)


def _need_runtime(folder: Path) -> None:
    if not (folder / RUNTIME).is_file():
        raise ServiceError(
            f"{folder} has no {RUNTIME}: it was made before services answered requests, and cannot have an action"
        )


def _with_free_name(workspace: Workspace, service: str, wanted: Action, there: Sequence[ActionFile]) -> Action:
    """The action, under a name with its version in it where its file holds another version of it.

    Raises:
        ConflictError: it is there already, or something else is where its file has to be.
    """
    folder = workspace.root / SERVICES / service
    for file in there:
        for found in file.actions:
            if found.subject_in(service).literal == wanted.subject_in(service):
                raise ConflictError(
                    f"{folder / file.path} answers {wanted.subject_in(service)} already, in line {found.line}, and is "
                    "left alone: choose another name, or another --version"
                )
    files = {file.name: file for file in there}
    if wanted.name in files and any(_is_of(wanted, found) for found in files[wanted.name].actions):
        wanted = replace(wanted, name=action_naming.with_version(wanted.name, wanted.version))
    if wanted.name in files:
        file = files[wanted.name]
        what = ", ".join(found.subject_in(service).text for found in file.actions) or file.error
        raise ConflictError(
            f"{folder / file.path} exists already ({what}) and is left alone: choose another name for the action"
        )
    return wanted


def _is_of(wanted: Action, found: FoundAction) -> bool:
    return found.action is not None and found.action.literal == wanted.action


def _notes_on_added(there: Sequence[ActionFile]) -> Iterator[str]:
    return (f"{file.path} was not compared with it: {file.error}" for file in there if file.error)
