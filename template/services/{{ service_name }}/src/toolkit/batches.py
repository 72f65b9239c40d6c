"""Publishing many messages in one call: `results = await publish_many([("orders.order.created", event), ...])`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

import nats.errors
from nats.js.api import PubAck

from src.infrastructure.errors import NoStream, NotConnected, TooLarge
from src.infrastructure.publishing import Payload, Publication, publish, wire

MAX_MESSAGES = 512  # unconfirmed at a time
MAX_BYTES = 8 * 1024 * 1024  # unconfirmed at a time
EXPECTED = (nats.errors.Error, NoStream, NotConnected, TooLarge, TimeoutError, OSError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish.

    Attributes:
        subject: a subject that a stream captures.
        data: an envelope, another model or a mapping, which are sent as JSON; or the payload itself.
        headers: further headers.
        message_id: the `Nats-Msg-Id`; see `publish` of `src.infrastructure.publishing`.
    """

    subject: str
    data: Payload
    headers: Mapping[str, str] = field(default_factory=dict)
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The result for one message.

    Attributes:
        subject: its subject.
        ack: the stream's confirmation; None if there is none.
        error: the error if there is no confirmation.
    """

    subject: str
    ack: PubAck | None
    error: Exception | None

    @property
    def ok(self) -> bool:
        """Return whether the stream has it."""
        return self.error is None


async def publish_many(
    messages: Iterable[Outgoing | tuple[str, Payload]], *, publish: Callable[..., Publication] = publish
) -> list[Sent]:
    """Publish messages to streams without waiting for each, and return a result for each, in their order.

    A failure does not stop the others and is not raised. In a handler, each message counts as published by `publish`:
    the handler's message is acked only after all confirmations. Messages of one subject reach the stream in their
    order, unless one must be sent again.

    Args:
        messages: read one by one, when there is room for them; a tuple is subject and data.
        publish: publishes one message.

    Raises:
        RuntimeError: no worker runs in this process.
    """
    results: list[Sent] = []
    sending: list[tuple[str, Awaitable[PubAck]]] = []
    size = 0
    for message in messages:
        outgoing = message if isinstance(message, Outgoing) else Outgoing(*message)
        try:
            weight = len(wire(outgoing.data).payload)
        except (TypeError, ValueError) as error:
            sending.append((outgoing.subject, _failed(error)))
            continue
        if len(sending) == MAX_MESSAGES or (size and size + weight > MAX_BYTES):
            results += await asyncio.gather(*(_result(*one) for one in sending))
            sending, size = [], 0
        publication = publish(outgoing.subject, outgoing.data, headers=outgoing.headers, message_id=outgoing.message_id)
        sending.append((outgoing.subject, publication))
        size += weight
    return results + await asyncio.gather(*(_result(*one) for one in sending))


async def _result(subject: str, publication: Awaitable[PubAck]) -> Sent:
    try:
        return Sent(subject, await publication, None)
    except EXPECTED as error:
        return Sent(subject, None, error)


async def _failed(error: Exception) -> PubAck:
    raise error
