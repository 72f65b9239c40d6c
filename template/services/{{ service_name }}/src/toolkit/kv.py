"""Key-value buckets: `colours = Bucket("colours")`, then `await (await colours.open()).put("sky", b"blue")`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from hashlib import sha256
from typing import Any

from nats.js.kv import KV_DEL, KV_OP, KeyValue

from src.infrastructure.attempts import open_bucket
from src.toolkit.connection import connected
from src.toolkit.ordered_consumer import OrderedConsumer

SERVER_REASON = "Nats-Marker-Reason"  # the header of a deletion by the server, such as that of an expired key


def key_for(text: str) -> str:
    """Return a key for any text: a digest, because keys are short and allow few characters."""
    return sha256(text.encode()).hexdigest()


class Bucket:
    """A bucket, declared once. `open` returns nats-py's `KeyValue`, which reads and writes it.

    Args:
        name: letters, digits, `_` and `-`.
        config: fields of nats-py's `KeyValueConfig` to create it with: `history`, the number of revisions kept for each
            key; `ttl`, the seconds to keep every value; `limit_marker_ttl`, the seconds for which `watch` reports
            expired keys; `max_bytes`; `storage="memory"`; `replicas`, by default `STREAM_REPLICAS`; and so on.
    """

    def __init__(self, name: str, **config: Any) -> None:
        self.name = name
        self._config = config

    async def open(self) -> KeyValue:
        """Return the bucket on the current connection; open it again for each piece of work.

        A missing bucket is created if `STREAM_MODE` allows it; an existing one is not changed.

        Raises:
            RuntimeError: no worker runs in this process.
            NotConnected: there is no connection in time.
            nats.errors.Error: it is missing and may not be created, or the server does not answer or denies access.
        """
        return await open_bucket(await connected(f"bucket {self.name}"), self.name, **self._config)

    async def keys(self, match: str = ">") -> AsyncGenerator[str, None]:
        """Yield the keys that have a value, one by one and any number of them; nats-py's `keys` returns a list.

        Args:
            match: `*` matches one part between dots, a final `>` the rest.
        """
        await self.open()
        async with aclosing(self._entries(match, headers_only=True)) as entries:
            async for entry in entries:
                if not entry.operation:
                    yield entry.key

    async def watch(self, match: str = ">") -> AsyncGenerator[KeyValue.Entry, None]:
        """Yield the current values, and then every change, without end. An entry with an `operation` is a deletion.

        It continues after reconnects and restarts of the server, where nats-py's `watch` ends silently, and waits for a
        bucket that does not exist yet.

        Args:
            match: `*` matches one part between dots, a final `>` the rest.
        """
        async with aclosing(self._entries(match, endless=True)) as entries:
            async for entry in entries:
                yield entry

    async def _entries(self, match: str, **options: bool) -> AsyncGenerator[KeyValue.Entry, None]:
        prefix = f"$KV.{self.name}."
        consumer = OrderedConsumer(await connected(prefix), f"KV_{self.name}", prefix + match, **options)
        async with aclosing(consumer.messages()) as messages:
            async for message in messages:
                headers, metadata = message.headers or {}, message.metadata
                created: Any = metadata.timestamp  # nats-py's value differs from its annotation
                yield KeyValue.Entry(
                    bucket=self.name,
                    key=message.subject.removeprefix(prefix),
                    value=message.data,
                    revision=metadata.sequence.stream,
                    delta=metadata.num_pending,
                    created=created,
                    operation=KV_DEL if SERVER_REASON in headers else headers.get(KV_OP),
                )
