"""A JetStream message as a handler sees it, the ways to settle it, and publishing what follows from it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from nats.aio.msg import Msg

from src.infrastructure.handling.context import Binding
from src.infrastructure.handling.origin import Origin
from src.infrastructure.handling.publication import (
    Payload,
    Publication,
    Publications,
    PublishChannel,
    id_from,
    id_of,
    passed_on,
    publication_of,
    wire,
)

# Payloads of the acknowledgement protocol,
# https://docs.nats.io/reference/reference-protocols/nats_api_reference#acknowledging-messages
ACK = b"+ACK"
NAK = b"-NAK"
TERM = b"+TERM"
IN_PROGRESS = b"+WPI"

# Dots of the subject that a delivery is answered on, and the count's place among its tokens without and with a domain,
# https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-15.md#jsack
DOTS = 8
DELIVERIES, DELIVERIES_WITH_DOMAIN = 4, 6


class Channel(PublishChannel, Protocol):
    """What a message is answered over, and what its handler publishes over: the worker's connection."""

    @property
    def service(self) -> str:
        """Name of the service."""

    def answer(self, reply: str, payload: bytes) -> None:
        """Sends an acknowledgement. nats-py's own `term()` takes no reason, and its `nak()` refuses a second answer."""

    async def answer_confirmed(self, reply: str, payload: bytes) -> None:
        """Sends an acknowledgement and returns when the server has confirmed that it has it."""


