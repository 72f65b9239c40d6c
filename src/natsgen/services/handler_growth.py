"""A service's handlers come and go: a file for each and one for its test, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from natsgen import messages, naming
from natsgen.errors import ConflictError
from natsgen.parts import discovery, task_discovery
from natsgen.parts.discovery import FoundHandler, HandlerFile
from natsgen.parts.handlers import Handler
from natsgen.parts.kinds import HANDLERS
from natsgen.services import edit
from natsgen.services.edit import Added, Removed, ServiceTarget


def add_handler(site: ServiceTarget, handler: Handler) -> Added[Handler]:
    """Adds a handler and its test to a service, whole or not at all.

    Raises:
        InputError: there is no such service.
        ConflictError: a file, handler or durable of that name exists.
        NatsgenError: it could not be done; the workspace is as before.
    """

    def fit(folder: Path) -> tuple[Handler, Iterable[str]]:
        there = discovery.handler_files(folder)
        _refuse_clashes(site, handler, there)
        _refuse_task(site, handler)
        return handler, _notes_on_added(handler, there)

    return edit.add(site, HANDLERS, fit)


def remove_handler(site: ServiceTarget, text: str, *, force: bool) -> Removed[HandlerFile]:
    """Removes a handler file and its test from a service, as `growth.remove` does."""
    return edit.remove(site, HANDLERS, discovery.handler_files, text, force=force)


def consumers_of(file: HandlerFile, service: str) -> tuple[tuple[str, str], ...]:
    """The stream (as the worker names it) and the durable of each handler in a file: they stay on the server."""
    return tuple((_stream_of(handler), handler.durable_in(service)) for handler in file.handlers)


def _refuse_clashes(site: ServiceTarget, wanted: Handler, there: Sequence[HandlerFile]) -> None:
    instead = naming.handler_for(wanted.subject, edit.names_in(there))
    durable = wanted.durable_in(site.service)
    for file in there:
        where = f"{site.folder / file.path}"
        if file.name == wanted.name:
            what = ", ".join(_subject_text(handler) for handler in file.handlers) or file.error
            raise ConflictError(
                f"{where} exists already ({what}) and is left alone: choose another name, such as --name {instead}"
            )
        for handler in file.handlers:
            if handler.name == wanted.name:
                raise ConflictError(
                    f"{where} has a handler {messages.quote(wanted.name)} already, in line {handler.line}, for "
                    f"{_subject_text(handler)}: choose another name, such as --name {instead}"
                )
            if handler.durable_in(site.service) == durable:
                raise ConflictError(
                    f"{where} uses the durable {messages.quote(durable)} already, for {_subject_text(handler)}: two "
                    "handlers cannot share a consumer; choose another --durable"
                )


def _refuse_task(site: ServiceTarget, wanted: Handler) -> None:
    for file in task_discovery.task_files(site.folder):
        for task in file.tasks:
            if task.task is not None and task.task.literal == wanted.name:
                raise ConflictError(
                    f"{site.folder / file.path} has a task {messages.quote(wanted.name)}, in line {task.line}: a "
                    "handler of that name would share its consumer and its dead letters; choose another --name"
                )


def _notes_on_added(wanted: Handler, there: Sequence[HandlerFile]) -> Iterator[str]:
    yield from edit.not_compared(there)
    for file in there:
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
