"""What is published for a sample's subscribers and by its publishers, seen by a client that knows no runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from natsgen.smoke.payloads import Sent
from natsgen.smoke.traffic import ANSWER_SECONDS, MESSAGE_ID, with_client


def publish(url: str, events: Sequence[Sent]) -> None:
    """Publishes events to whoever listens, with core NATS."""

    async def do(client: Client) -> None:
        for event in events:
            await client.publish(event.subject, event.payload, headers={**event.headers, MESSAGE_ID: event.id})
        await client.flush(int(ANSWER_SECONDS))

    with_client(url, do)


def heard_on(url: str, subject: str, count: int, *, limit: float) -> list[bytes]:
    """The next messages on a subject: `count` of them, or as many as come within `limit` seconds."""

    async def do(client: Client) -> list[bytes]:
        found: list[bytes] = []
        enough = asyncio.Event()

        async def hear(message: Msg) -> None:
            found.append(message.data)
            if len(found) >= count:
                enough.set()

        await client.subscribe(subject, cb=hear)
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await enough.wait()
        return found[:count]

    return with_client(url, do)


def kept_on(url: str, subject: str) -> list[bytes]:
    """What the stream of a subject holds of it, in order; nothing where there is no such stream."""

    async def do(client: Client) -> list[bytes]:
        jetstream = client.jetstream(timeout=ANSWER_SECONDS)
        try:
            stream = await jetstream.find_stream_name_by_subject(subject)
        except nats.js.errors.NotFoundError:
            return []
        state = (await jetstream.stream_info(stream)).state
        if not state.messages:
            return []
        found = [await jetstream.get_msg(stream, number) for number in range(state.first_seq, state.last_seq + 1)]
        return [message.data or b"" for message in found if message.subject == subject]

    return with_client(url, do)
