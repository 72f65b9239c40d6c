"""Counts how often a handler was called with a message, and runs messages that may have killed the worker alone.

The server's own count also grows if a message was only fetched: by a worker that then stopped, or that died of another
message. So attempts are noted here, in a NATS key-value bucket: before every attempt but the first, and after one that
failed. Most messages have only one attempt, and cost nothing.

An attempt that was noted and has no end may have killed the worker, or ran beside the one that did. Its message runs
alone from then on: only a message that was alone in its last attempt can become a dead letter for killing the worker.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from hashlib import sha256
from typing import Any

import nats.errors
from nats.js.errors import BucketNotFoundError, KeyNotFoundError
from nats.js.kv import KeyValue

from src.infrastructure.dead_letters import Reason
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient, until
from src.utils.logging import logger

KEPT_FOR = 7 * 24 * 3600.0  # seconds that a count is kept after the latest attempt
TIME_LIMIT = 2.0  # seconds for one request; a server that elects a leader never answers it

UNKNOWN, ENDED, BESIDE, ALONE = "", "ended", "beside", "alone"  # what is known of the latest attempt


async def open_bucket(nats: NatsClient, name: str, **config: Any) -> KeyValue:
    """Return a key-value bucket; create it with nats-py's `config` if it is missing and `STREAM_MODE` allows that.

    Raises:
        BucketNotFoundError: it is missing, and may not be created.
        nats.errors.Error: the server does not answer.
    """
    jetstream = nats.client.jetstream(prefix=nats.settings.js_api_prefix, timeout=TIME_LIMIT)
    try:
        return await jetstream.key_value(name)
    except BucketNotFoundError:
        if nats.settings.STREAM_MODE != "create":
            raise
        return await jetstream.create_key_value(bucket=name, **{"replicas": nats.settings.STREAM_REPLICAS, **config})


class Attempts:
    """The attempts of one service's handlers, in the bucket `attempts_<service>`.

    Attributes:
        running: how many messages or batches are being handled.
        alone_lock: held while a message runs alone; no other is handled meanwhile.
    """

    ALONE_LIMIT = 60.0  # seconds that running handlers have to end; then a suspect runs beside them

    def __init__(self, nats: NatsClient) -> None:
        self.running = 0
        self.alone_lock = asyncio.Lock()
        self._nats = nats
        self._name = f"attempts_{nats.service}"
        self._bucket: KeyValue | None = None  # None: the server's own count is all there is
        self._connections = 0

    async def prepare(self) -> None:
        """Open the bucket; create it if `STREAM_MODE` allows that.

        Raises:
            ConfigurationError: it is missing, and `STREAM_MODE` is `verify`.
            nats.errors.Error: the server does not answer.
        """
        try:
            self._bucket = await open_bucket(self._nats, self._name, ttl=KEPT_FOR)
        except BucketNotFoundError as error:
            if self._nats.settings.STREAM_MODE == "verify":
                raise ConfigurationError(
                    f"key-value bucket {self._name} is missing, and STREAM_MODE=verify creates none; create it with "
                    f"history 1 and a TTL of 7 days, or restarts would use up attempts"
                ) from error
            self._bucket = None
            logger.warning("deliveries count as attempts: no key-value bucket", bucket=self._name)
        self._connections = self._nats.connections

    async def start(self, message: Message, most: int) -> Reason | None:
        """Set and note the number of the attempt that is about to start; wait until the message may run.

        Args:
            message: the message.
            most: the most attempts there may be.

        Returns:
            Why the message is given up instead; None if the attempt may start.

        Raises:
            nats.errors.Error: the bucket cannot be reached, so the handler must not be called.
        """
        if message.deliveries == 1:
            return None
        if self._connections != self._nats.connections:
            await self.prepare()
        if self._bucket is None:
            message.attempt = min(message.deliveries, most)
            return Reason.CRASHED if message.deliveries > most else None
        key = _key(message)
        try:
            done, latest = await self._noted(key, most)
            if done >= most and latest != BESIDE:
                message.attempt = most
                return Reason.CRASHED if latest == ALONE else Reason.EXHAUSTED
            message.attempt = min(done, most - 1) + 1
            is_suspect = latest in (BESIDE, ALONE) or (latest == UNKNOWN and message.attempt == most)
            how = ALONE if is_suspect and await self._isolate(message) else BESIDE
            message.noted = True
            try:
                await self._bucket.put(key, f"{message.attempt} {how}".encode())
            except BaseException:  # the server may have stored it, and the handler will not be called
                await self._note(key, done, latest or ENDED)
                raise
            return None
        except nats.errors.Error:
            self._connections = 0  # open the bucket again: it may have been deleted
            raise

    async def _isolate(self, message: Message) -> bool:
        """Wait until nothing else is handled; return whether that is so."""
        self.running -= 1  # this message
        try:
            message.alone = await self.alone_lock.acquire()
            await until(lambda: self.running <= 0, time.monotonic() + self.ALONE_LIMIT)
            return self.running <= 0
        finally:
            self.running += 1

    async def end(self, message: Message, *, handled: bool) -> None:
        """Note that the worker survived this attempt.

        This is sent and not awaited. If it is lost, the message runs alone in its next attempt.

        Args:
            message: the message.
            handled: whether the handler succeeded; if the ack is lost, the message starts again at its first attempt.
        """
        await self._note(_key(message), 0 if handled else message.attempt)

    async def uncount(self, message: Message) -> None:
        """Do not count this delivery, because the handler was not called or the worker cut it short.

        This is sent and not awaited. If it is lost, the message has one attempt less.
        """
        if message.started or message.deliveries == 1:
            await self._note(_key(message), message.attempt - 1 if message.started else 0)

    async def _note(self, key: str, number: int, latest: str = ENDED) -> None:
        with suppress(nats.errors.Error):
            if self._bucket is not None and self._nats.connected:
                await self._nats.client.publish(f"$KV.{self._name}.{key}", f"{number} {latest}".encode())

    async def _noted(self, key: str, most: int) -> tuple[int, str]:
        """Return how many attempts there were, and what is known of the latest."""
        assert self._bucket is not None, "prepared"
        try:
            number, _, latest = ((await self._bucket.get(key)).value or b"0").partition(b" ")
            return int(number), latest.decode()
        except KeyNotFoundError:
            # the first delivery counts, except that a message with one attempt gets another after a crash
            return min(most - 1, 1), UNKNOWN


def _key(message: Message) -> str:
    return sha256(message.identity.encode()).hexdigest()
