"""Key-value buckets: `settings = Bucket("settings", Setting)`, then `await settings.put("colour", Setting(...))`."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Literal, overload

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import Header, KeyValueConfig, RawStreamMsg, StorageType
from pydantic_core import to_json
from typing_extensions import TypeVar

from src.infrastructure.handling.bucket import key_for as key_for
from src.infrastructure.handling.decoding import decoder_for
from src.requests.nats import Nats
from src.requests.nats import nats as service_nats
from src.toolkit.backing import STREAM_MISSING, Backing, checked_name
from src.toolkit.errors import InvalidName, InvalidValue, KeyExists, KeyMissing, Refused, WrongRevision
from src.toolkit.following import Followed, Following

Value = TypeVar("Value", default=Any)
Default = TypeVar("Default")

KEY = re.compile(r"[-/_=A-Za-z0-9]+(\.[-/_=A-Za-z0-9]+)*")
PATTERN = re.compile(r"(?:([-/_=A-Za-z0-9]+|\*)\.)*([-/_=A-Za-z0-9]+|\*|>)")
LONGEST_KEY = 1024  # characters: the server ends a connection that sends a line of more than 4096 with its subject
WRONG_LAST_SEQUENCE = (10071, 10164)  # https://github.com/nats-io/nats-server/blob/main/server/errors.json

OPERATION, MARKER = "KV-Operation", "Nats-Marker-Reason"  # headers of a marker: a client's, and the server's own
RAISE: Any = object()


@dataclass(frozen=True, slots=True)
class Entry(Generic[Value]):
    """A key at one revision.

    Attributes:
        key: the key.
        value: what it holds; None where it was deleted at this revision.
        revision: counts the changes of the whole bucket.
        created: when this revision was made, in UTC.
        data: the value's bytes as they are kept.
        deleted: whether this revision is that the key was deleted, or that its time was over.
    """

    key: str
    value: Value
    revision: int
    created: datetime
    data: bytes
    deleted: bool = False


class Bucket(Generic[Value]):
    """A bucket, made when it is first used (where `STREAM_MODE` allows it); one that is there stays as it is.

    Bytes and text are kept as they are, anything else as JSON. Without a model, a value is read as what its JSON says,
    else as text, else as bytes: a text that happens to be JSON needs `str` as the model to come back as text.

    Args:
        name: of the bucket: letters, digits, `_` and `-`.
        model: what values are read as: a pydantic model, or any type that pydantic can validate, `str` or `bytes`.
        ttl: seconds that every value is kept; without it for good.
        history: revisions of each key that are kept, 1 to 64.
        max_bytes: of the whole bucket; what goes beyond is refused. Without it there is no limit.
        replicas: of the bucket; without it `STREAM_REPLICAS`.
        storage: `file` or `memory`.
        expired: seconds for which the server tells watchers that a key's own time was over; without it they are not
            told. (It does so by a marker, which clients older than nats-server 2.11 take for an empty value.)
        nats: what it goes over: the service's own connection.
    """

    def __init__(
        self,
        name: str,
        model: type[Value] | None = None,
        *,
        ttl: float | None = None,
        history: int = 1,
        max_bytes: int | None = None,
        replicas: int | None = None,
        storage: Literal["file", "memory"] = "file",
        expired: float | None = None,
        nats: Nats = service_nats,
    ) -> None:
        self.name = checked_name("bucket", name)
        if not 1 <= history <= 64:
            raise ValueError(f"bucket {name}: history is {history}; it takes 1 to 64")
        self._decode = decoder_for(Any if model is None else model, f"bucket {name}")

        async def make(jetstream: JetStreamContext, default_replicas: int) -> object:
            config = KeyValueConfig(
                bucket=name,
                history=history,
                ttl=ttl,
                max_bytes=max_bytes or -1,
                replicas=replicas or default_replicas,
                storage=StorageType(storage),
                direct=True,
                limit_marker_ttl=expired,
            )
            return await jetstream.create_key_value(config)

        self._backing = Backing(nats, f"bucket {name}", f"KV_{name}", make)

    @overload
    async def get(self, key: str) -> Entry[Value]: ...

    @overload
    async def get(self, key: str, default: Default) -> Entry[Value] | Default: ...

    async def get(self, key: str, default: Any = RAISE) -> Any:
        """The key's latest revision.

        Args:
            key: the key.
            default: what to return where there is none.

        Raises:
            KeyMissing: there is none, and no default.
            InvalidValue: its value does not fit the model.
            InvalidName, Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """
        found = await self._latest(key)
        if found is None or _is_marker(found.headers):
            if default is RAISE:
                raise KeyMissing(f"bucket {self.name}: no key {key}")
            return default
        return self._entry(key, found.data, found.seq or 0, found.time, deleted=False)

    async def put(self, key: str, value: Any, *, ttl: float | None = None) -> int:
        """Sets a key, whatever it holds, and returns its new revision.

        Args:
            key: the key.
            value: what it is to hold.
            ttl: seconds after which it is gone, whole ones from 1 on; only in a bucket without history, where no older
                revision can come to light.

        Raises:
            TooLarge: the value does not fit into one message.
            InvalidName, Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """
        return await self._write(key, value, ttl=ttl)

    async def create(self, key: str, value: Any, *, ttl: float | None = None) -> int:
        """Sets a key that has no value, and returns its revision.

        Raises:
            KeyExists: it has one.
            as `put` does.
        """
        try:
            return await self._write(key, value, revision=0, ttl=ttl, fresh=True)
        except WrongRevision:
            found = await self._latest(key)
        if found is not None and not _is_marker(found.headers):
            raise KeyExists(f"bucket {self.name}: the key {key} has a value")
        try:
            return await self._write(key, value, revision=found.seq if found else 0, ttl=ttl, fresh=True)
        except WrongRevision:
            raise KeyExists(f"bucket {self.name}: somebody else has just made the key {key}") from None

    async def update(self, key: str, value: Any, revision: int, *, ttl: float | None = None) -> int:
        """Sets a key that is still at this revision, and returns the new one (compare and set).

        Raises:
            WrongRevision: it is at another.
            as `put` does.
        """
        return await self._write(key, value, revision=revision, ttl=ttl)

    async def delete(self, key: str, revision: int | None = None) -> None:
        """Deletes a key, where one is given only at this revision; its history stays. It need not be there.

        Raises:
            WrongRevision: it is at another revision.
            InvalidName, Missing, Unavailable, Refused: see `src.toolkit.errors`.
        """
        await self._publish(key, b"", {OPERATION: "DEL"} | _expecting(revision))

    async def purge(self, key: str, revision: int | None = None) -> None:
        """Deletes a key with its history; else as `delete`."""
        await self._publish(key, b"", {OPERATION: "PURGE", Header.ROLLUP.value: "sub"} | _expecting(revision))

    async def keys(self, match: str = ">") -> AsyncGenerator[str, None]:
        """The keys that have a value, one by one: `async for key in settings.keys()`.

        Args:
            match: which: `*` stands for one part between dots, a last `>` for the rest.
        """
        following = Following(self._backing, self._subject(_pattern(match)), headers_only=True)
        async with aclosing(following.messages()) as messages:
            async for followed in messages:
                if not _is_marker(followed.message.headers):
                    yield self._key(followed)

    def __aiter__(self) -> AsyncGenerator[str, None]:
        """All keys that have a value: `async for key in settings`."""
        return self.keys()

    async def history(self, key: str) -> list[Entry[Value]]:
        """The revisions of a key that are kept, oldest first; empty where there never was any."""
        following = Following(self._backing, self._subject(_checked(key)), latest=False)
        async with aclosing(following.messages()) as messages:
            return [self._followed(followed) async for followed in messages]

    async def watch(self, match: str = ">", *, only_new: bool = False) -> AsyncGenerator[Entry[Value], None]:
        """What the keys hold, and then every change, for good: `async for entry in settings.watch("colours.*")`.

        Reconnects and restarts of the server are outlived; after each it goes on where it was. A deletion is an entry
        that says so. Values that do not fit the model raise `InvalidValue`.

        Args:
            match: which keys: `*` stands for one part between dots, a last `>` for the rest.
            only_new: leaves out what is there by now.
        """
        following = Following(self._backing, self._subject(_pattern(match)), only_new=only_new, endless=True)
        async with aclosing(following.messages()) as messages:
            async for followed in messages:
                yield self._followed(followed)

    async def drop(self) -> None:
        """Deletes the whole bucket."""
        await self._backing.drop()

    async def _write(
        self, key: str, value: Any, *, revision: int | None = None, ttl: float | None = None, fresh: bool = False
    ) -> int:
        headers = _expecting(revision)
        if ttl is not None:
            headers[Header.MSG_TTL.value] = await self._ttl(ttl, fresh=fresh)
        return await self._publish(key, _encoded(value), headers)

    async def _publish(self, key: str, data: bytes, headers: dict[str, str]) -> int:
        subject = self._subject(_checked(key))
        async with self._backing.opened() as connection:
            try:
                return (await connection.publish(subject, data, headers)).seq
            except nats.js.errors.APIError as error:
                if error.err_code in WRONG_LAST_SEQUENCE:
                    raise WrongRevision(f"bucket {self.name}: {key}: {error.description}") from error
                raise

    async def _ttl(self, seconds: float, *, fresh: bool) -> str:
        """The header's value.

        Raises:
            Refused: the bucket cannot.
        """
        if seconds < 1:
            raise ValueError(f"bucket {self.name}: ttl is {seconds}; it takes seconds, 1 or more")
        async with self._backing.opened():
            config = self._backing.config
        if not config.allow_msg_ttl:  # an older server would keep the value for good, and not say so
            raise Refused(f"bucket {self.name}: no time for single keys: it needs nats-server 2.11, or to be made anew")
        if config.max_msgs_per_subject != 1 and not fresh:
            raise Refused(f"bucket {self.name}: it keeps a history, so only `create` can give a key a time of its own")
        return f"{math.ceil(seconds)}s"

    async def _latest(self, key: str) -> RawStreamMsg | None:
        """The latest message of a key, a marker as well. nats-py's own `get` takes the server's markers for values."""
        subject = self._subject(_checked(key))
        async with self._backing.opened() as connection:
            # asked of the leader where there are several: another replica may not know of one's own last change yet
            direct = bool(self._backing.config.allow_direct) and self._backing.config.num_replicas == 1
            try:
                return await connection.jetstream.get_last_msg(self._backing.stream, subject, direct=direct)
            except nats.js.errors.NotFoundError as error:
                if error.err_code == STREAM_MISSING:
                    raise
                return None

    def _subject(self, key: str) -> str:
        return f"$KV.{self.name}.{key}"

    def _key(self, followed: Followed) -> str:
        return followed.message.subject.removeprefix(self._subject(""))

    def _followed(self, followed: Followed) -> Entry[Value]:
        deleted = _is_marker(followed.message.headers)
        return self._entry(
            self._key(followed), followed.message.data, followed.sequence, followed.stored, deleted=deleted
        )

    def _entry(
        self, key: str, data: bytes | None, revision: int, created: datetime | None, *, deleted: bool
    ) -> Entry[Value]:
        data = data or b""
        try:
            value: Any = None if deleted else self._decode(data)
        except ValueError as error:
            raise InvalidValue(f"bucket {self.name}: {key} at revision {revision}: {error}") from error
        return Entry(key, value, revision, created or datetime.now(UTC), data, deleted)


def _encoded(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else to_json(value, by_alias=True)


def _expecting(revision: int | None) -> dict[str, str]:
    return {} if revision is None else {Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(revision)}


def _is_marker(headers: dict[str, str] | None) -> bool:
    """Whether a message says that its key is gone."""
    return headers is not None and (MARKER in headers or headers.get(OPERATION) in ("DEL", "PURGE"))


def _checked(key: str) -> str:
    """The key as it is.

    Raises:
        InvalidName: the server takes no such key.
    """
    if len(key) > LONGEST_KEY or not KEY.fullmatch(key):
        raise InvalidName(
            f"key {key[:80]!r}: a key takes letters, digits, - / _ = in parts joined by dots, {LONGEST_KEY} at most; "
            f"`key_for` of src.toolkit.kv makes one of any text"
        )
    return key


def _pattern(match: str) -> str:
    if len(match) > LONGEST_KEY or not PATTERN.fullmatch(match):
        raise InvalidName(f"{match[:80]!r} matches no keys; it takes a key in which `*` and a last `>` stand for any")
    return match
