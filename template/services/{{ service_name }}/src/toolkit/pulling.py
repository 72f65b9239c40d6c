"""Pull requests to a consumer, until the server says that each has ended.

nats-py's `fetch` stops listening when its time is over; what the server sends at that moment is lost until `ack_wait`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import nats.errors
from nats.aio.msg import Msg
from nats.js.errors import APIError, NotFoundError

from src.infrastructure.nats_client import NatsClient
from src.infrastructure.nats_internals import subscribe

NANOSECONDS = 1_000_000_000  # of a second
ANSWER_LIMIT = 2.0  # seconds that the server has to end a request after the request's own time

Request = Callable[[dict[str, Any]], Awaitable[None]]


@asynccontextmanager
async def pulling(
    connection: NatsClient, stream: str, consumer: str
) -> AsyncIterator[tuple[Request, asyncio.Queue[Msg]]]:
    """Yield a function that sends a pull request, and the queue of what the server sends for it.

    Frames with a reply subject are messages, the others are statuses; see `ends_request`.
    """
    client = connection.client
    inbox, frames = client.new_inbox(), asyncio.Queue[Msg]()
    subscription = await subscribe(client, inbox, frames.put_nowait)

    async def request(options: dict[str, Any]) -> None:
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        await client.publish(subject, json.dumps(options).encode(), reply=inbox)

    try:
        yield request, frames
    finally:
        with suppress(nats.errors.Error):  # the client is closed, and the subscription with it
            await subscription.unsubscribe()


def ends_request(status: Msg) -> bool:
    """Return whether a status ends its request; a heartbeat does not.

    Raises:
        nats.js.errors.APIError: the consumer does not exist, or messages cannot be pulled from it.
    """
    headers = status.headers or {}
    code, description = headers.get("Status", ""), headers.get("Description", "")
    if code == "100":
        return False
    if code in ("404", "408") or (code == "409" and "Nats-Pending-Messages" in headers):
        return True
    if code == "503":  # nobody listens to the request
        raise NotFoundError(404, "there is no such consumer, or no such stream")
    raise APIError(int(code or 0), description)


async def fetch(connection: NatsClient, stream: str, consumer: str, batch: int, wait: float = 0) -> list[Msg]:
    """Return what the server sends for one pull request.

    Args:
        connection: the connection.
        stream: the consumer's stream.
        consumer: the consumer's name.
        batch: the maximum number of messages.
        wait: seconds to wait for all of them; 0 returns what is there.

    Raises:
        nats.js.errors.APIError: the consumer does not exist, or messages cannot be pulled from it.
        TimeoutError: the server does not answer.
    """
    found: list[Msg] = []
    async with pulling(connection, stream, consumer) as (request, frames):
        await request({"batch": batch} | ({"expires": int(wait * NANOSECONDS)} if wait else {"no_wait": True}))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait + ANSWER_LIMIT):
                while len(found) < batch:
                    frame = await frames.get()
                    if frame.reply:
                        found.append(frame)
                    elif ends_request(frame):
                        return found
    if not found:
        raise TimeoutError("the server does not answer a pull request")
    return found
