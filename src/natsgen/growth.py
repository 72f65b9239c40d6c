"""A service's handlers come and go: a file for each and one for its test, and nothing else is touched."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from natsgen import discovery, inventory, naming, rendering, stored, transaction
from natsgen.change import Change
from natsgen.discovery import FoundHandler, HandlerFile
from natsgen.errors import ConflictError, InputError
from natsgen.handlers import HANDLER_FOLDER, TEST_FOLDER, Handler, handler_file, handler_test
from natsgen.questions import Questionnaire
from natsgen.template_source import TemplateSource
from natsgen.tree import File, Tree
from natsgen.workspace import SERVICES, Workspace


@dataclass(frozen=True)
class Added:
    """A handler that was added, or would be.

    Attributes:
        handler: which one.
        change: its files.
        notes: what the person should know beside.
    """

    handler: Handler
    change: Change
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Removed:
    """A handler file that was removed, or would be.

    Attributes:
        name: of the file's handler.
        change: the files that go.
        consumers: the stream (as the worker names it) and the durable of each handler in it: they stay on the server.
        notes: what the person should know beside.
    """

    name: str
    change: Change
    consumers: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def add_handler(
    workspace: Workspace,
    template: TemplateSource,
    questionnaire: Questionnaire,
    service: str,
    handler: Handler,
    *,
    dry_run: bool,
    notify: Callable[[str], None],
) -> Added:
    """Adds a handler and its test to a service, whole or not at all.

    Args:
        workspace: where the service is.
        template: what is rendered.
        questionnaire: the template's questions.
        service: the service's name.
        handler: what to add, checked.
        dry_run: find out everything and change nothing.
        notify: is told what else happened, such as that an interrupted command was finished.

    Raises:
        InputError: there is no such service.
        ConflictError: a file, handler or durable of that name exists.
        NatsgenError: it could not be done; the workspace is as before.
    """
    inventory.need_service(workspace, service)  # before the session, which would make a missing workspace
    with transaction.session(workspace, notify):
        there = discovery.handler_files(inventory.need_service(workspace, service))
        _refuse_clashes(workspace, service, handler, there)
        change = Change(after=_render(workspace, template, questionnaire, service, handler))
        transaction.check(workspace, change)
        if not dry_run:
            transaction.apply(workspace, change, f"add-handler {service} {handler.name}")
    return Added(handler, change, tuple(_notes_on_added(handler, there)))


def remove_handler(
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
    """Removes a handler file and its test from a service, whole or not at all.

    Args:
        workspace: where the service is.
        template: what made them; they are rendered again to see whether a person changed them.
        questionnaire: the template's questions.
        service: the service's name.
        text: the handler's name as a person types it: `order_created`, `order-created` or the file's name.
        force: remove them although a person changed them.
        dry_run: find out everything and change nothing.
        notify: is told what else happened, such as that an interrupted command was finished.

    Raises:
        InputError: there is no such service or handler.
        ConflictError: a person changed one of the files, and `force` is not given.
        NatsgenError: it could not be done; the workspace is as before.
    """
    inventory.need_service(workspace, service)  # before the session, which would make a missing workspace
    with transaction.session(workspace, notify):
        there = discovery.handler_files(inventory.need_service(workspace, service))
        file = _file_of(service, text, there)
        change = _removal(workspace, service, file)
        if not force:
            _refuse_edited(workspace, template, questionnaire, service, file, change)
        transaction.check(workspace, change)
        if not dry_run:
            transaction.apply(workspace, change, f"remove-handler {service} {file.name}")
    consumers = tuple((_stream_of(handler), handler.durable_in(service)) for handler in file.handlers)
    return Removed(file.name, change, consumers, tuple(_notes_on_removed(service, file, there)))


def _render(
    workspace: Workspace, template: TemplateSource, questionnaire: Questionnaire, service: str, handler: Handler
) -> Tree:
    memory = stored.read(workspace.root / SERVICES / service)
    known = stored.answers_of(memory, questionnaire, workspace.root)
    only = replace(known, handlers={handler.name: handler.answer()})
    return rendering.render_handler(template, only.as_data(), _paths(service, handler.name))


def _paths(service: str, name: str) -> tuple[PurePosixPath, PurePosixPath]:
    folder = PurePosixPath(SERVICES, service)
    return folder / handler_file(name), folder / handler_test(name)


def _refuse_clashes(workspace: Workspace, service: str, wanted: Handler, there: Sequence[HandlerFile]) -> None:
    instead = naming.handler_for(wanted.subject, _names_in(there))
    for file in there:
        where = f"{workspace.root / SERVICES / service / file.path}"
        if file.name == wanted.name:
            what = ", ".join(_subject_text(handler) for handler in file.handlers) or file.error
            raise ConflictError(
                f"{where} exists already ({what}) and is left alone: choose another name, such as --name {instead}"
            )
        for handler in file.handlers:
            if handler.name == wanted.name:
                raise ConflictError(
                    f"{where} has a handler {naming.shown(wanted.name)} already, in line {handler.line}, for "
                    f"{_subject_text(handler)}: choose another name, such as --name {instead}"
                )
            if handler.durable_in(service) == wanted.durable_in(service):
                raise ConflictError(
                    f"{where} uses the durable {naming.shown(wanted.durable_in(service))} already, for "
                    f"{_subject_text(handler)}: two handlers cannot share a consumer; choose another --durable"
                )


def _notes_on_added(wanted: Handler, there: Sequence[HandlerFile]) -> Iterator[str]:
    for file in there:
        if file.error:
            yield f"{file.path} was not compared with it: {file.error}"
        for handler in file.handlers:
            if handler.subject is not None and handler.subject.literal == wanted.subject:
                yield (
                    f"{handler.name} ({file.path}) handles {wanted.subject} too: each of the two gets every event, "
                    "with a durable of its own"
                )


def _file_of(service: str, text: str, there: Sequence[HandlerFile]) -> HandlerFile:
    plain = PurePosixPath(text.strip()).name.removesuffix(".py").replace("-", "_")
    stem = plain.removesuffix("_handler")
    for wanted in dict.fromkeys((plain, stem, stem.removeprefix("test_"), stem.removeprefix("handle_"))):
        for file in there:
            if wanted == file.name:
                return file
        for file in there:
            if any(wanted == handler.name for handler in file.handlers):
                return file
    names = sorted(_names_in(there))
    known = f"there are {naming.listed(names)}" if names else "it has none"
    raise InputError(f"{service} has no handler {naming.shown(text)}{naming.nearest(stem, names)} ({known})")


def _removal(workspace: Workspace, service: str, file: HandlerFile) -> Change:
    handler, test = _paths(service, file.name)
    before = {handler: _read(workspace, handler)}
    if os.path.lexists(workspace.path(test)):
        before[test] = _read(workspace, test)
    made = (one for folder in (HANDLER_FOLDER, TEST_FOLDER) for one in (folder, *folder.parents[:-1]))
    return Change(before=before, passing=frozenset(PurePosixPath(SERVICES, service) / folder for folder in made))


def _read(workspace: Workspace, path: PurePosixPath) -> File:
    target = workspace.path(path)
    if target.is_symlink() or not target.is_file():
        raise ConflictError(f"{target} is no regular file and is left alone: nothing was changed")
    return File(target.read_bytes(), os.access(target, os.X_OK))


def _refuse_edited(
    workspace: Workspace,
    template: TemplateSource,
    questionnaire: Questionnaire,
    service: str,
    file: HandlerFile,
    change: Change,
) -> None:
    made: Tree = {}
    with suppress(InputError):  # what no command makes was not made by one
        made = _render(workspace, template, questionnaire, service, discovery.as_made(file))
    edited = [path for path, file in change.before.items() if path not in made or made[path].content != file.content]
    if edited:
        names = " and ".join(str(workspace.root / path) for path in edited)
        raise ConflictError(
            f"{names}: edited since natsgen made it{_older(workspace, service, template)}, so nothing was changed; "
            "--force removes handler and test with what was written there"
        )


def _older(workspace: Workspace, service: str, template: TemplateSource) -> str:
    commit = stored.read(workspace.root / SERVICES / service).commit
    if commit == template.commit:
        return ""
    return f", or made by another natsgen (this one makes {template.commit}, the service is of {commit or 'none'})"


def _stream_of(handler: FoundHandler) -> str:
    named = handler.options.get("stream")
    if named is not None:
        return named.text
    first = handler.subject.text.split(".")[0] if handler.subject and handler.subject.literal else ""
    return first.upper() or "<stream>"


def _notes_on_removed(service: str, file: HandlerFile, there: Sequence[HandlerFile]) -> Iterator[str]:
    if not any(other.handlers for other in there if other is not file):
        yield f"{service} has no handler now, and does not start without one"


def _names_in(there: Sequence[HandlerFile]) -> set[str]:
    return {file.name for file in there} | {handler.name for file in there for handler in file.handlers}


def _subject_text(handler: FoundHandler) -> str:
    return handler.subject.text if handler.subject is not None else "no subject"
