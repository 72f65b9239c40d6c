"""A service's publishers and subscribers come and go: a file for each and for its test, and nothing else changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from natsgen import messages, naming
from natsgen.errors import ConflictError
from natsgen.parts.kinds import PUBLISHERS, SUBSCRIBERS
from natsgen.parts.pubsub import Publisher, PubSub, Subscriber, refuse_shared
from natsgen.parts.pubsub_discovery import PublisherFile, PubSubFile, SubscriberFile, publisher_files, subscriber_files
from natsgen.parts.source import Value
from natsgen.services import edit
from natsgen.services.edit import Added, Removed, ServiceTarget

_PubSub = TypeVar("_PubSub", bound=PubSub)


def add_publisher(site: ServiceTarget, publisher: Publisher) -> Added[Publisher]:
    """Adds a publisher and its test to a service, whole or not at all.

    Raises:
        InputError: there is no such service.
        ConflictError: a file or a publisher of that name exists.
        NatsgenError: it could not be done; the workspace is as before.
    """
    return edit.add(site, PUBLISHERS, lambda folder: _fit(site, publisher, publisher_files(folder)))


def add_subscriber(site: ServiceTarget, subscriber: Subscriber) -> Added[Subscriber]:
    """Adds a subscriber and its test to a service, as `add_publisher` does.

    Raises:
        InputError: also where it would share messages with another one of its queue group.
    """

    def fit(folder: Path) -> tuple[Subscriber, Iterable[str]]:
        there = subscriber_files(folder)
        fitting = _fit(site, subscriber, there)
        for found in _subscribers_in(there):
            refuse_shared([found, subscriber], site.answers().queue_group)
        return fitting

    return edit.add(site, SUBSCRIBERS, fit)


def remove_publisher(site: ServiceTarget, text: str, *, force: bool) -> Removed[PublisherFile]:
    """Removes a publisher file and its test from a service, as `growth.remove` does."""
    return edit.remove(site, PUBLISHERS, publisher_files, text, force=force)


def remove_subscriber(site: ServiceTarget, text: str, *, force: bool) -> Removed[SubscriberFile]:
    """Removes a subscriber file and its test from a service, as `growth.remove` does."""
    return edit.remove(site, SUBSCRIBERS, subscriber_files, text, force=force)


def _fit(site: ServiceTarget, wanted: _PubSub, there: Sequence[PubSubFile]) -> tuple[_PubSub, Iterable[str]]:
    """The part as it fits what is there, and notes about it.

    Raises:
        ConflictError: one of that name is there.
    """
    noun = wanted.kind.noun
    instead = naming.handler_for(wanted.subject, edit.names_in(there))
    for file in there:
        where = f"{site.folder / file.path}"
        if file.name == wanted.name:
            what = ", ".join(part.subject.text for part in file.parts if part.subject) or file.error or "no subject"
            raise ConflictError(
                f"{where} exists already ({what}) and is left alone: choose another name, such as --name {instead}"
            )
        for part in file.parts:
            if part.name == wanted.name:
                raise ConflictError(
                    f"{where} has a {noun} {messages.quote(wanted.name)} already, in line {part.line}: choose another "
                    f"name, such as --name {instead}"
                )
    return wanted, _notes(wanted, there)


def _subscribers_in(there: Sequence[SubscriberFile]) -> Iterator[Subscriber]:
    """The subscribers in files, as far as the source says plainly what they listen to and in which group."""
    for file in there:
        for part in file.parts:
            queue = part.options.get("queue", Value("None", None))
            if part.subject and part.subject.is_text and (queue.is_text or queue.source == "None"):
                yield Subscriber(part.name, part.subject.text, queue.text if queue.is_text else None)


def _notes(wanted: PubSub, there: Sequence[PubSubFile]) -> Iterator[str]:
    yield from edit.not_compared(there)
    for file in there:
        for part in file.parts:
            if part.subject is not None and part.subject.literal == wanted.subject:
                yield f"{part.name} ({file.path}) has the subject {wanted.subject} too"
