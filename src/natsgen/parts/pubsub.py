"""One publisher and one subscriber as the answers say them: subject and options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

from natsgen import messages
from natsgen.errors import InputError
from natsgen.parts import pubsub_naming
from natsgen.parts.kinds import PUBLISHERS, SUBSCRIBERS, PartKind


@dataclass(frozen=True)
class Publisher:
    """A publisher.

    Attributes:
        name: `<name>` of `make_<name>` and `<name>_publisher.py`.
        subject: that it publishes on.
        interval: seconds from one message to the next; None for what the setting `PUBLISH_INTERVAL` says.
        core: whether by core NATS; else to a stream.
    """

    kind: ClassVar[PartKind] = PUBLISHERS

    name: str
    subject: str
    interval: float | None = None
    core: bool = False

    OPTIONS: ClassVar[tuple[str, ...]] = ("subject", "interval", "core")

    @classmethod
    def from_answer(cls, name: str, answer: Any) -> Publisher:
        """The publisher that one entry of the answer `publishers` describes.

        Raises:
            InputError: the name, the subject or an option breaks its rule.
        """
        options = _options(cls.kind, name, answer, cls.OPTIONS)
        if not isinstance(options.get("core", False), bool):
            raise InputError(f"the publisher {messages.quote(name)}: core takes true or false")
        return cls(
            name=pubsub_naming.publisher(name),
            subject=pubsub_naming.published(options["subject"]),
            interval=pubsub_naming.interval(options["interval"]) if "interval" in options else None,
            core=options.get("core", False),
        )

    def answer(self) -> str | dict[str, Any]:
        """The publisher as an entry of the answer `publishers`: its subject alone where there is no more to say."""
        return _answer(self.subject, interval=self.interval, core=self.core or None)

    def __str__(self) -> str:
        every = "" if self.interval is None else f" every {self.interval:g} s"
        return f"publishes on {self.subject}{every}, {'to whoever listens' if self.core else 'to its stream'}"


@dataclass(frozen=True)
class Subscriber:
    """A subscriber of core NATS.

    Attributes:
        name: `<name>` of `hear_<name>` and `<name>_subscriber.py`.
        subject: that it listens to.
        queue_group: of which one hears each message, "" for none; None for what the setting `QUEUE_GROUP` says.
    """

    kind: ClassVar[PartKind] = SUBSCRIBERS

    name: str
    subject: str
    queue_group: str | None = None

    OPTIONS: ClassVar[tuple[str, ...]] = ("subject", "queue_group")

    @classmethod
    def from_answer(cls, name: str, answer: Any) -> Subscriber:
        """The subscriber that one entry of the answer `subscribers` describes.

        Raises:
            InputError: the name, the subject or the group breaks its rule.
        """
        options = _options(cls.kind, name, answer, cls.OPTIONS)
        return cls(
            name=pubsub_naming.subscriber(name),
            subject=pubsub_naming.heard(options["subject"]),
            queue_group=pubsub_naming.group(options["queue_group"]) if "queue_group" in options else None,
        )

    def answer(self) -> str | dict[str, Any]:
        """The subscriber as an entry of the answer `subscribers`: its subject alone where there is no more to say."""
        return _answer(self.subject, queue_group=self.queue_group)

    def __str__(self) -> str:
        group = f" in the queue group {self.queue_group}" if self.queue_group else ""
        return f"hears {self.subject}{group}, while it listens"

    def group_in(self, service_group: str) -> str:
        """The group that it is in, in a service whose own is `service_group`."""
        return service_group if self.queue_group is None else self.queue_group


PubSub = Publisher | Subscriber
READERS: Mapping[str, Callable[[str, Any], PubSub]] = {
    PUBLISHERS.question: Publisher.from_answer,
    SUBSCRIBERS.question: Subscriber.from_answer,
}
"""What reads an entry of an answer, by question."""


def refuse_shared(subscribers: Sequence[Subscriber], service_group: str) -> None:
    """Refuses two subscribers of one group that a message could be for: the server would give it to one of them.

    Raises:
        InputError: there are two such.
    """
    for one, other in combinations(subscribers, 2):
        group = one.group_in(service_group)
        if group and group == other.group_in(service_group) and pubsub_naming.overlap(one.subject, other.subject):
            raise InputError(
                f"the subscribers {messages.quote(one.name)} and {messages.quote(other.name)} are both in the queue "
                f"group {group}, and what is on both {one.subject} and {other.subject} would reach one of them only: "
                "give one another queue group"
            )


def _options(kind: PartKind, name: str, answer: Any, known: tuple[str, ...]) -> Mapping[str, Any]:
    """The options in an answer's entry, which has a subject and nothing that there is not."""
    options = answer if isinstance(answer, Mapping) else {"subject": answer}
    for key in options:
        if key not in known:
            raise InputError(
                f"the {kind.noun} {messages.quote(name)} has no option {messages.quote(str(key))}"
                f"{messages.did_you_mean(str(key), known)} (there are {', '.join(known)})"
            )
    if not isinstance(options.get("subject"), str):
        raise InputError(f"the {kind.noun} {messages.quote(name)} needs a subject, as text")
    return options


def _answer(subject: str, **options: Any) -> str | dict[str, Any]:
    given = {key: value for key, value in options.items() if value is not None}
    return {"subject": subject, **given} if given else subject
