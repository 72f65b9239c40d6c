"""Many messages in one call: `results = await publish_many([("orders.order.created", event), ...])`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import nats.errors
from nats.js.api import PubAck

from src.infrastructure.errors import TooLarge
from src.infrastructure.handling.publication import Payload, Publication, encode
from src.infrastructure.publisher import publish
from src.toolkit.errors import Unavailable

Publish = Callable[..., Publication]

MOST_MESSAGES = 512  # on their way at once
MOST_BYTES = 8 * 1024 * 1024  # on their way at once


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to be published.

    Attributes:
        subject: a subject that a stream listens to.
        data: an event, another model or a mapping, sent as JSON, or the payload itself.
        headers: further headers.
        message_id: the `Nats-Msg-Id`; see `publish` of `src.infrastructure.publisher`.
    """

    subject: str
    data: Payload
    headers: Mapping[str, str] = field(default_factory=dict)
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one message.

    Attributes:
        subject: it was published on.
        ack: the stream's confirmation; None where there is none.
        error: why there is none.
    """

    subject: str
    ack: PubAck | None
    error: Exception | None

    @property
    def ok(self) -> bool:
        """Whether the stream has it."""
        return self.error is None


async def publish_many(messages: Iterable[Outgoing | tuple[str, Payload]], *, publish: Publish = publish) -> list[Sent]:
    """Publishes messages to streams without waiting for each, and returns what came of each, in their order.

    One that fails does not stop the others; nothing is raised for it. In a handler it is as if each had been published
    with `publish`: the handler's message is acknowledged only after their confirmations, and ids, correlation and trace
    are the same. Messages of one subject reach the stream in their order, unless one has to be sent again.

    Args:
        messages: taken one by one, as there is room for them; a tuple is subject and data.
        publish: publishes one; the service's own.

    Raises:
        RuntimeError: no worker runs in this process.
    """
    results: list[Sent] = []
    under_way: set[asyncio.Task[None]] = set()
    size = 0  # bytes under way
    progress = asyncio.Event()

    async def confirmed(place: int, publication: Publication, weight: int) -> None:
        nonlocal size
        subject = results[place].subject
        try:
            results[place] = Sent(subject, await publication, None)
        except (nats.errors.Error, TooLarge, TimeoutError, OSError) as error:
            results[place] = Sent(subject, None, error)
        finally:
            size -= weight

    def ended(task: asyncio.Task[None]) -> None:
        under_way.discard(task)
        progress.set()

    async def until_below(most: int, room: int) -> None:
        """Returns when fewer than `most` messages are under way, and `room` bytes more may be."""
        while under_way and (len(under_way) >= most or size + room > MOST_BYTES):
            progress.clear()
            await progress.wait()

    for message in messages:
        outgoing = message if isinstance(message, Outgoing) else Outgoing(*message)
        subject, data = outgoing.subject, outgoing.data
        try:
            weight = len(encode(data))
        except (TypeError, ValueError) as error:
            results.append(Sent(subject, None, error))
            continue
        await until_below(MOST_MESSAGES, weight)
        publication = publish(subject, data, headers=outgoing.headers, message_id=outgoing.message_id)
        results.append(Sent(subject, None, Unavailable(f"{subject}: not known to be confirmed")))
        size += weight
        task = asyncio.create_task(confirmed(len(results) - 1, publication, weight))
        task.add_done_callback(ended)
        under_way.add(task)
    await until_below(1, 0)
    return results
