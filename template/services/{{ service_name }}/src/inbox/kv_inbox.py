"""Keeps the inbox in a NATS key-value bucket: `DEDUP=nats-kv`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import Header
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from src.inbox.handler_inbox import Claim
from src.infrastructure.attempts import TIME_LIMIT, open_bucket
from src.infrastructure.errors import ConfigurationError
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.nats_internals import subscribe

DONE = b"done"
WRONG_LAST_SEQUENCE = (10071, 10164)  # what the server answers if an entry is at another revision than expected

Entry = tuple[str, bytes, int | None]  # the key, the value, and the revision that it replaces if that matters


class KvInbox:
    """One entry for each message: `done`, or the seconds after which a claim ends. A claim's token is its revision.

    A claim creates the entry, or replaces one whose time is over at the revision that was read; the server lets only
    one worker win. Time is the server's: it knows when an entry was stored. The bucket's TTL removes entries.

    Args:
        nats: the connection.
        ttl: seconds that a handled message is remembered.
    """

    def __init__(self, nats: NatsClient, ttl: float) -> None:
        self._nats = nats
        self._name = f"inbox_{nats.service}"
        self._ttl = ttl
        self._opened = 0  # the number of the connection on which the bucket was there

    async def claim(self, claims: Mapping[str, int | None], lease: float) -> Sequence[tuple[Claim, int]]:
        """See `Store.claim`."""
        entries: list[Entry] = [(_digest(key), str(lease).encode(), token or 0) for key, token in claims.items()]
        revisions = await self._put(entries)
        if all(revisions):
            return [(Claim.TAKEN, revision) for revision in revisions]
        now = datetime.fromisoformat((await self._nats.ask(f"STREAM.INFO.KV_{self._name}"))["ts"])
        answers = (self._answer(entry, revision, now) for entry, revision in zip(entries, revisions, strict=True))
        return await asyncio.gather(*answers)

    async def done(self, keys: Collection[str]) -> None:
        """See `Store.done`."""
        await self._put([(_digest(key), DONE, None) for key in keys])

    async def release(self, claims: Mapping[str, int]) -> None:
        """See `Store.release`."""
        await self._put([(_digest(key), b"0", token) for key, token in claims.items()])  # unless it is another's now

    async def close(self) -> None:
        """See `Store.close`; the connection is the worker's."""

    async def _answer(self, entry: Entry, revision: int, now: datetime) -> tuple[Claim, int]:
        """Return who has an entry; if it could not be stored because it is there, claim it if its time is over."""
        key, until, _ = entry
        if revision:
            return Claim.TAKEN, revision
        try:
            found = await self._nats.jetstream.get_last_msg(f"KV_{self._name}", f"$KV.{self._name}.{key}")
        except NotFoundError:
            return Claim.HELD, 0  # it was removed just now
        if found.data == DONE:
            return Claim.DONE, 0
        if found.time and found.time + timedelta(seconds=float(found.data or 0)) > now:
            return Claim.HELD, 0
        (revision,) = await self._put([(key, until, found.seq)])
        return (Claim.TAKEN if revision else Claim.HELD), revision  # another worker may have been faster

    async def _put(self, entries: Sequence[Entry]) -> list[int]:
        """Store entries, without a wait for each, and return their revisions; 0 if one was at another than expected.

        Raises:
            ConfigurationError: the bucket forgets entries at another time.
            nats.errors.Error: the bucket may not be created, or the server does not answer or refuses.
        """
        try:
            if self._opened != self._nats.connections:
                await self._open()
            async with asyncio.timeout(TIME_LIMIT):
                return [_revision(answer) for answer in await self._answers(entries)]
        except (nats.errors.Error, TimeoutError):
            self._opened = 0  # it may have been deleted
            raise

    async def _answers(self, entries: Sequence[Entry]) -> list[dict[str, Any]]:
        """Send entries, and return the server's answers. nats-py's `publish_async` never ends if one is an error."""
        client, inbox = self._nats.client, self._nats.client.new_inbox()
        answers: dict[str, dict[str, Any]] = {}
        complete = asyncio.Event()

        def receive(reply: Msg) -> None:
            answers[reply.subject] = json.loads(reply.data or b"{}")
            if len(answers) == len(entries):
                complete.set()

        replies = await subscribe(client, f"{inbox}.*", receive)
        try:
            for number, (key, value, last) in enumerate(entries):
                headers = None if last is None else {Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(last)}
                await client.publish(f"$KV.{self._name}.{key}", value, f"{inbox}.{number}", headers)
            await complete.wait()
        finally:
            if client.is_connected:
                await replies.unsubscribe()
        return [answers[f"{inbox}.{number}"] for number in range(len(entries))]

    async def _open(self) -> None:
        """Open the bucket; again after a reconnect or a failure, since the server may be another."""
        ttl = (await (await open_bucket(self._nats, self._name, ttl=self._ttl)).status()).ttl or 0
        if self._nats.settings.STREAM_MODE != "off" and abs(ttl - self._ttl) >= 1:
            raise ConfigurationError(
                f"bucket {self._name} keeps entries {f'for {ttl:g} s' if ttl else 'forever'}, and DEDUP_TTL is "
                f"{self._ttl:g}; change one of them"
            )
        self._opened = self._nats.connections


def _revision(answer: dict[str, Any]) -> int:
    if not answer:
        raise NoStreamResponseError
    if "error" in answer:
        if answer["error"]["err_code"] in WRONG_LAST_SEQUENCE:
            return 0
        raise APIError(**answer["error"])
    return int(answer["seq"])


def _digest(key: str) -> str:
    """Return the key of an entry, since a key may hold few characters."""
    return sha256(key.encode()).hexdigest()
