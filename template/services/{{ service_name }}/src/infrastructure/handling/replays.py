"""The way back to one handler: `replay.<service>.<handler>`, for dead letters that are replayed and for long delays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import nats.errors
import orjson

from src.infrastructure import dead_letters
from src.infrastructure.errors import named
from src.infrastructure.handling.large_payloads import LargePayloads
from src.infrastructure.handling.origin import OBJECT, travelling
from src.infrastructure.handling.publication import size_of
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient
from src.infrastructure.receiving.streams import Streams
from src.utils.logging import logger


def replay_subject(service: str, handler: str) -> str:
    """The subject on which a handler gets its messages back."""
    return f"replay.{service}.{handler}"


def sent_after(delay: float, target: str) -> dict[str, str]:
    """The headers that have the server keep a message for `delay` seconds, and then send it to a subject."""
    # https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-51.md
    at = (datetime.now(UTC) + timedelta(seconds=delay)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"Nats-Schedule": f"@at {at}", "Nats-Schedule-Target": target}


class Replays:
    """Sends messages back after a long delay, and removes from the stream `DLQ` what came back and was settled.

    A message that waits for its retry on the server holds a place among `max_ack_pending`; a scheduled one does not.
    """

    def __init__(self, nats: NatsClient, service: str, streams: Streams, large_payloads: LargePayloads) -> None:
        self._nats = nats
        self._service = service
        self._streams = streams
        self._large_payloads = large_payloads
        self.consumed: set[str] = set()  # handlers that get what is published on their replay subject

    async def schedule(self, message: Message, delay: float) -> bool:
        """Has the server send the message back after `delay` seconds; its original can be settled then.

        Returns:
            Whether it does. Servers before 2.12 cannot, a stream with limits might drop it, a message that is too
            large cannot travel, and without a consumer nobody would get it.
        """
        if message.handler not in self.consumed or not self._streams.can_schedule(delay):
            return False
        target = replay_subject(self._service, message.handler)
        headers = travelling(message, self._service) | {
            "Nats-Msg-Id": f"retry.{self._service}.{message.identity}.{message.attempt}",
            **sent_after(delay, target),
        }
        data = b"" if message.origin and OBJECT in message.headers else message.data
        if size_of(data, headers) > self._nats.client.max_payload:
            return False
        subject = f"{target}.at.{message.identity.replace('.', '_')}"
        try:
            await self._nats.publish(subject, data, headers)
        except nats.errors.Error as error:
            logger.warning("retry not scheduled: the server holds it", error=named(error))
            return False
        return True

    async def remove(self, message: Message, *, with_payload: bool) -> None:
        """Removes a message that came back and was settled; where that fails it stays there, and does no harm.

        Args:
            message: what came back.
            with_payload: whether a payload that is kept apart goes as well; a new dead letter may still need it.
        """
        _, sequence = message.stored_as
        request = orjson.dumps({"seq": sequence, "no_erase": True})
        try:
            if with_payload and (name := message.headers.get(OBJECT)):
                await self._large_payloads.delete(name)
            await self._nats.client.publish(f"$JS.API.STREAM.MSG.DELETE.{dead_letters.STREAM}", request)
        except nats.errors.Error as error:
            logger.debug("replay not removed", error=named(error))
