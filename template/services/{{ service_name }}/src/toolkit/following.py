"""Every message of a stream's subject, in order, over whichever connection there is.

nats-py's own ordered consumer is bound to one client, keeps what has not been read without a limit, and waits for ever
for what a lost connection took along. Here an ephemeral consumer is pulled from, and made again after the last message
that came whenever anything is odd: a lost connection, another client, a gap, silence, a stream made anew.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from src.infrastructure.connection.nats_internals import subscribe
from src.infrastructure.errors import named
from src.infrastructure.nats_client import NatsClient
from src.toolkit.backing import Backing
from src.toolkit.errors import ToolkitError, Unavailable
from src.utils.logging import logger

NANOSECONDS = 1_000_000_000
BATCH = 256  # messages that one request asks for
MOST_BYTES = 8 * 1024 * 1024  # that one request asks for, and so about what waits to be read
EXPIRES = 30.0  # seconds that a request waits on the server
HEARTBEAT = 5.0  # seconds between signs of life of one that waits
TICK = 1.0  # seconds between looks at the connection while nothing comes
IDLE = 60.0  # seconds without a request after which the server forgets the consumer
PAUSE = (0.1, 2.0)  # seconds before another attempt, first and longest
PATIENCE = 10.0  # seconds without progress after which a listing is given up; what follows for good never is


@dataclass(slots=True)
class Followed:
    """One message of the stream.

    Attributes:
        message: as nats-py has it.
        sequence: its own in the stream.
        stored: when the stream stored it, in UTC.
        left: how many came after it by then.
    """

    message: Msg
    sequence: int
    stored: datetime
    left: int


class _Broken(Exception):
    """Go on with a new consumer."""


@dataclass(slots=True)
class _Place:
    """How far it has come, and in which stream: one made anew under the same name counts from 1 again."""

    sequence: int = 0
    stream_created: datetime | None = None


@dataclass(slots=True)
class Following:
    """What to follow.

    Attributes:
        backing: the stream.
        subject: of it; `*` and a last `>` are wildcards.
        latest: whether each subject begins with its last message, else with its first.
        only_new: whether what is there by now is left out.
        headers_only: whether payloads are left out.
        endless: whether to wait for what is yet to come, for good.
    """

    backing: Backing
    subject: str
    latest: bool = True
    only_new: bool = False
    headers_only: bool = False
    endless: bool = False
    _place: _Place = field(default_factory=_Place)

    async def messages(self) -> AsyncGenerator[Followed, None]:
        """The messages.

        Raises:
            Missing: the stream is not there, and may not be made.
            Unavailable: no progress for `PATIENCE` seconds, unless it is endless.
        """
        pause, longest = PAUSE
        deadline = time.monotonic() + PATIENCE
        while True:
            before = self._place.sequence
            try:
                async with aclosing(self._with_one_consumer()) as messages:
                    async for followed in messages:
                        yield followed
                return
            except (_Broken, Unavailable, nats.errors.Error, TimeoutError, OSError) as error:
                reason = error
            if self._place.sequence != before:
                pause, deadline = PAUSE[0], time.monotonic() + PATIENCE
            elif not self.endless and time.monotonic() > deadline:
                raise Unavailable(f"{self.backing.what}: {named(reason)}") from reason
            logger.debug("following anew", what=self.backing.what, reason=named(reason))
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def _with_one_consumer(self) -> AsyncGenerator[Followed, None]:
        async with self._consumer() as (connection, consumer, pending):
            if not pending and not self.endless:
                return
            async with aclosing(self._pulled(connection, consumer)) as frames:
                count = 0
                async for frame in frames:
                    metadata = frame.metadata
                    count += 1
                    if metadata.sequence.consumer != count:
                        raise _Broken("a gap")
                    if metadata.sequence.stream > self._place.sequence:
                        self._place.sequence = metadata.sequence.stream
                        yield Followed(frame, metadata.sequence.stream, stored_at(frame.reply), metadata.num_pending)
                    if not metadata.num_pending and not self.endless:
                        return

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[tuple[NatsClient, str, int]]:
        """The connection, the name of a consumer on it, and how many messages await it there."""
        info = await self.backing.info()
        if info.created != self._place.stream_created:
            if self._place.stream_created is not None:
                self._place.sequence = 0
            self._place.stream_created = info.created
        async with self.backing.opened() as connection:
            config = ConsumerConfig(
                name=connection.client.new_inbox().rpartition(".")[2],
                ack_policy=AckPolicy.NONE,
                filter_subject=self.subject,
                headers_only=self.headers_only,
                inactive_threshold=IDLE,
                mem_storage=True,
                num_replicas=1,
                **self._start(info.state.last_seq),
            )
            made = await connection.jetstream.add_consumer(self.backing.stream, config)
        try:
            yield connection, made.name, made.num_pending or 0
        finally:
            await _forget(connection, f"{self.backing.stream}.{made.name}")

    def _start(self, last_sequence: int) -> dict[str, Any]:
        if self.only_new:
            self._place.sequence, self.only_new = last_sequence, False
        if self._place.sequence and (self.endless or not self.latest):
            return {"deliver_policy": DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": self._place.sequence + 1}
        return {"deliver_policy": DeliverPolicy.LAST_PER_SUBJECT if self.latest else DeliverPolicy.ALL}

    async def _pulled(self, connection: NatsClient, consumer: str) -> AsyncGenerator[Msg, None]:
        client, number = connection.client, connection.connections
        frames: asyncio.Queue[Msg] = asyncio.Queue()
        inbox = client.new_inbox()
        request: dict[str, Any] = {"batch": BATCH}
        if not self.headers_only:
            request["max_bytes"] = max(MOST_BYTES, 2 * client.max_payload)
        if self.endless:
            request |= {"expires": int(EXPIRES * NANOSECONDS), "idle_heartbeat": int(HEARTBEAT * NANOSECONDS)}
        else:
            request["no_wait"] = True
        asked = f"$JS.API.CONSUMER.MSG.NEXT.{self.backing.stream}.{consumer}"
        subscription = await subscribe(client, inbox, frames.put_nowait)
        try:
            wanted, last_sign = 0, time.monotonic()
            while True:
                if not wanted:
                    await client.publish(asked, json.dumps(request).encode(), reply=inbox)
                    wanted = BATCH
                try:
                    async with asyncio.timeout(TICK):
                        frame = await frames.get()
                except TimeoutError:
                    if connection.connections != number or connection.client is not client:
                        raise _Broken("another connection") from None
                    if time.monotonic() - last_sign > 2 * HEARTBEAT:
                        raise _Broken("silence") from None
                    continue
                last_sign = time.monotonic()
                if frame.subject != inbox:
                    wanted -= 1
                    yield frame
                elif _ended(frame):
                    wanted = 0
                    if not self.endless and (frame.headers or {}).get("Status") == "404":
                        return
        finally:
            with suppress(nats.errors.Error):  # the client is closed, and the subscription with it
                await subscription.unsubscribe()


def _ended(status: Msg) -> bool:
    """Whether a request has ended, so that the next is due; a heartbeat says that it waits.

    Raises:
        _Broken: the consumer is gone, or cannot be pulled from.
    """
    headers = status.headers or {}
    code = headers.get("Status", "")
    if code == "100":
        return False
    if code in ("404", "408") or (code == "409" and "Nats-Pending-Messages" in headers):
        return True
    raise _Broken(f"the server answers {code} {headers.get('Description', '')}")


async def _forget(connection: NatsClient, consumer: str) -> None:
    """Nobody waits for the server's answer: it forgets an idle consumer by itself."""
    if connection.connected:
        try:
            await connection.client.publish(f"$JS.API.CONSUMER.DELETE.{consumer}")
        except (nats.errors.Error, ToolkitError) as error:
            logger.debug("consumer left to the server", consumer=consumer, error=named(error))


def stored_at(reply: str) -> datetime:
    """When a message was stored, to the microsecond as a stream's own answers have it; nats-py's is a rounded float.

    Args:
        reply: the subject that the message is acknowledged on, in either of its forms, see
            https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-15.md
    """
    tokens = reply.split(".")
    nanoseconds = int(tokens[7] if len(tokens) == 9 else tokens[9])
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=nanoseconds // 1000)
