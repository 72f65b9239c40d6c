"""What a sample is sent over NATS, and what it sends, by a client that knows nothing of its runtime."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg

from natsgen.parts.tasks import Task
from natsgen.smoke.steps import CheckFailed


def literal(pattern: str, *, token: str = "smoke") -> str:
    """Return a subject that the pattern matches, with `token` for each wildcard."""
    return ".".join(token if part in ("*", ">") else part for part in pattern.split("."))


DOMAIN, MESSAGE, CLOUD_EVENTS = "domain", "message", "cloudevents"
"""The envelopes that the template's question has."""
SOURCE = "natsgen-smoke"

UNREADABLE = b"\xffno event"
"""No handler can do anything with it, and so it has to end as a dead letter."""


@dataclass(frozen=True)
class Sent:
    """An event that was published, or will be.

    Attributes:
        subject: on which.
        id: the event's own, which is the message's as well.
        payload: its bytes.
        headers: of the message, its id's aside.
    """

    subject: str
    id: str
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def event(subject: str, number: int, envelope: str = DOMAIN) -> Sent:
    """Return an event as another service would publish it, in an envelope that the template's question names."""
    id = f"smoke-{number}"
    now = datetime.now(UTC).isoformat()
    data = {"number": number}
    if envelope == MESSAGE:
        content = {"message_id": id, "timestamp": now, "source": SOURCE, "sequence": number, "data": data}
        return Sent(subject, id, json.dumps(content).encode())
    if envelope == CLOUD_EVENTS:
        attributes = {"specversion": "1.0", "id": id, "source": f"/{SOURCE}", "type": subject, "time": now}
        content = {**attributes, "datacontenttype": "application/json", "data": data}
        return Sent(subject, id, json.dumps(content).encode(), {"Content-Type": "application/cloudevents+json"})
    content = {"id": id, "type": subject, "timestamp": now, "aggregateId": f"aggregate-{number}", "data": data}
    return Sent(subject, id, json.dumps(content).encode())


def sequence_in(payload: bytes) -> int:
    """Return the number that a publisher has given a message, as publishers are made.

    Raises:
        ValueError: there is none in it.
    """
    try:
        return int(json.loads(payload)["data"]["sequence"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no number in {payload[:200]!r}") from error


def request() -> dict[str, Any]:
    """Return what an action takes as it is made."""
    return {"name": "Ada"}


def task_payload() -> bytes:
    """Return what a task takes as it is made."""
    return json.dumps({"to": "ada@example.com"}).encode()


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
        for one in events:
            try:
                await stream.publish(one.subject, one.payload, headers={**one.headers, MESSAGE_ID: one.id})
            except nats.js.errors.NoStreamResponseError as error:
                raise CheckFailed(f"no stream takes {one.subject}: the service has made none for it") from error

    with_client(url, do)


def unsettled(url: str, subject: str, durable: str) -> str:
    """Return what a consumer has not got or not settled, in words; "" if it is done with everything."""

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
    """Return the latest dead letter of a handler; None without any."""

    async def do(client: Client) -> RawStreamMsg | None:
        try:
            return await client.jetstream(timeout=ANSWER_SECONDS).get_last_msg("DLQ", f"dlq.{service}.{handler}")
        except nats.js.errors.NotFoundError:
            return None

    return with_client(url, do)


def ask(url: str, subject: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a request.

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
    """Return the result of work on a connection of its own."""

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


def publish_core(url: str, events: Sequence[Sent]) -> None:
    """Publishes events to whoever listens, with core NATS."""

    async def do(client: Client) -> None:
        for one in events:
            await client.publish(one.subject, one.payload, headers={**one.headers, MESSAGE_ID: one.id})
        await client.flush(int(ANSWER_SECONDS))

    with_client(url, do)


def heard_on(url: str, subject: str, count: int, *, limit: float) -> list[bytes]:
    """Return the next messages on a subject: `count` of them, or as many as come within `limit` seconds."""

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
    """Return what the stream of a subject holds of it, in order; nothing where there is no such stream."""

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


RESULTS = "KV_task_results"
RESULT_SECONDS = 600


def enqueue(url: str, task: Task, priority: str, identity: str, payload: bytes) -> None:
    """Enqueues a task and asks for its result.

    Raises:
        CheckFailed: no stream takes it.
    """

    async def do(client: Client) -> None:
        subject = f"queue.{task.queue}.{priority}.{task.name}"
        headers = {MESSAGE_ID: identity, "Task-Id": identity, "Task-Result-Ttl": str(RESULT_SECONDS)}
        try:
            await client.jetstream(timeout=ANSWER_SECONDS).publish(subject, payload, headers=headers)
        except nats.js.errors.NoStreamResponseError as error:
            raise CheckFailed(f"no stream takes {subject}: the service has made no queue {task.queue}") from error

    with_client(url, do)


def left_in(url: str, stream: str) -> int:
    """Return how many messages a stream holds."""

    async def do(client: Client) -> int:
        return (await client.jetstream(timeout=ANSWER_SECONDS).stream_info(stream)).state.messages

    return with_client(url, do)


def state_of(url: str, task: Task, identity: str) -> str:
    """Return what is known of a task whose result is wanted, such as `done`; "" for nothing."""

    async def do(client: Client) -> str:
        subject = f"$KV.task_results.{task.queue}.{task.name}.{identity}"
        try:
            found = await client.jetstream(timeout=ANSWER_SECONDS).get_last_msg(RESULTS, subject)
        except nats.js.errors.NotFoundError:
            return ""
        return str(json.loads(found.data or b"{}").get("state", ""))

    return with_client(url, do)
