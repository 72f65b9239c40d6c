"""The stream behind a bucket, an object store or a queue. It is created at first use if `STREAM_MODE` allows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import nats.js.errors
from nats.errors import NoRespondersError
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg, StreamConfig, StreamInfo

from src.infrastructure.nats_client import NatsClient
from src.toolkit.connection import connected
from src.toolkit.errors import Missing, checked_name, translated
from src.utils.logging import logger

STREAM_MISSING = 10059  # https://github.com/nats-io/nats-server/blob/main/server/errors.json

Create = Callable[[JetStreamContext, int], Awaitable[object]]


class BackingStream:
    """A stream that is looked up once on each connection, and again after the server did not find it.

    Args:
        kind: `bucket`, `store` or `queue`, for messages.
        name: its name of that kind.
        stream: its name on the server.
        create: creates it, given JetStream and the number of replicas.

    Raises:
        InvalidName: the server accepts no such name.
    """

    def __init__(self, kind: str, name: str, stream: str, create: Create) -> None:
        self.what = f"{kind} {checked_name(kind, name)}"
        self.stream = stream
        self._create = create
        self._info: StreamInfo | None = None
        self._connection: NatsClient | None = None

    @property
    def config(self) -> StreamConfig:
        """Return the stream's configuration on the server. Use it within `opened`."""
        if self._info is None:
            raise RuntimeError(f"{self.what} has not been opened")
        return self._info.config

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[NatsClient]:
        """Yield the connection when the stream exists.

        Raises:
            Missing: the stream does not exist, and `STREAM_MODE` does not allow to create it.
            Unavailable: the server does not answer.
            Refused: the server refuses.
        """
        connection = await connected(self.what)
        with translated(self.what):
            if self._info is None or self._connection is not connection:
                self._connection, self._info = connection, await self._open(connection)
            try:
                yield connection
            except (nats.js.errors.NoStreamResponseError, NoRespondersError):
                self._info = None
                raise
            except nats.js.errors.APIError as error:
                if error.err_code == STREAM_MISSING:
                    self._info = None
                raise

    async def info(self) -> StreamInfo:
        """Return the current state of the stream. Raises as `opened` does."""
        self._info = None
        async with self.opened():
            assert self._info is not None
            return self._info

    async def read(self, subject: str) -> RawStreamMsg | None:
        """Return the last message of a subject; None if there is none. Raises as `opened` does."""
        async with self.opened() as connection:
            # With several replicas, ask the leader: another replica may not have the caller's own last write yet.
            direct = bool(self.config.allow_direct) and self.config.num_replicas == 1
            try:
                return await connection.jetstream.get_last_msg(self.stream, subject, direct=direct)
            except nats.js.errors.NotFoundError as error:
                if error.err_code == STREAM_MISSING:
                    raise
                return None

    async def delete(self) -> None:
        """Delete the stream and everything in it, if it exists. Raises as `opened` does."""
        connection = await connected(self.what)
        self._info = None
        with translated(self.what):
            try:
                await connection.jetstream.delete_stream(self.stream)
            except nats.js.errors.NotFoundError:
                return

    async def _open(self, connection: NatsClient) -> StreamInfo:
        jetstream, settings = connection.jetstream, connection.settings
        try:
            return await jetstream.stream_info(self.stream)
        except nats.js.errors.NotFoundError as error:
            if settings.STREAM_MODE != "create":
                raise Missing(f"{self.what} is not there, and STREAM_MODE={settings.STREAM_MODE} makes none") from error
        await self._create(jetstream, settings.STREAM_REPLICAS)
        logger.info("stream created", what=self.what, stream=self.stream)
        return await jetstream.stream_info(self.stream)
