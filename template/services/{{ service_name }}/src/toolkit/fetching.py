"""One pull request of one consumer, to its end."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

import nats.errors
from nats.aio.msg import Msg
from nats.js.errors import APIError, NotFoundError

from src.infrastructure.connection.nats_internals import subscribe
from src.infrastructure.nats_client import NatsClient

NANOSECONDS = 1_000_000_000
MARGIN = 2.0  # seconds beyond the request's own time that the server has to say that it has ended


async def fetched(connection: NatsClient, stream: str, consumer: str, batch: int, wait: float = 0) -> list[Msg]:
    """What the server answers to a request for messages.

    nats-py's `fetch` stops listening when its time is over, and what the server sends at that moment is lost until
    `ack_wait`; here the server says when the request has ended.

    Args:
        connection: to go over.
        stream: of the consumer.
        consumer: to pull from.
        batch: the most messages.
        wait: seconds for all of them to come; without it only what is there.

    Raises:
        nats.js.errors.APIError: the consumer is not there, or cannot be pulled from.
        TimeoutError: the server does not answer.
    """
    client = connection.client
    frames: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = client.new_inbox()
    request: dict[str, Any] = {"batch": batch}
    request |= {"expires": int(wait * NANOSECONDS)} if wait else {"no_wait": True}
    subscription = await subscribe(client, inbox, frames.put_nowait)
    found: list[Msg] = []
    try:
        asked = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        await client.publish(asked, json.dumps(request).encode(), reply=inbox)
        deadline = time.monotonic() + wait + MARGIN
        while len(found) < batch:
            async with asyncio.timeout(deadline - time.monotonic()):
                frame = await frames.get()
            if frame.subject != inbox:
                found.append(frame)
            elif _ended(frame):
                break
    except TimeoutError:
        if not found:
            raise
    finally:
        with suppress(nats.errors.Error):  # the client is closed, and the subscription with it
            await subscription.unsubscribe()
    return found


def _ended(status: Msg) -> bool:
    """Whether there is nothing wrong with the end of a request.

    Raises:
        nats.js.errors.APIError: there is.
    """
    headers = status.headers or {}
    code, description = headers.get("Status", ""), headers.get("Description", "")
    if code in ("404", "408") or (code == "409" and "Nats-Pending-Messages" in headers):
        return True
    if code == "503":  # nobody listens to the request
        raise NotFoundError(404, "there is no such consumer, or no such stream")
    raise APIError(int(code or 0), description)
