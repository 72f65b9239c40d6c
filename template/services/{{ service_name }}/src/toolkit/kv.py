"""Key-value buckets: `settings = Bucket("settings", Setting)`, then `await settings.put("colour", Setting(...))`."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Generic

import nats.js.errors
from nats.js.api import Header, KeyValueConfig, RawStreamMsg
from pydantic_core import to_json
from typing_extensions import TypeVar

from src.infrastructure.decoding import decoder_for
from src.toolkit.backing import BackingStream
from src.toolkit.errors import InvalidName, InvalidValue, KeyExists, KeyMissing, Refused, WrongRevision
from src.toolkit.ordered_consumer import OrderedConsumer

Value = TypeVar("Value", default=Any)
Default = TypeVar("Default")

KEY = re.compile(r"[-/_=A-Za-z0-9]+(\.[-/_=A-Za-z0-9]+)*")
PATTERN = re.compile(r"(?:([-/_=A-Za-z0-9]+|\*)\.)*([-/_=A-Za-z0-9]+|\*|>)")
LONGEST_KEY = 1024  # characters: the server closes a connection that sends a line of more than 4096 with its subject
WRONG_LAST_SEQUENCE = (10071, 10164)  # https://github.com/nats-io/nats-server/blob/main/server/errors.json

OPERATION, SERVER_REASON = "KV-Operation", "Nats-Marker-Reason"  # headers of a deletion by a client, or the server
RAISE: Any = object()


def key_for(text: str) -> str:
    """Return a key for any text: a digest, since few characters are allowed in a key."""
    return sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry(Generic[Value]):
    """A key at one revision.

    Attributes:
        key: the key.
        value: its value; None if it was deleted at this revision.
        revision: counts the changes of the whole bucket.
        created: when this revision was stored, in UTC.
        data: the value's bytes as they are stored.
        deleted: whether the key was deleted, or expired, at this revision.
    """

    key: str
    value: Value
    revision: int
    created: datetime
    data: bytes
    deleted: bool = False


class Bucket(Generic[Value]):
    """A bucket. It is created at first use (if `STREAM_MODE` allows it); an existing one stays as it is.

    Bytes and text are stored unchanged, anything else as JSON. Without a model, a value is read as JSON, else as text,
    else as bytes: text that happens to be JSON comes back as text only with `str` as the model.

    The methods raise `InvalidName`, `Missing`, `Unavailable` and `Refused` of `src.toolkit.errors`.

    Args:
        name: letters, digits, `_` and `-`.
        model: what values are read as: a pydantic model or any type that pydantic validates, `str` or `bytes`.
        history: how many revisions of each key are kept, 1 to 64.
        expired: seconds for which the server keeps a note that a key expired, which `watch` reports; by default it
            reports none. Clients of servers before 2.11 take the note for an empty value.
        config: further fields of nats-py's `KeyValueConfig`: `ttl`, the seconds that every value is kept; `max_bytes`,
            beyond which writes are refused; `storage="memory"`; `replicas`, by default `STREAM_REPLICAS`; and so on.
    """

    def __init__(
        self,
        name: str,
        model: type[Value] | None = None,
        *,
        history: int = 1,
        expired: float | None = None,
        **config: Any,
    ) -> None:
        self.name = name
        if not 1 <= history <= 64:
            raise ValueError(f"bucket {name}: history is {history}; it takes 1 to 64")
        self._decode = decoder_for(Any if model is None else model, f"bucket {name}")
        config |= {"bucket": name, "history": history, "limit_marker_ttl": expired, "direct": True}
        self._backing = BackingStream(
            "bucket",
            name,
            f"KV_{name}",
            lambda jetstream, replicas: jetstream.create_key_value(KeyValueConfig(**{"replicas": replicas, **config})),
        )

    async def get(self, key: str, default: Default = RAISE) -> Entry[Value] | Default:
        """Return the key's latest revision, else `default`.

        Raises:
            KeyMissing: the key has no value, and there is no default.
            InvalidValue: the value does not fit the model.
        """
        found = await self._backing.read(self._subject(key))
        if found is not None and not _is_deletion(found):
            return self._entry(found)
        if default is RAISE:
            raise KeyMissing(f"bucket {self.name}: no key {key}")
        return default

    async def put(self, key: str, value: Any, *, ttl: float | None = None) -> int:
        """Set a key and return its new revision.

        Args:
            key: the key.
            value: its new value.
            ttl: seconds until it expires, at least 1. Only for buckets without history, where no older value can
                reappear.

        Raises:
            TooLarge: the value does not fit into one message.
        """
        return await self._write(key, value, None, ttl)

    async def create(self, key: str, value: Any, *, ttl: float | None = None) -> int:
        """Set a key that has no value, and return its revision.

        Raises:
            KeyExists: the key has a value.
            TooLarge: the value does not fit into one message.
        """
        revision = 0
        for _ in range(2):  # the second replaces a deletion
            try:
                return await self._write(key, value, revision, ttl, is_new=True)
            except WrongRevision:
                found = await self._backing.read(self._subject(key))
            if found is not None and not _is_deletion(found):
                break
            revision = found.seq or 0 if found else 0
        raise KeyExists(f"bucket {self.name}: the key {key} has a value")

    async def update(self, key: str, value: Any, revision: int, *, ttl: float | None = None) -> int:
        """Set a key that is still at this revision, and return the new one (compare and set).

        Raises:
            WrongRevision: the key is at another revision.
            TooLarge: the value does not fit into one message.
        """
        return await self._write(key, value, revision, ttl)

    async def delete(self, key: str, revision: int | None = None) -> None:
        """Delete a key, which need not exist; its history is kept.

        Args:
            key: the key.
            revision: delete it only at this revision.

        Raises:
            WrongRevision: the key is at another revision.
        """
        await self._publish(key, b"", revision, {OPERATION: "DEL"})

    async def purge(self, key: str, revision: int | None = None) -> None:
        """Delete a key and its history, otherwise as `delete`."""
        await self._publish(key, b"", revision, {OPERATION: "PURGE", Header.ROLLUP.value: "sub"})

    async def keys(self, match: str = ">") -> AsyncGenerator[str, None]:
        """Yield the keys that have a value: `async for key in settings.keys()`.

        Args:
            match: `*` matches one part between dots, a last `>` the rest.
        """
        async with self._messages(self._subject(match, PATTERN), headers_only=True) as messages:
            async for message in messages:
                if not _is_deletion(message):
                    yield self._key(message)

    def __aiter__(self) -> AsyncGenerator[str, None]:
        """Yield all keys that have a value: `async for key in settings`."""
        return self.keys()

    async def history(self, key: str) -> list[Entry[Value]]:
        """Return the revisions of a key that are kept, oldest first."""
        async with self._messages(self._subject(key), latest=False) as messages:
            return [self._entry(message) async for message in messages]

    async def watch(self, match: str = ">", *, only_new: bool = False) -> AsyncGenerator[Entry[Value], None]:
        """Yield what the keys hold, and then every change, for ever: `async for entry in settings.watch("colours.*")`.

        It continues after reconnects and restarts of the server. A deletion is an entry with `deleted`.

        Args:
            match: `*` matches one part between dots, a last `>` the rest.
            only_new: skip what is there.

        Raises:
            InvalidValue: a value does not fit the model.
        """
        async with self._messages(self._subject(match, PATTERN), only_new=only_new, endless=True) as messages:
            async for message in messages:
                yield self._entry(message)

    async def drop(self) -> None:
        """Delete the whole bucket."""
        await self._backing.delete()

    def _messages(self, subject: str, **options: bool) -> aclosing[AsyncGenerator[RawStreamMsg, None]]:
        return aclosing(OrderedConsumer(self._backing, subject, **options).messages())

    async def _write(
        self, key: str, value: Any, revision: int | None, ttl: float | None, *, is_new: bool = False
    ) -> int:
        if isinstance(value, str):
            value = value.encode()
        data = value if isinstance(value, bytes) else to_json(value, by_alias=True)
        headers = {} if ttl is None else {Header.MSG_TTL.value: await self._checked_ttl(ttl, is_new=is_new)}
        return await self._publish(key, data, revision, headers)

    async def _publish(self, key: str, data: bytes, revision: int | None, headers: dict[str, str]) -> int:
        if revision is not None:
            headers[Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value] = str(revision)
        subject = self._subject(key)
        async with self._backing.opened() as connection:
            try:
                return (await connection.publish(subject, data, headers)).seq
            except nats.js.errors.APIError as error:
                if error.err_code in WRONG_LAST_SEQUENCE:
                    raise WrongRevision(f"bucket {self.name}: {key}: {error.description}") from error
                raise

    async def _checked_ttl(self, seconds: float, *, is_new: bool) -> str:
        if seconds < 1:
            raise ValueError(f"bucket {self.name}: ttl is {seconds}; it takes seconds, 1 or more")
        async with self._backing.opened():
            config = self._backing.config
        if not config.allow_msg_ttl:  # the server would keep the value without saying so
            raise Refused(
                f"bucket {self.name}: keys have no ttl; create the bucket again, on nats-server 2.11 or later"
            )
        if config.max_msgs_per_subject != 1 and not is_new:
            raise Refused(f"bucket {self.name}: it keeps a history, so only `create` can give a key a ttl")
        return f"{math.ceil(seconds)}s"

    def _subject(self, key: str, allowed: re.Pattern[str] = KEY) -> str:
        if len(key) > LONGEST_KEY or not allowed.fullmatch(key):
            raise InvalidName(
                f"key {key[:80]!r}: it takes letters, digits, - / _ = in parts joined by dots, at most {LONGEST_KEY}; "
                f"to match several, `*` and a last `>`; `key_for` of src.toolkit.kv makes a key of any text"
            )
        return f"$KV.{self.name}.{key}"

    def _key(self, message: RawStreamMsg) -> str:
        return (message.subject or "").removeprefix(f"$KV.{self.name}.")

    def _entry(self, message: RawStreamMsg) -> Entry[Value]:
        key, data, deleted = self._key(message), message.data or b"", _is_deletion(message)
        try:
            value: Any = None if deleted else self._decode(data)
        except ValueError as error:
            raise InvalidValue(f"bucket {self.name}: {key} at revision {message.seq}: {error}") from error
        return Entry(key, value, message.seq or 0, message.time or datetime.now(UTC), data, deleted)


def _is_deletion(message: RawStreamMsg) -> bool:
    headers = message.headers or {}
    return SERVER_REASON in headers or headers.get(OPERATION) in ("DEL", "PURGE")
