"""Handlers: coroutines for the events of one subject, each with a durable JetStream consumer."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from natsgen.parts import naming, subjects
from natsgen.parts.kind import FoundPart, Leftover, Option, PartKind
from natsgen.parts.rules import CONCURRENCY, Flag, Name, Text, pattern
from natsgen.parts.source import Function

DURABLE_MAX_LENGTH = 128


@dataclass(frozen=True)
class Handler(subjects.SubjectPart):
    """A handler.

    Attributes:
        subject: the subject that it subscribes to.
        durable: its JetStream consumer; None for `<service>-<name>`.
        concurrency: how many events it handles at once; None for the worker's default.
        batch: whether it receives a list of events.
    """

    durable: str | None = None
    concurrency: int | None = None
    batch: bool = False

    def durable_in(self, service: str) -> str:
        """Return the name of its JetStream consumer."""
        return self.durable or f"{service}-{self.name}"

    def facts(self, service: str) -> dict[str, object]:
        """Return its subject and its consumer."""
        return {"subject": self.subject, "durable": self.durable_in(service)}

    def story(self, service: str) -> str:
        """Return what it handles."""
        return f"handles {self.subject} with the durable {self.durable_in(service)}"


@dataclass(frozen=True)
class FoundHandler(FoundPart):
    """A function with a subscription.

    Attributes:
        batch: whether it receives a list of events.
    """

    batch: bool = False

    @classmethod
    def more_of(cls, function: Function) -> dict[str, bool]:
        """Return whether its first parameter is a list."""
        return {"batch": _takes_list(function.args)}

    def answer(self) -> dict[str, object] | None:
        """Return the answer that a command would have created it from."""
        answer = super().answer()
        return None if answer is None else {**answer, "batch": self.batch}

    def durable_in(self, service: str) -> str:
        """Return the name of its JetStream consumer, or its expression."""
        given = self.given("durable")
        return given.text if given else f"{service}-{self.name}"

    def remark(self, service: str) -> str:
        """Return the name of its consumer."""
        return self.durable_in(service)

    def facts(self, service: str) -> dict[str, object]:
        """Return its fields in JSON documents."""
        return {**super().facts(service), "durable": self.durable_in(service), "batch": self.batch}

    def on_server(self, service: str) -> tuple[Leftover, ...]:
        """Return its consumer, with the stream as the worker names it."""
        named = self.given("stream")
        stream = named.text if named else stream_for(self.first.literal if self.first else None)
        return (Leftover("consumers", stream or "<stream>", self.durable_in(service)),)


HANDLERS = PartKind(
    noun="handler",
    name=Name("handler", naming.RESERVED_HANDLERS),
    part=Handler,
    argument=("SUBJECT", "Subject of the events; * and a last > are wildcards."),
    proposal=subjects.LAST_TOKENS,
    options=(
        Option("subject", Text("subject", naming.subject_problem, subjects.with_wildcards(naming.TOKEN.pattern))),
        Option(
            "durable",
            pattern("durable", "[A-Za-z0-9_-]+", DURABLE_MAX_LENGTH, "letters, digits, _ and -"),
            help="Name of its JetStream consumer [default: SERVICE-NAME]",
        ),
        Option("concurrency", CONCURRENCY, help="Maximum number of concurrent events [default: 1]"),
        Option("batch", Flag("batch"), help="Pass a list of events to the handler."),
    ),
    found=FoundHandler,
    decorator="subscriber",
    prefix="handle_",
    may_be_short=True,
    does=("handles", "subject"),
    leaves=("consumers",),
    shared="each receives every event, with its own durable",
)


def stream_for(subject: object) -> str | None:
    """Return the name of the stream that a worker creates for a subject; None if it creates none."""
    first = subject.split(".")[0] if isinstance(subject, str) else "*"
    return None if first in ("*", ">") else first.upper()


def from_subjects(texts: Sequence[str]) -> tuple[Handler, ...]:
    """Return a handler for each subject on a command line; see `subjects.from_subjects`."""
    return subjects.from_subjects(Handler, texts, "a worker handles a subject once")


def _takes_list(arguments: ast.arguments) -> bool:
    parameters = [*arguments.posonlyargs, *arguments.args]
    annotation = parameters[0].annotation if parameters else None
    name = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return isinstance(name, ast.Name) and name.id in ("list", "List")
