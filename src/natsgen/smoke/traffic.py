"""Sending messages to a sample over NATS and receiving its own, with a client that is independent of its runtime."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from natsgen.smoke.steps import CheckFailed

DOMAIN, MESSAGE, CLOUD_EVENTS = "domain", "message", "cloudevents"
"""The choices of the template's question `envelope`."""
SOURCE = "natsgen-smoke"
REQUEST = {"name": "Ada"}
"""A valid request for a generated action."""
TASK = json.dumps({"to": "ada@example.com"}).encode()
"""Valid arguments for a generated task."""
UNREADABLE = b"\xffno event"
"""A payload that no handler can decode: it must become a dead letter."""
MESSAGE_ID = "Nats-Msg-Id"
API = "$JS.API"
SECONDS = 10.0
"""The limit for connecting, and for each answer."""

Answer = TypeVar("Answer")


class Sent(NamedTuple):
    """A message to publish: its subject, payload and headers."""

    subject: str
    payload: bytes
    headers: Mapping[str, str]


def literal(pattern: str) -> str:
    """Return a subject that the pattern matches."""
    return ".".join("smoke" if part in ("*", ">") else part for part in pattern.split("."))


def event(subject: str, number: int, envelope: str = DOMAIN) -> Sent:
    """Return an event as another service would publish it, in the given envelope."""
    id = f"smoke-{number}"
    now = datetime.now(UTC).isoformat()
    headers = {MESSAGE_ID: id}
    if envelope == MESSAGE:
        content = {"message_id": id, "timestamp": now, "source": SOURCE, "sequence": number}
    elif envelope == CLOUD_EVENTS:
        content = {"specversion": "1.0", "id": id, "source": f"/{SOURCE}", "type": subject, "time": now}
        content["datacontenttype"] = "application/json"
        headers["Content-Type"] = "application/cloudevents+json"
    else:
        content = {"id": id, "type": subject, "timestamp": now, "aggregateId": f"aggregate-{number}"}
    return Sent(subject, json.dumps({**content, "data": {"number": number}}).encode(), headers)


def send(url: str, messages: Sequence[Sent]) -> None:
    """Publish messages, and wait for each publish acknowledgement.

    Raises:
        CheckFailed: no stream captures one of them.
    """
    for message, answer in zip(messages, _answers(url, messages), strict=True):
        if "stream" not in answer:
            raise CheckFailed(f"{message.subject} was answered with {answer}, not with a publish acknowledgement")


def ask(url: str, subject: str, content: object = None) -> dict[str, Any]:
    """Return the answer to a request.

    Raises:
        CheckFailed: there is no answer, or it is not a JSON object.
    """
    return _answers(url, [Sent(subject, b"" if content is None else json.dumps(content).encode(), {})])[0]


def _answers(url: str, messages: Sequence[Sent]) -> list[dict[str, Any]]:
    async def do(client: Client) -> list[dict[str, Any]]:
        return [await _answer(client, message) for message in messages]

    return _with_client(url, do)


async def _answer(client: Client, message: Sent) -> dict[str, Any]:
    subject, payload, headers = message
    try:
        answer = (await client.request(subject, payload, timeout=SECONDS, headers=dict(headers))).data
        return dict(json.loads(answer))
    except nats.errors.NoRespondersError as error:
        raise CheckFailed(f"no stream captures {subject}, and nobody answers on it") from error
    except nats.errors.TimeoutError as error:
        raise CheckFailed(f"no answer on {subject} within {SECONDS:g} s") from error
    except (ValueError, TypeError) as error:
        raise CheckFailed(f"the answer on {subject} is not a JSON object: {answer[:200]!r}") from error


def _with_client(url: str, do: Callable[[Client], Awaitable[Answer]]) -> Answer:
    async def connected() -> Answer:
        client = await nats.connect(url, connect_timeout=int(SECONDS), allow_reconnect=False, name="natsgen smoke")
        try:
            return await do(client)
        finally:
            await client.close()

    return asyncio.run(connected())


def publish_core(url: str, messages: Sequence[Sent]) -> None:
    """Publish messages with core NATS."""

    async def do(client: Client) -> None:
        for subject, payload, headers in messages:
            await client.publish(subject, payload, headers=dict(headers))
        await client.flush(int(SECONDS))

    _with_client(url, do)


def next_messages(url: str, subject: str, count: int, *, limit: float) -> list[bytes]:
    """Return the next `count` messages on a subject; fewer if they do not arrive within `limit` seconds."""

    async def do(client: Client) -> list[bytes]:
        found: list[bytes] = []
        enough = asyncio.Event()

        async def receive(message: Msg) -> None:
            found.append(message.data)
            if len(found) >= count:
                enough.set()

        await client.subscribe(subject, cb=receive)
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await enough.wait()
        return found[:count]

    return _with_client(url, do)


def stored_messages(url: str, subject: str, count: int) -> list[bytes]:
    """Return the first `count` messages that a stream stores on a subject; fewer if it has fewer."""
    found: list[bytes] = []
    number = 1
    for stream in streams_of(url, subject):
        while len(found) < count:
            wanted = {"seq": number, "next_by_subj": subject}
            message = ask(url, f"{API}.STREAM.MSG.GET.{stream}", wanted).get("message")
            if message is None:
                break
            found.append(b64decode(message["data"]))
            number = message["seq"] + 1
    return found


def latest(url: str, stream: str, subject: str) -> tuple[bytes, bytes] | None:
    """Return the payload and headers of the latest message on a subject of a stream; None if there is none."""
    message = ask(url, f"{API}.STREAM.MSG.GET.{stream}", {"last_by_subj": subject}).get("message")
    return message and (b64decode(message.get("data", "")), b64decode(message.get("hdrs", "")))


def streams_of(url: str, subject: str) -> list[str]:
    """Return the names of the streams that capture a subject: one, or none."""
    return list(ask(url, f"{API}.STREAM.NAMES", {"subject": subject}).get("streams") or ())


def forget_ids(url: str, subject: str) -> None:
    """Make the stream of a subject forget its message ids, so that it accepts a message again."""
    (stream,) = streams_of(url, subject)
    config = ask(url, f"{API}.STREAM.INFO.{stream}")["config"]
    shortest = 100_000_000  # nanoseconds
    ask(url, f"{API}.STREAM.UPDATE.{stream}", {**config, "duplicate_window": shortest})
    asyncio.run(asyncio.sleep(2 * shortest / 1e9))  # nothing shows when the window has passed
