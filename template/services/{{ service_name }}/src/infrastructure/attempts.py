"""Counts how often a handler was called with a message, so that restarts do not use up `max_attempts`.

The server's own count also grows if a message was only fetched: by a worker that then stopped, or that died of another
message. So calls are counted here, in a NATS key-value bucket, from the second delivery on. Most messages have only one
and cost nothing. The first delivery counts as a call, unless a worker noted otherwise when it gave the message back.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256

import nats.errors
from nats.js.errors import BucketNotFoundError, KeyNotFoundError
from nats.js.kv import KeyValue

from src.infrastructure.errors import ConfigurationError
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient
from src.utils.logging import logger

KEPT_FOR = 7 * 24 * 3600.0  # seconds that a count is kept after the latest attempt
TIME_LIMIT = 2.0  # seconds for one request; a server that elects a leader never answers it
ANSWERED = "-answered"  # suffix of the key for the latest attempt that the handler itself gave back


class Attempts:
    """The attempts of one service's handlers, in the bucket `attempts_<service>`."""

    def __init__(self, nats: NatsClient) -> None:
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
        jetstream = self._nats.client.jetstream(prefix=self._nats.settings.js_api_prefix, timeout=TIME_LIMIT)
        settings = self._nats.settings
        try:
            self._bucket = await jetstream.key_value(self._name)
        except BucketNotFoundError as error:
            if settings.STREAM_MODE == "verify":
                raise ConfigurationError(
                    f"key-value bucket {self._name} is missing, and STREAM_MODE=verify creates none; create it with "
                    f"history 1 and a TTL of 7 days, or restarts would use up attempts"
                ) from error
            if settings.STREAM_MODE == "off":
                self._bucket = None
                logger.warning("deliveries count as attempts: no key-value bucket", bucket=self._name)
            else:
                self._bucket = await jetstream.create_key_value(
                    bucket=self._name, ttl=KEPT_FOR, history=1, replicas=settings.STREAM_REPLICAS
                )
        self._connections = self._nats.connections

    async def start(self, message: Message, most: int) -> int:
        """Note that the handler is about to be called, and return the number of this attempt, 1 for the first.

        Args:
            message: the message.
            most: the most attempts there may be; `most + 1` is returned if there were that many, and is not noted.

        Raises:
            nats.errors.Error: the bucket cannot be reached, so the handler must not be called.
        """
        if message.deliveries == 1:
            return 1
        if self._connections != self._nats.connections:
            await self.prepare()
        if self._bucket is None:
            return min(message.deliveries, most + 1)
        key = _key(message)
        try:
            calls = await self._noted(key)
            if calls is None:
                # the first delivery counts, except that a message with one attempt gets another after a crash
                calls = 1 if most > 1 else 0
            if calls < most:
                try:
                    await self._bucket.put(key, str(calls + 1).encode())
                except BaseException:  # the server may have stored it, and the handler will not be called
                    await self._note(key, calls)
                    raise
        except nats.errors.Error:
            self._connections = 0  # open the bucket again: it may have been deleted
            raise
        return calls + 1

    async def take_back(self, message: Message) -> None:
        """Have this delivery not count, because the handler was not called or the worker cut it short.

        This is sent and not awaited: if it is lost, the message has one attempt less.
        """
        if message.started or message.deliveries == 1:
            await self._note(_key(message), message.attempt - 1 if message.started else 0)

    async def note_answer(self, message: Message) -> None:
        """Note that the handler itself gave the message back, so the worker survived this attempt."""
        await self._note(_key(message) + ANSWERED, message.attempt)

    async def was_answered(self, message: Message, attempt: int) -> bool:
        """Return whether the handler itself gave the message back in that attempt or a later one."""
        return (await self._noted(_key(message) + ANSWERED) or 0) >= attempt

    async def _note(self, key: str, number: int) -> None:
        with suppress(nats.errors.Error):
            if self._nats.connected:
                await self._nats.client.publish(f"$KV.{self._name}.{key}", str(number).encode())

    async def _noted(self, key: str) -> int | None:
        if self._bucket is None:
            return None
        try:
            return int((await self._bucket.get(key)).value or 0)
        except KeyNotFoundError:
            return None


def _key(message: Message) -> str:
    return sha256(message.identity.encode()).hexdigest()
