"""Streams and consumers by hand: `await streams.create("JOBS", ["jobs.>"])`.

A worker creates its own streams and durables; this is for everything that handlers do not do.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import nats.errors
from nats.aio.msg import Msg
from nats.js import api
from nats.js.errors import APIError, NotFoundError

from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.pull_consumer import NANOSECONDS
from src.toolkit.connection import connected
from src.toolkit.errors import checked_name, translated

ANSWER_LIMIT = 2.0  # seconds that the server has to end a pull request after the request's own time


class Streams:
    """Creates, lists, reads and deletes streams and consumers, whatever `STREAM_MODE` says.

    Streams and consumers are nats-py's `StreamInfo` and `ConsumerInfo`. The methods raise `Missing`, `Refused`,
    `Unavailable` and `InvalidName` of `src.toolkit.errors`.
    """

    async def create(self, name: str, subjects: Sequence[str], **config: Any) -> api.StreamInfo:
        """Create a stream. An existing one with the same configuration stays as it is.

        Args:
            name: its name.
            subjects: the subjects that it stores.
            config: fields of nats-py's `StreamConfig`: `retention="workqueue"`, `max_msgs`, `max_bytes`, `max_age` in
                seconds, `duplicate_window` in seconds, and so on. `num_replicas` is `STREAM_REPLICAS` by default.
        """
        async with _connection(name) as connection:
            config = {"num_replicas": connection.settings.STREAM_REPLICAS} | config
            stream = api.StreamConfig(name=name, subjects=[*subjects], **config)
            return await connection.jetstream.add_stream(stream)

    async def list(self) -> AsyncGenerator[api.StreamInfo, None]:
        """Yield all streams, also those of buckets and stores (`KV_...`, `OBJ_...`)."""
        async for found in _listed("STREAM.LIST", "streams"):
            yield api.StreamInfo.from_response(found)

    async def info(self, name: str) -> api.StreamInfo:
        """Return the state of a stream."""
        async with _connection(name) as connection:
            return await connection.jetstream.stream_info(name)

    async def purge(
        self, name: str, *, subject: str | None = None, keep: int | None = None, before: int | None = None
    ) -> None:
        """Delete messages of a stream, by default all.

        Args:
            name: the stream's name.
            subject: only messages of this subject; `*` and a last `>` are wildcards.
            keep: all but this many of the newest.
            before: only messages before this sequence; not together with `keep`.
        """
        async with _connection(name) as connection:
            await connection.jetstream.purge_stream(name, seq=before, subject=subject, keep=keep)

    async def delete(self, name: str) -> None:
        """Delete a stream with its messages and consumers."""
        async with _connection(name) as connection:
            await connection.jetstream.delete_stream(name)

    async def account(self) -> api.AccountInfo:
        """Return what all streams of the service's account take, with the account's limits and calls."""
        connection = await connected("account")
        with translated("account"):
            return await connection.jetstream.account_info()

    async def create_consumer(
        self, stream: str, name: str, *, filter: str | Sequence[str] = (), **config: Any
    ) -> api.ConsumerInfo:
        """Create a durable consumer to pull from, or update an existing one if the server allows it.

        Args:
            stream: its stream.
            name: its name.
            filter: the subjects that it gets; by default all of the stream's.
            config: fields of nats-py's `ConsumerConfig`: `ack_wait` in seconds, `max_deliver`, `max_ack_pending`,
                `deliver_policy`, and so on.
        """
        filters = [filter] if isinstance(filter, str) else [*filter]
        if filters:
            config |= {"filter_subjects": filters} if len(filters) > 1 else {"filter_subject": filters[0]}
        consumer = api.ConsumerConfig(
            name=name, durable_name=name, **{"ack_policy": api.AckPolicy.EXPLICIT, "ack_wait": 30.0, **config}
        )
        async with _connection(stream, name) as connection:
            return await connection.jetstream.add_consumer(stream, consumer)

    async def consumers(self, stream: str) -> AsyncGenerator[api.ConsumerInfo, None]:
        """Yield all consumers of a stream."""
        async for found in _listed(f"CONSUMER.LIST.{checked_name('stream', stream)}", "consumers"):
            yield api.ConsumerInfo.from_response(found)

    async def consumer(self, stream: str, name: str) -> api.ConsumerInfo:
        """Return the state of a consumer."""
        async with _connection(stream, name) as connection:
            found: api.ConsumerInfo = await connection.jetstream.consumer_info(stream, name)
            return found

    async def delete_consumer(self, stream: str, name: str) -> None:
        """Delete a consumer. The stream and its messages stay."""
        async with _connection(stream, name) as connection:
            await connection.jetstream.delete_consumer(stream, name)

    async def pull(self, stream: str, durable: str, batch: int = 1, timeout: float = 5.0) -> Sequence[Message]:
        """Return messages to settle by hand, with `await message.ack()`, `nak(delay)`, `term(reason)` or `ack_sync()`.

        A message that is not settled is delivered again after the consumer's `ack_wait`.

        Args:
            stream: the stream.
            durable: its consumer.
            batch: the maximum number of messages.
            timeout: seconds to wait for the first; messages that are there are returned at once.

        Returns:
            The messages; an empty list if none arrived in time.
        """
        if batch < 1 or not timeout > 0:
            raise ValueError(f"batch is {batch} and timeout {timeout}; they take 1 or more, and more than 0")
        deadline = time.monotonic() + timeout
        async with _connection(stream, durable) as connection:
            found = await _fetch(connection, stream, durable, batch)
            if not found and (left := deadline - time.monotonic()) > 0:
                found = await _fetch(connection, stream, durable, 1, wait=left)
                if found and batch > 1:
                    found += await _fetch(connection, stream, durable, batch - 1)
        return [Message(raw, durable, connection) for raw in found]


streams = Streams()


@asynccontextmanager
async def _connection(stream: str, consumer: str | None = None) -> AsyncIterator[NatsClient]:
    what = f"stream {checked_name('stream', stream)}"
    if consumer is not None:
        what = f"consumer {checked_name('consumer', consumer)} of {what}"
    connection = await connected(what)
    with translated(what):
        yield connection


async def _listed(subject: str, key: str) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the entries of a list of the JetStream API; nats-py asks only for the first page."""
    connection, offset = await connected(subject), 0
    while True:
        with translated(subject):
            answer = await connection.ask(subject, {"offset": offset})
        page = answer.get(key) or []
        for entry in page:
            yield entry
        offset += len(page)
        if not page or offset >= answer.get("total", 0):
            return


