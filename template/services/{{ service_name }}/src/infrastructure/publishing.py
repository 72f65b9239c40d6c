"""Publishes to streams: `await publish("billing.invoice.written", event)` works anywhere in the service."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Generator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from hashlib import sha256
from typing import Any
from uuid import UUID

import nats.errors
from nats.errors import ConnectionClosedError
from nats.js.api import PubAck
from nats.js.errors import NoStreamResponseError, ServiceUnavailableError
from pydantic import BaseModel
from pydantic_core import to_json

from src.domain.events import Envelope, Incoming, Wire, current
from src.infrastructure.errors import NoStream, NotConnected
from src.infrastructure.nats_client import NatsClient

# https://www.w3.org/TR/trace-context/ and the tenant, so that both survive services that do not use them
PASSED_ON = ("traceparent", "tracestate", "Tenant-Id")

RETRY_FOR = 10.0  # seconds that a publish is repeated while the stream does not answer; an election takes about five
RETRY_PAUSE = 0.25  # seconds between two attempts
TRANSIENT = (NotConnected, ConnectionClosedError, TimeoutError, NoStreamResponseError, ServiceUnavailableError)

declared: set[str] = set()  # subjects that the service declares; the worker ensures that streams store them

Payload = BaseModel | Mapping[str, Any] | bytes


def wire(data: Payload) -> Wire:
    """Return the payload for `data`, and the headers that belong to it. A model is sent as JSON by its aliases."""
    if isinstance(data, Envelope):
        return data.wire()
    return Wire(data if isinstance(data, bytes) else to_json(data, by_alias=True), {})


def id_of(data: Payload, subject: str) -> str | None:
    """Return an envelope's id, combined with the subject if that is not the envelope's own; None for other data.

    A stream drops the second of two messages with one id, even if their subjects differ.
    """
    if not isinstance(data, Envelope):
        return None
    return data.identity() if data.about() == subject else id_from(data.identity(), subject)


def id_from(*parts: str | bytes) -> str:
    """Return an id in the form of a UUID; the same parts always give the same id."""
    joined = b"\0".join(part.encode() if isinstance(part, str) else part for part in parts)
    return str(UUID(bytes=sha256(joined).digest()[:16]))


def following(incoming: Incoming | None = None) -> dict[str, str]:
    """Return the headers of something that follows from an event or a request; by default from what is being handled.

    There are none if nothing is.
    """
    incoming = incoming or current.get() or Incoming()
    chain = {"Correlation-Id": incoming.correlation_id, "Causation-Id": incoming.causation_id}
    passed_on = {name: incoming.headers.get(name, "") for name in PASSED_ON}
    return {name: value for name, value in {**chain, **passed_on}.items() if value}


class Publication(Awaitable[PubAck]):
    """A message on its way to a stream. Await it for the stream's confirmation.

    Attributes:
        failure_seen: whether somebody awaited it and got its error.
    """

    def __init__(self, task: asyncio.Task[PubAck]) -> None:
        self._task = task
        self.failure_seen = False

    def __await__(self) -> Generator[Any, None, PubAck]:
        # Shielded: a time limit around the await ends the wait, not the publication.
        try:
            return (yield from asyncio.shield(self._task))
        except Exception:
            self.failure_seen = True
            raise


class Publications(Incoming):
    """A message or request being handled, with what it published and whether that was confirmed.

    Attributes:
        unconfirmed: publications that have no confirmation yet; None if there was none in this attempt.
    """

    __slots__ = ("_derived", "_nats", "unconfirmed")

    def __init__(self, nats: NatsClient) -> None:
        self._nats = nats
        self.unconfirmed: set[Publication] | None = None
        self._derived: Counter[str] | None = None

    @property
    def dedup_key(self) -> str:
        """Return the text that ids derive from: the same whenever the message is delivered to this handler."""
        return self.causation_id

    def publish(
        self, subject: str, data: Payload, *, headers: Mapping[str, str] | None = None, message_id: str | None = None
    ) -> Publication:
        """Publish an event that follows from this message. Await the result for the stream's confirmation.

        The event is on its way when this returns, so you can publish several before you await the first. The message
        is acked only after all are confirmed. It is retried if one failed and the handler did not catch that.

        A retried handler publishes nothing twice within the stream's duplicate window: `Nats-Msg-Id` is the event's id
        (see `Event.new`), or derives from this message, the subject and the content. Content that differs between
        attempts, such as the time, needs a `message_id`.

        Args:
            subject: a subject that a stream listens to.
            data: an envelope, another model or a mapping, sent as JSON, or the payload itself.
            headers: in addition to correlation, causation and trace, which are passed on.
            message_id: the `Nats-Msg-Id`.

        Raises:
            TooLarge: when awaited: the message does not fit.
            nats.errors.Error: when awaited: no stream confirmed in time, or one refused.
        """
        payload, own = wire(data)
        identity = message_id or id_of(data, subject) or self.derived_id(subject, payload)
        sent = {"Nats-Msg-Id": identity, "Correlation-Id": identity, **following(self), **own, **(headers or {})}
        task = asyncio.ensure_future(_publish_until_confirmed(self._nats, subject, payload, sent))
        publication = Publication(task)
        unconfirmed = self.unconfirmed = self.unconfirmed or set()
        unconfirmed.add(publication)

        def ended(task: asyncio.Task[PubAck]) -> None:
            if not task.cancelled() and task.exception() is None:  # asks for the error, since nobody may await it
                unconfirmed.discard(publication)

        task.add_done_callback(ended)
        return publication

    async def all_published(self) -> None:
        """Return when everything published has been confirmed.

        Raises:
            nats.errors.Error: a publication failed, and nobody who awaited it caught the error.
        """
        while waiting := [one for one in self.unconfirmed or () if not one.failure_seen]:
            await asyncio.gather(*waiting)

    def derived_id(self, *content: str | bytes) -> str:
        """Return an id for something that follows from this message: the same in every attempt.

        Equal content gets another id each time that it is asked for.
        """
        derived = id_from(self._nats.service, self.dedup_key, *content)
        self._derived = self._derived or Counter()
        self._derived[derived] += 1
        return derived if self._derived[derived] == 1 else id_from(derived, str(self._derived[derived]))


class Elsewhere(Publications):
    """Code that publishes outside of a handler: every publication gets another id."""

    __slots__ = ()

    derived_id = Incoming.derived_id


_channel: NatsClient | None = None

# Set for code that runs over another connection than the worker's; see the extra `sync`.
own_channel: ContextVar[NatsClient | None] = ContextVar("own_channel", default=None)


def publish_over(nats: NatsClient | None) -> None:
    """Set the connection that `publish` uses. The worker does this at start, and removes it at stop."""
    global _channel
    _channel = nats


def channel(what: str) -> NatsClient:
    """Return the connection that `publish` uses.

    Args:
        what: what needs it, for the error's message.

    Raises:
        RuntimeError: no worker runs in this process.
    """
    if nats := own_channel.get() or _channel:
        return nats
    raise RuntimeError(f"{what}: no worker runs in this process that has a connection")


def publish(
    subject: str, data: Payload, *, headers: Mapping[str, str] | None = None, message_id: str | None = None
) -> Publication:
    """Publish to a stream. Inside a handler this is `Message.publish`; elsewhere it starts a new chain of events.

    Args:
        subject: a subject that a stream listens to.
        data: an envelope, another model or a mapping, sent as JSON, or the payload itself.
        headers: further headers, such as `Correlation-Id`.
        message_id: the `Nats-Msg-Id`; by default an envelope's id, and a random one for other data.

    Raises:
        RuntimeError: no worker runs in this process.
        nats.errors.Error: when awaited: no stream confirmed in time, or one refused.
    """
    incoming = current.get()
    if isinstance(incoming, Publications) and own_channel.get() is None:
        return incoming.publish(subject, data, headers=headers, message_id=message_id)
    headers = {**following(), **(headers or {})}  # of a request that is being answered
    return Elsewhere(channel(subject)).publish(subject, data, headers=headers, message_id=message_id)


async def _publish_until_confirmed(client: NatsClient, subject: str, data: bytes, headers: dict[str, str]) -> PubAck:
    """Repeat a publish while the stream may be electing a leader. The message's id lets the stream keep it once."""
    deadline = time.monotonic() + RETRY_FOR
    while True:
        try:
            return await client.publish(subject, data, headers)
        except TRANSIENT as error:
            # the worker saw the stream of a declared subject at start, so that one is away only for a moment
            if isinstance(error, NoStreamResponseError) and subject not in declared:
                await _check_stream(client, subject)
            if time.monotonic() + RETRY_PAUSE > deadline:
                raise
        await asyncio.sleep(RETRY_PAUSE)


async def _check_stream(client: NatsClient, subject: str) -> None:
    with suppress(nats.errors.Error, TimeoutError):  # JetStream does not answer: the stream may be there
        found = await client.ask("STREAM.NAMES", {"subject": subject})
        if not found["streams"]:
            raise NoStream(
                f"no stream stores {subject}: declare it, such as in `@subscriber(..., publishes=[{subject!r}])`, and "
                f"STREAM_MODE=create creates one; or create a stream that stores it"
            )
