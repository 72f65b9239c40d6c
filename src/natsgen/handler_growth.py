"""A service's handlers come and go: a file for each and one for its test, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from natsgen import discovery, growth, naming
from natsgen.change import Change
from natsgen.discovery import FoundHandler, HandlerFile
from natsgen.errors import ConflictError
from natsgen.handlers import Handler
from natsgen.parts import HANDLERS
from natsgen.questions import Questionnaire
from natsgen.template_source import TemplateSource
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
    with growth.session(workspace, service, notify) as folder:
        there = discovery.handler_files(folder)
        _refuse_clashes(workspace, service, handler, there)
        change = Change(after=growth.render(workspace, template, questionnaire, service, HANDLERS, handler))
        growth.carry_out(workspace, change, f"add-handler {service} {handler.name}", dry_run=dry_run)
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
    with growth.session(workspace, service, notify) as folder:
        there = discovery.handler_files(folder)
        file = growth.file_of(HANDLERS, service, text, there)
        change = growth.removal(workspace, service, file)
        if not force:
            growth.refuse_edited(workspace, template, questionnaire, service, file, change)
        notes = growth.notes_without(folder, file)
        growth.carry_out(workspace, change, f"remove-handler {service} {file.name}", dry_run=dry_run)
    consumers = tuple((_stream_of(handler), handler.durable_in(service)) for handler in file.handlers)
    return Removed(file.name, change, consumers, notes)


def _refuse_clashes(workspace: Workspace, service: str, wanted: Handler, there: Sequence[HandlerFile]) -> None:
    instead = naming.handler_for(wanted.subject, growth.names_in(there))
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


def _stream_of(handler: FoundHandler) -> str:
    named = handler.options.get("stream")
    if named is not None:
        return named.text
    first = handler.subject.text.split(".")[0] if handler.subject and handler.subject.literal else ""
    return first.upper() or "<stream>"


def _subject_text(handler: FoundHandler) -> str:
    return handler.subject.text if handler.subject is not None else "no subject"