async def _fetch(connection: NatsClient, stream: str, consumer: str, batch: int, wait: float = 0) -> list[Msg]:
    """Return what the server sends for one pull request.

    nats-py's `fetch` stops listening when its time is over; what the server sends at that moment is lost until
    `ack_wait`. This listens until the server says that the request has ended.

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
    client, found = connection.client, list[Msg]()
    inbox, deadline = client.new_inbox(), time.monotonic() + wait + ANSWER_LIMIT
    request = {"batch": batch} | ({"expires": int(wait * NANOSECONDS)} if wait else {"no_wait": True})
    subscription = await client.subscribe(inbox)
    try:
        subject = f"{connection.settings.js_api_prefix}.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        await client.publish(subject, json.dumps(request).encode(), reply=inbox)
        while len(found) < batch:
            try:
                frame = await subscription.next_msg(max(deadline - time.monotonic(), 0.001))
            except nats.errors.TimeoutError:
                if found:
                    break
                raise
            if frame.reply:
                found.append(frame)
            elif _ends_request(frame):
                break
    finally:
        with suppress(nats.errors.Error):  # the client is closed, and the subscription with it
            await subscription.unsubscribe()
    return found


def _ends_request(status: Msg) -> bool:
    """Return whether a status ends its request; a heartbeat does not.

    Raises:
        nats.js.errors.APIError: the consumer does not exist, or messages cannot be pulled from it.
    """
    headers = status.headers or {}
    code = headers.get("Status", "")
    if code == "503":  # nobody listens to the request
        raise NotFoundError(404, "there is no such consumer, or no such stream")
    if code not in ("100", "404", "408") and "Nats-Pending-Messages" not in headers:
        raise APIError(int(code or 0), headers.get("Description", ""))
    return code != "100"