class Message:
    """One delivery of one message.

    `ack`, `ack_sync`, `nak`, `term` settle it; what a handler settles is left alone by the worker. A second settlement
    is ignored, since only the first counts on the server.

    What comes back as a replay or after a long delay is another message of another stream, so there are four names.
    `id` is the publisher's, for logs and dead letters. `stored_as` is where this delivery comes from. `identity` is its
    own alone: attempts are counted by it. `inbox_key` is the same whenever the event comes: the inbox goes by it.

    Attributes:
        handler: name of the handler that it is for.
        data: the payload as it was published.
        origin: where it was first, when it comes back as a replay or after a long delay; else None.
        attempt: which attempt of the handler this is, 1 for the first.
        started: whether the handler was called with it.
        settled: whether it has been settled.
        given_back: whether that was by `nak`, so that it will come again.
    """

    __slots__ = (
        "_channel",
        "_derived",
        "_published",
        "_raw",
        "attempt",
        "data",
        "given_back",
        "handler",
        "origin",
        "settled",
        "started",
    )

    def __init__(self, raw: Msg, handler: str, channel: Channel, origin: Origin | None = None) -> None:
        self._raw = raw
        self._channel = channel
        self._published: Publications | None = None
        self._derived: Counter[str] | None = None
        self.data = raw.data
        self.handler = handler
        self.origin = origin
        self.attempt = 1
        self.started = False
        self.settled = False
        self.given_back = False

    @property
    def subject(self) -> str:
        """The subject that the message was published on."""
        return self._raw.subject if self.origin is None else self.origin.subject

    @property
    def headers(self) -> dict[str, str]:
        """The headers as they were published; empty when there are none."""
        return self._raw.headers or {}

    @property
    def deliveries(self) -> int:
        """How many times the server has delivered it, also where no handler came to it."""
        reply = self._raw.reply  # nats-py's `metadata` would parse all of it
        place = DELIVERIES if reply.count(".") == DOTS else DELIVERIES_WITH_DOMAIN
        return int(reply.split(".", place + 1)[place])

    @property
    def stream(self) -> str:
        """Name of the stream that the message was published to."""
        return self._raw.metadata.stream if self.origin is None else self.origin.stream

    @property
    def sequence(self) -> int:
        """The message's sequence in that stream."""
        return self._raw.metadata.sequence.stream if self.origin is None else self.origin.sequence

    @property
    def stored_as(self) -> tuple[str, int]:
        """The stream and the sequence that this delivery comes from: in `DLQ` when the message has an origin."""
        return self._raw.metadata.stream, self._raw.metadata.sequence.stream

    @property
    def stored_at(self) -> datetime:
        """When the stream that this delivery comes from stored it, in UTC."""
        return self._raw.metadata.timestamp

    @property
    def first_stored_at(self) -> str:
        """When the stream that the message was published to stored it, in epoch seconds; empty if unknown."""
        return str(self.stored_at.timestamp()) if self.origin is None else self.origin.stored_at

    @property
    def id(self) -> str:
        """The publisher's `Nats-Msg-Id`, else the `Task-Id`, else `<stream>:<sequence>`."""
        if self.origin is not None:
            return self.origin.id
        headers = self.headers  # of a task that was delayed, the server has dropped the first
        return headers.get("Nats-Msg-Id") or headers.get("Task-Id") or f"{self.stream}:{self.sequence}"

    @property
    def identity(self) -> str:
        """What nothing else that this handler is given has, not even in a stream made anew under the same name."""
        stream, sequence = self.stored_as
        return f"{self.handler}.{stream}.{sequence}.{self.stored_at.timestamp()}"

    @property
    def inbox_key(self) -> str:
        """What the inbox knows it by: each handler of a service handles the message once.

        A stream made anew counts from 1 again: without a publisher's id, the time tells its messages from the old ones.
        """
        if self.id == f"{self.stream}:{self.sequence}":
            return f"{self.handler}:{self.id}:{self.first_stored_at}"
        return f"{self.handler}:{self.id}"

    @property
    def correlation_id(self) -> str:
        """The `Correlation-Id` header, else the message's own id: it starts the chain."""
        return self.headers.get("Correlation-Id") or self.id

    def publish(
        self, subject: str, data: Payload, *, headers: Mapping[str, str] | None = None, message_id: str | None = None
    ) -> Publication:
        """Publishes what follows from this message; awaiting it waits for the stream's confirmation.

        It is on its way when this returns, so that several can be published before the first is awaited. The message
        is acknowledged only after all have been confirmed, and is tried again where one failed that nobody awaited.

        A handler that is tried again publishes nothing twice within the stream's duplicate window: `Nats-Msg-Id` is the
        event's id (see `Event.new`), and for anything else made from this message, the subject and the content.
        Content that differs from attempt to attempt, such as the time, needs a `message_id`.

        Args:
            subject: a subject that a stream listens to.
            data: an envelope, another model or a mapping, sent as JSON, or the payload itself.
            headers: beside correlation, causation and trace, which are passed on.
            message_id: the `Nats-Msg-Id`.

        Raises:
            TooLarge: when awaited: it does not fit into one message.
            nats.errors.Error: when awaited: no stream confirmed in time, or one refused.
        """
        payload, own = wire(data)
        identity = message_id or id_of(data, subject) or self.derived_id(subject, payload)
        sent = {
            "Nats-Msg-Id": identity,
            **passed_on(self.headers, self.correlation_id, self.id),
            **own,
            **(headers or {}),
        }
        publication = publication_of(self._channel, subject, payload, sent)
        if self._published is None:
            self._published = Publications()
        self._published.add(publication)
        return publication

    @property
    def has_published(self) -> bool:
        """Whether anything was published in this attempt."""
        return self._published is not None

    async def all_published(self) -> None:
        """Returns when everything that was published has been confirmed.

        Raises:
            nats.errors.Error: something was not, and its failure was nobody else's to deal with.
        """
        if self._published:
            await self._published.confirmed()

    def derived_id(self, *content: str | bytes) -> str:
        """An id for what follows from this message: the same in every attempt, another for each equal content."""
        made = id_from(self._channel.service, self.inbox_key, *content)
        if self._derived is None:
            self._derived = Counter()
        self._derived[made] += 1
        return made if self._derived[made] == 1 else id_from(made, str(self._derived[made]))

    def bound(self) -> Binding:
        """Binds the message to what is logged, published and made meanwhile; the worker does so for single messages.

        A handler of `list[...]` does so itself, with each of its messages in turn: `with message.bound(): ...`.
        """
        return Binding(self)

    async def ack(self) -> None:
        """Handled: the server will not deliver it to this durable again."""
        self._settle(ACK)

    async def ack_sync(self) -> None:
        """Handled, and the server has confirmed that it knows: a connection that dies afterwards costs no redelivery.

        Raises:
            nats.errors.Error: the server did not confirm; it may deliver the message again.
        """
        if not self.settled:
            await self._channel.answer_confirmed(self._raw.reply, ACK)
            self.settled = True

    async def nak(self, delay: float | None = None) -> None:
        """Not handled: delivered again after `delay` seconds, at once without one."""
        if not self.settled:
            self._settle(NAK if not delay else NAK + b" " + json.dumps({"delay": int(delay * 1e9)}).encode())
            self.given_back = True

    async def term(self, reason: str = "") -> None:
        """Never to be delivered again; the reason is shown in the server's advisory."""
        self._settle(TERM + b" " + reason.encode() if reason else TERM)

    async def in_progress(self) -> None:
        """Starts the server's `ack_wait` anew; may be called as often as needed."""
        if not self.settled:
            self._channel.answer(self._raw.reply, IN_PROGRESS)

    def _settle(self, payload: bytes) -> None:
        if not self.settled:
            self._channel.answer(self._raw.reply, payload)
            self.settled = True
