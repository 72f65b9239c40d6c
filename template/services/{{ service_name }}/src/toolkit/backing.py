"""The stream behind a bucket or an object store: made when it is first used, where `STREAM_MODE` allows it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import nats.js.errors
from nats.errors import NoRespondersError
from nats.js import JetStreamContext
from nats.js.api import StreamConfig, StreamInfo

from src.infrastructure.nats_client import NatsClient
from src.requests.nats import Nats
from src.toolkit.connection import connected
from src.toolkit.errors import InvalidName, Missing, translated
from src.utils.logging import logger

NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")  # of a bucket or a stream: it is part of subjects and of file names
STREAM_MISSING = 10059  # https://github.com/nats-io/nats-server/blob/main/server/errors.json

Make = Callable[[JetStreamContext, int], Awaitable[object]]


def checked_name(kind: str, name: str) -> str:
    """The name as it is.

    Raises:
        InvalidName: the server takes no such name.
    """
    if not NAME.fullmatch(name):
        raise InvalidName(f"{kind} {name[:80]!r}: a name takes 1 to 128 letters, digits, _ and -")
    return name


class Backing:
    """Knows whether the stream is there; forgets it when the server says otherwise, or is another one.

    Args:
        nats: what it goes over.
        what: it is for people, such as `bucket settings`.
        stream: its name on the server.
        make: makes it, with so many replicas unless it says otherwise itself.
    """

    def __init__(self, nats: Nats, what: str, stream: str, make: Make) -> None:
        self.what = what
        self.stream = stream
        self._nats = nats
        self._make = make
        self._info: StreamInfo | None = None
        self._connection: NatsClient | None = None

    @property
    def config(self) -> StreamConfig:
        """How the stream is configured on the server; known inside of `opened`."""
        if self._info is None:
            raise RuntimeError(f"{self.what} has not been opened")
        return self._info.config

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[NatsClient]:
        """The connection, over which the stream is there.

        Raises:
            Missing: it is not there, and may not be made.
            Unavailable: the server does not answer.
            Refused: it will not do that.
        """
        connection = await connected(self._nats, self.what)
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
        """The stream as it is right now.

        Raises:
            Missing, Unavailable, Refused: as `opened` does.
        """
        connection = await connected(self._nats, self.what)
        with translated(self.what):
            self._connection, self._info = connection, await self._open(connection)
            return self._info

    async def drop(self) -> None:
        """Deletes the stream with all that is in it; nothing happens where it is not there.

        Raises:
            Unavailable, Refused: as `opened` does.
        """
        connection = await connected(self._nats, self.what)
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
        await self._make(jetstream, settings.STREAM_REPLICAS)
        logger.info("made", what=self.what, stream=self.stream)
        return await jetstream.stream_info(self.stream)
