"""Counts how often a handler was started with a message, so that only real attempts use up `max_attempts`.

The server's own count also grows when a message was merely fetched: by a worker that was stopped before it came to
it, or that died of the message in front of it. So starts are counted here, in a NATS key-value bucket, from the second
delivery on; most messages have none and cost nothing. The first delivery counts as a start unless a worker said
otherwise when it gave the message back: a message that kills its worker never gets further than `max_attempts`.
"""

from __future__ import annotations

from contextlib import suppress

import nats.errors
from nats.js.errors import BucketNotFoundError, KeyNotFoundError
from nats.js.kv import KeyValue

from src.config import Settings
from src.infrastructure.handling.bucket import Bucket, key_for
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient

ANSWERED = "-answered"  # behind the key of a message, for the latest attempt that its handler answered by itself
KEPT = 7 * 24 * 3600.0  # seconds that a count is kept after the latest attempt


class Attempts:
    """The attempts of one service's handlers, in the bucket `attempts_<service>`.

    Where `STREAM_MODE` does not allow to make the bucket and nobody has, the server's count is all there is.
    """

    def __init__(self, nats: NatsClient, settings: Settings) -> None:
        self._nats = nats
        self._bucket = Bucket(nats, settings, f"attempts_{settings.SERVICE_NAME}", KEPT)

    async def prepare(self) -> None:
        """Makes sure that the bucket is there, if it may be made.

        Raises:
            nats.errors.Error: it cannot be reached.
        """
        with suppress(BucketNotFoundError):
            async with self._bucket.opened():
                pass

    def is_first(self, message: Message, most: int) -> bool:
        """Whether this can only be the first of `most` attempts, so that there is nothing to look up or to note."""
        return message.deliveries == 1 and message.origin is None and most > 1

    async def start(self, message: Message, most: int) -> int:
        """Notes that the handler is about to start, and returns which attempt this is, 1 for the first.

        Args:
            message: what it is started with.
            most: how many attempts there may be; one beyond that is returned and not noted.

        Raises:
            nats.errors.Error: the bucket cannot be reached.
        """
        before = _before(message)
        if message.deliveries == 1 and most > 1:
            return before + 1
        try:
            async with self._bucket.opened() as store:
                starts = await self._noted(store, message)
                if starts is None:
                    # with one attempt only, the first start is noted as well, and none means none
                    starts = 1 if most > 1 else 0
                attempt = before + starts + 1
                if attempt <= most:
                    await self._note(store, message, starts)
        except BucketNotFoundError:
            return before + message.deliveries
        return attempt

    async def take_back(self, message: Message) -> None:
        """Has this delivery not count: the handler was not started, or was cut short by the worker's own stop.

        Sent and not waited for: where it is lost, the message has one attempt less.
        """
        if message.started:
            starts = message.attempt - _before(message) - 1
        elif message.deliveries == 1:
            starts = 0
        else:
            return  # its starts have been noted
        await self._note_unconfirmed(message, starts)

    async def note_answer(self, message: Message) -> None:
        """Notes that the handler itself gave the message back: it survived this attempt.

        Sent and not waited for: where it is lost, a dead letter may say that the worker died of the message.
        """
        with suppress(nats.errors.Error):
            subject = f"$KV.{self._bucket.name}.{_key(message)}{ANSWERED}"
            await self._nats.client.publish(subject, str(message.attempt).encode())

    async def was_answered(self, message: Message, attempt: int) -> bool:
        """Whether the handler gave the message back itself in that attempt, or in a later one.

        Raises:
            nats.errors.Error: the bucket cannot be reached.
        """
        try:
            async with self._bucket.opened() as store:
                return int((await store.get(_key(message) + ANSWERED)).value or 0) >= attempt
        except (BucketNotFoundError, KeyNotFoundError):
            return False

    async def _note(self, store: KeyValue, message: Message, starts: int) -> None:
        """Notes one start more than `starts`, or none where that is not confirmed: then the handler does not start."""
        try:
            await store.put(_key(message), str(starts + 1).encode())
        except BaseException:
            await self._note_unconfirmed(message, starts)
            raise

    async def _note_unconfirmed(self, message: Message, starts: int) -> None:
        with suppress(nats.errors.Error):
            await self._nats.client.publish(f"$KV.{self._bucket.name}.{_key(message)}", str(starts).encode())

    async def _noted(self, store: KeyValue, message: Message) -> int | None:
        try:
            return int((await store.get(_key(message))).value or 0)
        except KeyNotFoundError:
            return None


def _before(message: Message) -> int:
    """Attempts that were made before the message came back as what it is now."""
    return message.origin.attempts if message.origin else 0


def _key(message: Message) -> str:
    return key_for(message.identity)
