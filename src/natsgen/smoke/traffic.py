"""What a sample is sent over NATS, by a client that knows nothing of its runtime."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js.api import RawStreamMsg

from natsgen.smoke.outcome import CheckFailed
from natsgen.smoke.payloads import Sent

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 10.0
SHORTEST_WINDOW = 0.1
"""Seconds: the least for which a stream can know the ids of what was published to it."""
MESSAGE_ID = "Nats-Msg-Id"

Answer = TypeVar("Answer")


def publish(url: str, events: Sequence[Sent]) -> None:
    """Publishes events, each confirmed by its stream.

    Raises:
        CheckFailed: no stream takes one of them.
    """

    async def do(client: Client) -> None:
        stream = client.jetstream(timeout=ANSWER_SECONDS)
        for event in events:
            try:
                await stream.publish(event.subject, event.payload, headers={**event.headers, MESSAGE_ID: event.id})
            except nats.js.errors.NoStreamResponseError as error:
                raise CheckFailed(f"no stream takes {event.subject}: the service has made none for it") from error

    with_client(url, do)


def unsettled(url: str, subject: str, durable: str) -> str:
    """What a consumer has not got or not settled, in words; "" if it is done with everything."""

    async def do(client: Client) -> str:
        stream = client.jetstream(timeout=ANSWER_SECONDS)
        try:
            name = await stream.find_stream_name_by_subject(subject)
            consumer = await stream.consumer_info(name, durable)
        except nats.js.errors.NotFoundError:
            return f"there is no consumer {durable} for {subject}"
        if consumer.num_pending or consumer.num_ack_pending:
            return (
                f"the consumer {durable} has {consumer.num_ack_pending} events that were not acknowledged and "
                f"{consumer.num_pending} that were not fetched"
            )
        return ""

    return with_client(url, do)


def forget_ids(url: str, subject: str) -> None:
    """Has the stream of a subject forget soon what it has, so that the same event can be published again."""

    async def do(client: Client) -> None:
        stream = client.jetstream(timeout=ANSWER_SECONDS)
        name = await stream.find_stream_name_by_subject(subject)
        config = (await stream.stream_info(name)).config
        await stream.update_stream(replace(config, duplicate_window=SHORTEST_WINDOW))
        await asyncio.sleep(2 * SHORTEST_WINDOW)  # there is nothing to see of it

    with_client(url, do)


def dead_letter(url: str, service: str, handler: str) -> RawStreamMsg | None:
    """The latest dead letter of a handler; None without any."""

    async def do(client: Client) -> RawStreamMsg | None:
        try:
            return await client.jetstream(timeout=ANSWER_SECONDS).get_last_msg("DLQ", f"dlq.{service}.{handler}")
        except nats.js.errors.NotFoundError:
            return None

    return with_client(url, do)


def ask(url: str, subject: str, content: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request.

    Raises:
        CheckFailed: nobody answers, or not with a JSON object.
    """

    async def do(client: Client) -> dict[str, Any]:
        payload = json.dumps(content).encode() if content else b""
        try:
            answer = (await client.request(subject, payload, timeout=ANSWER_SECONDS)).data
        except nats.errors.NoRespondersError as error:
            raise CheckFailed(f"nobody answers on {subject}") from error
        except nats.errors.TimeoutError as error:
            raise CheckFailed(f"no answer on {subject} within {ANSWER_SECONDS:g} s") from error
        try:
            return dict(json.loads(answer))
        except (ValueError, TypeError) as error:
            raise CheckFailed(f"the answer on {subject} is no JSON object: {answer[:200]!r}") from error

    return with_client(url, do)


def with_client(url: str, do: Callable[[Client], Awaitable[Answer]]) -> Answer:
    """What is done with a connection of its own."""

    async def connected() -> Answer:
        async with _client(url) as client:
            return await do(client)

    return asyncio.run(connected())


@asynccontextmanager
async def _client(url: str) -> AsyncIterator[Client]:
    client = await nats.connect(url, connect_timeout=CONNECT_SECONDS, allow_reconnect=False, name="natsgen smoke")
    try:
        yield client
    finally:
        await client.close()
