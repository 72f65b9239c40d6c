"""Subscribers: coroutines for the messages of core NATS on one subject."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from natsgen import messages
from natsgen.errors import InputError
from natsgen.parts import naming, subjects
from natsgen.parts.kind import FoundPart, Option, PartFile, PartKind
from natsgen.parts.rules import Name, Text, pattern

GROUP = pattern("queue group", "[A-Za-z0-9_-]*", 128, "letters, digits, _ and -")


@dataclass(frozen=True)
class Subscriber(subjects.SubjectPart):
    """A subscriber of core NATS.

    Attributes:
        subject: the subject that it subscribes to.
        queue_group: its queue group, in which one member receives each message; "" for none; None for the setting
            `QUEUE_GROUP`.
    """

    queue_group: str | None = None

    def group_in(self, service_group: str) -> str:
        """Return its queue group; `service_group` is the service's."""
        return service_group if self.queue_group is None else self.queue_group

    def facts(self, service: str) -> dict[str, object]:
        """Return its options."""
        return {"subject": self.subject, "queue_group": self.queue_group}

    def story(self, service: str) -> str:
        """Return what it subscribes to."""
        group = f" in the queue group {self.queue_group}" if self.queue_group else ""
        return f"subscribes to {self.subject}{group}"

    def beside(self, there: Sequence[PartFile], service: str, queue_group: str) -> Subscriber:
        """Return it, unless it would compete for messages with another one of its queue group."""
        for found in _subscribers_in(there):
            refuse_shared([found, self], queue_group)
        return self


@dataclass(frozen=True)
class FoundSubscriber(FoundPart):
    """A function that subscribes."""

    def remark(self, service: str) -> str:
        """Return its group."""
        queue = self.given("queue")
        return f"subscriber in the group {queue.text}" if queue and queue.text else "subscriber"


def _problem(subject: str) -> str:
    if subject.split(".")[0] == ">":
        return "'>' matches everything, including the server's messages; start with a literal token"
    return naming.subject_problem(subject, of_a_stream=False)


SUBSCRIBERS = PartKind(
    noun="subscriber",
    name=Name("subscriber", naming.RESERVED_HANDLERS),
    part=Subscriber,
    argument=("SUBJECT", "Subject that it subscribes to; * and a last > are wildcards."),
    proposal=subjects.LAST_TOKENS,
    options=(
        Option(
            "subject",
            Text("subject for a subscriber", _problem, subjects.with_wildcards(rf"({naming.TOKEN.pattern}|\*)")),
        ),
        Option(
            "queue_group",
            GROUP,
            keyword="queue",
            help="Queue group; one member receives each message [default: QUEUE_GROUP]",
        ),
    ),
    found=FoundSubscriber,
    decorator="listens",
    prefix="hear_",
    may_be_short=True,
    does=("subscribes to", "subject"),
)


def from_subjects(texts: Sequence[str]) -> tuple[Subscriber, ...]:
    """Return a subscriber for each subject on a command line; see `subjects.from_subjects`."""
    return subjects.from_subjects(Subscriber, texts, "a service needs one subscriber for it")


def refuse_shared(subscribers: Sequence[Subscriber], service_group: str) -> None:
    """Refuse two subscribers of one queue group with overlapping subjects: only one would receive a shared message.

    Raises:
        InputError: there are two such subscribers.
    """
    for one, other in combinations(subscribers, 2):
        group = one.group_in(service_group)
        if group and group == other.group_in(service_group) and naming.overlap(one.subject, other.subject):
            raise InputError(
                f"the subscribers {messages.quote(one.name)} and {messages.quote(other.name)} are both in the queue "
                f"group {group}, so a message that matches both {one.subject} and {other.subject} would reach only one "
                "of them: give one another queue group"
            )


def _subscribers_in(there: Sequence[PartFile]) -> Iterator[Subscriber]:
    """Yield the subscribers in files whose subject and queue group are literals."""
    for file in there:
        for part in file.parts:
            queue = part.given("queue")
            if part.first and part.first.is_text and (queue is None or queue.is_text):
                yield Subscriber(part.name, part.first.text, queue.text if queue else None)
