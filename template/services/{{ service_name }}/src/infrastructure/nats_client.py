"""What a service sends over its connection to NATS: events, acknowledgements and replies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from nats.js import JetStreamContext
from nats.js.api import PubAck

from src.config import Settings
from src.infrastructure.connection.nats_connection import NatsConnection
from src.infrastructure.connection.nats_internals import publish
from src.infrastructure.errors import NotConnected, TooLarge
from src.infrastructure.handling.publication import size_of


class NatsClient(NatsConnection):
    """The connection that all of a service shares, and the ways to send over it.

    What keeps it is `NatsConnection`'s: `connect`, `close` and `wait_connected`; `connected`, whether there is a
    connection now; `connections`, how many there have been; `client`, nats-py's own, which may be replaced.
    """

    PUBLISH_TIMEOUT = 5.0  # seconds that the server has to confirm what was published or acknowledged
    CROWDED = 1024 * 1024  # bytes that wait to be sent while there is a connection

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._finishing: list[Callable[[float], Awaitable[None]]] = []

    @property
    def service(self) -> str:
        """Name of the service."""
        return self._settings.SERVICE_NAME

    @property
    def settings(self) -> Settings:
        """What it was made with."""
        return self._settings

    @property
    def jetstream(self) -> JetStreamContext:
        """JetStream over this connection."""
        return self.client.jetstream()

    async def publish(self, subject: str, data: bytes, headers: dict[str, str]) -> PubAck:
        """Publishes to a stream and returns its confirmation.

        Args:
            subject: a subject that a stream listens to.
            data: the payload.
            headers: such as `Nats-Msg-Id`.

        Raises:
            TooLarge: payload and headers do not fit into one message.
            NotConnected: there has been no connection yet, nor was there one within `PUBLISH_TIMEOUT`.
            nats.errors.Error: the stream did not confirm within `PUBLISH_TIMEOUT`, or refused.
        """
        if not self.connections:  # a client of nats-py that has never been connected fails by an assertion
            await self.wait_connected(self.PUBLISH_TIMEOUT)
        if not self.connections:
            raise NotConnected(f"{subject}: not connected to NATS")
        self.check_size(subject, data, headers)
        return await self.jetstream.publish(subject, data, timeout=self.PUBLISH_TIMEOUT, headers=headers)

    def check_size(self, subject: str, data: bytes, headers: Mapping[str, str]) -> None:
        """Sees to it that a message fits: nats-py looks at the payload alone, and the server would end the connection.

        Raises:
            TooLarge: payload and headers do not fit into one message.
        """
        if (size := size_of(data, headers)) > self.client.max_payload > 0:
            raise TooLarge(
                f"{subject}: payload and headers are {size} bytes, and the server takes {self.client.max_payload} "
                f"(max_payload); keep what is large in an object store (src.toolkit.objects) and publish its name"
            )

    def answer(self, reply: str, payload: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Sends an acknowledgement or a reply; it leaves with the next write of the connection.

        Raises:
            nats.errors.Error: the connection is closed, or too much waits for it to come back.
        """
        publish(self.client, reply, payload, headers)

    @property
    def crowded(self) -> bool:
        """Whether so much waits to be sent that whoever sends more should wait."""
        return self.client.pending_data_size > self.CROWDED

    async def answer_confirmed(self, reply: str, payload: bytes) -> None:
        """Sends an acknowledgement and returns when the server has confirmed that it has it.

        Raises:
            nats.errors.Error: it did not within `PUBLISH_TIMEOUT`.
        """
        await self.client.request(reply, payload, timeout=self.PUBLISH_TIMEOUT)

    def at_end(self, finish: Callable[[float], Awaitable[None]]) -> None:
        """Has `finish` awaited before the worker closes the connection, with the seconds that it has."""
        self._finishing.append(finish)

    async def finish(self, limit: float) -> None:
        """Has whatever else goes over this connection come to its end, within `limit` seconds."""
        await asyncio.gather(*(finish(limit) for finish in self._finishing))
