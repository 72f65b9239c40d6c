"""What the source of a service says about its publishers and subscribers, read without importing it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, TypeVar

from natsgen.errors import InputError
from natsgen.parts import source
from natsgen.parts.kinds import PUBLISHERS, SUBSCRIBERS, PartKind
from natsgen.parts.pubsub import Publisher, PubSub, Subscriber
from natsgen.parts.source import Function, Value

_File = TypeVar("_File", bound="PubSubFile")


@dataclass(frozen=True)
class FoundPubSub:
    """A function that publishes or listens.

    Attributes:
        name: as the service derives it: `make_events_test` is `events_test`.
        line: where it begins.
        subject: what it publishes on or listens to; None where the decorator names nothing.
        options: the decorator's other arguments, by name.
    """

    name: str
    line: int
    subject: Value | None
    options: dict[str, Value]


@dataclass(frozen=True)
class PubSubFile:
    """A `*_publisher.py` or `*_subscriber.py`.

    Attributes:
        path: in the service's folder.
        parts: those in it, in their order.
        error: why it cannot be read; "" if it can.
    """

    kind: ClassVar[PartKind]

    path: PurePosixPath
    parts: tuple[FoundPubSub, ...]
    error: str = ""

    @property
    def name(self) -> str:
        """The name of the part that a file of this name is made for."""
        return self.path.name.removesuffix(self.kind.suffix)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parts in it."""
        return tuple(part.name for part in self.parts)

    def as_made(self) -> PubSub:
        """The part that a command would have made the file for, if it has made it.

        Raises:
            InputError: no command makes such a file.
        """
        found = self.parts[0] if len(self.parts) == 1 else None
        if found is None or found.name != self.name or found.subject is None:
            raise InputError(f"{self.path} holds something else than one {self.kind.noun} {self.name}")
        options = {key: value.literal for key, value in found.options.items()}
        return self._part(found.name, found.subject.literal, options)

    def _part(self, name: str, subject: object, options: Mapping[str, object]) -> PubSub:
        raise NotImplementedError


class PublisherFile(PubSubFile):
    """A `*_publisher.py`."""

    kind: ClassVar[PartKind] = PUBLISHERS

    def _part(self, name: str, subject: object, options: Mapping[str, object]) -> PubSub:
        given = {"interval" if key == "every" else key: value for key, value in options.items()}
        return Publisher.from_answer(name, {"subject": subject, **given})


class SubscriberFile(PubSubFile):
    """A `*_subscriber.py`."""

    kind: ClassVar[PartKind] = SUBSCRIBERS

    def _part(self, name: str, subject: object, options: Mapping[str, object]) -> PubSub:
        given = {"queue_group" if key == "queue" else key: value for key, value in options.items()}
        return Subscriber.from_answer(name, {"subject": subject, **given})


def publisher_files(service: Path) -> tuple[PublisherFile, ...]:
    """The publisher files in a service's folder, sorted; one that cannot be read says why and hides no other."""
    return tuple(_file(PublisherFile, service, path, "publishes") for path in source.paths(service, PUBLISHERS))


def subscriber_files(service: Path) -> tuple[SubscriberFile, ...]:
    """The subscriber files in a service's folder, sorted; one that cannot be read says why and hides no other."""
    return tuple(_file(SubscriberFile, service, path, "listens") for path in source.paths(service, SUBSCRIBERS))


def _file(made: type[_File], service: Path, path: PurePosixPath, decorator: str) -> _File:
    def found(module: ast.Module) -> tuple[FoundPubSub, ...]:
        return tuple(_found(made.kind, function, call) for function, call in source.decorated(module, decorator))

    try:
        parts = source.read(service / path, found)
    except ValueError as error:
        return made(path, (), str(error))
    return made(path, parts, "" if parts else f"there is no @{decorator} in it")


def _found(kind: PartKind, function: Function, decorator: ast.Call) -> FoundPubSub:
    subject, options = source.arguments(decorator, "subject")
    name = function.name.removeprefix(kind.prefix)
    return FoundPubSub(name=name, line=function.lineno, subject=subject, options=options)
