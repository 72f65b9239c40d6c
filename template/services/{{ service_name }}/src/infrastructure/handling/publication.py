"""What is published: its payload, its headers, its id, and the wait for its confirmation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

import nats.errors
import nats.js.errors
import orjson
from nats.js.api import PubAck
from pydantic import BaseModel

from src.domain.envelope import Sendable, Wire
from src.infrastructure.handling.context import current_message, current_request

PASSED_ON = ("traceparent", "tracestate", "Tenant-Id")  # https://www.w3.org/TR/trace-context/, src.toolkit.tenancy

PATIENCE = 10.0  # seconds for which a stream that does not answer is asked again; an election takes about five
PAUSE = 0.25  # seconds in between
PASSING = (nats.errors.TimeoutError, nats.js.errors.NoStreamResponseError, nats.js.errors.ServiceUnavailableError)

HEADER_FRAME = 64  # bytes around the headers, and some to spare

Payload = BaseModel | Sendable | Mapping[str, Any] | bytes


def wire(data: Payload) -> Wire:
    """What is sent for `data`: the payload, and the headers that belong to it."""
    return data.wire() if isinstance(data, Sendable) else Wire(encode(data), {})


def encode(data: Payload) -> bytes:
    """The payload for `data`: JSON for a model (by its aliases) or mapping, bytes as they are."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, Sendable):
        return data.wire().payload
    if isinstance(data, BaseModel):
        return data.model_dump_json(by_alias=True).encode()
    return orjson.dumps(data)


def size_of(data: bytes, headers: Mapping[str, str]) -> int:
    """The bytes of payload and headers, which together must fit into the server's `max_payload`."""
    if not headers:
        return len(data)
    return len(data) + HEADER_FRAME + sum(len(f"{name}: {value}\r\n".encode()) for name, value in headers.items())


def id_of(data: Payload, subject: str) -> str | None:
    """The id of an envelope, or one made from it where it is published on a subject that it is not about.

    A stream drops the second of two messages with one id, also on another subject. None for anything that is no
    envelope: its `id` means something else.
    """
    if not isinstance(data, Sendable):
        return None
    return data.identity() if data.about() == subject else id_from(data.identity(), subject)


def id_from(*parts: str | bytes) -> str:
    """An id in a UUID's form that the same parts always give."""
    joined = b"\0".join(part.encode() if isinstance(part, str) else part for part in parts)
    return str(UUID(bytes=sha256(joined).digest()[:16]))


def passed_on(headers: Mapping[str, str], correlation_id: str, causation_id: str = "") -> dict[str, str]:
    """The headers of what follows from a message with these; a request has no id that could be the cause."""
    follows = {name: headers[name] for name in PASSED_ON if name in headers}
    if causation_id:
        follows["Causation-Id"] = causation_id
    return {"Correlation-Id": correlation_id, **follows}


def following() -> dict[str, str]:
    """The headers of what follows from the message or the request that is being handled; none where there is none."""
    if (message := current_message.get()) is not None:
        return passed_on(message.headers, message.correlation_id, message.id)
    if (request := current_request.get()) is not None:
        return passed_on(request.headers, request.correlation_id)
    return {}


class PublishChannel(Protocol):
    """What messages are published over: the worker's connection."""

    async def publish(self, subject: str, data: bytes, headers: dict[str, str]) -> PubAck:
        """Publishes to a stream and returns its confirmation."""


class Publication(Awaitable[PubAck]):
    """A message on its way to a stream. Awaiting it gives the stream's confirmation, or raises why there is none."""

    __slots__ = ("_awaited", "_task")

    def __init__(self, task: asyncio.Task[PubAck]) -> None:
        self._task = task
        self._awaited = False
        task.add_done_callback(_looked_at)

    def __await__(self) -> Generator[Any, None, PubAck]:
        self._awaited = True
        return self._task.__await__()

    @property
    def seen_through(self) -> bool:
        """Whether somebody awaited it to its end, and so knows what came of it."""
        return self._awaited and self._task.done()

    def when_confirmed(self, then: Callable[[Publication], None]) -> None:
        """Calls `then` when the stream has confirmed it, and never if it does not."""

        def done(task: asyncio.Task[PubAck]) -> None:
            if not task.cancelled() and task.exception() is None:
                then(self)

        self._task.add_done_callback(done)


class Publications:
    """What was published in one attempt and is not known to be confirmed."""

    def __init__(self) -> None:
        self._open: set[Publication] = set()

    def add(self, publication: Publication) -> None:
        """Adds one; it goes when it is confirmed."""
        self._open.add(publication)
        publication.when_confirmed(self._open.discard)

    async def confirmed(self) -> None:
        """Returns when all have been confirmed, those as well that were added meanwhile.

        Raises:
            nats.errors.Error: one was not, and its failure was nobody else's to deal with.
        """
        while waiting := [publication for publication in self._open if not publication.seen_through]:
            await asyncio.gather(*waiting)


def publication_of(channel: PublishChannel, subject: str, data: bytes, headers: dict[str, str]) -> Publication:
    """Sends a message, whose `Nats-Msg-Id` is among its headers, on its way."""
    return Publication(asyncio.ensure_future(_confirmed(channel, subject, data, headers)))


async def _confirmed(channel: PublishChannel, subject: str, data: bytes, headers: dict[str, str]) -> PubAck:
    """Publishes until the stream confirms: it may be finding a leader. Its id lets the stream keep it once."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return await channel.publish(subject, data, headers)
        except PASSING:
            if time.monotonic() + PAUSE > deadline:
                raise
        await asyncio.sleep(PAUSE)


def _looked_at(task: asyncio.Task[PubAck]) -> None:
    """Keeps asyncio from complaining of a failure that nobody awaited, since the message's attempt has failed."""
    if not task.cancelled():
        task.exception()
