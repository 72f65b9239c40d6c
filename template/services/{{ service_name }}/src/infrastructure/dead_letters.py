"""Messages that will not be tried again, kept with why in the stream `DLQ`.

A dead letter is the original payload and headers plus `Dlq-...` headers, on `dlq.<service>.<handler>`.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum

from nats.js.errors import NoStreamResponseError

from src.infrastructure.handling.large_payloads import LargePayloads
from src.infrastructure.handling.origin import OBJECT, one_line, travelling
from src.infrastructure.handling.publication import size_of
from src.infrastructure.message import Message
from src.infrastructure.nats_client import NatsClient

STREAM = "DLQ"
SUBJECTS = ["dlq.>", "replay.>"]  # replay.<service>.<handler> is where a letter is sent back to its handler

ERROR_LENGTH = 1_000  # characters kept of the error's text
HEADERS_LENGTH = 65_000  # bytes of headers; the server takes 64 KiB
STACK_LENGTH = 4_000  # characters kept of its stack; the end, which says where


class Reason(StrEnum):
    """Why a message was given up."""

    REJECTED = "rejected"  # the handler said so
    INVALID = "invalid"  # its payload is not what the handler takes
    EXHAUSTED = "exhausted"  # every attempt failed
    CRASHED = "crashed"  # the worker did not survive any of its attempts


class DeadLetters:
    """Publishes the dead letters of one service.

    Args:
        nats: the connection.
        service: the service's name.
        large_payloads: keeps what does not fit into a letter.
        provision: makes sure that the stream exists; called when it turns out not to.
    """

    def __init__(
        self,
        nats: NatsClient,
        service: str,
        large_payloads: LargePayloads,
        provision: Callable[[], Awaitable[None]],
    ) -> None:
        self._nats = nats
        self._service = service
        self._large_payloads = large_payloads
        self._provision = provision

    async def publish(self, message: Message, reason: Reason, error: BaseException | None) -> None:
        """Keeps a message as a dead letter; returns when the stream has confirmed it.

        The `Nats-Msg-Id` is the same for every try, so that the stream keeps one letter when a confirmation is lost.

        Raises:
            nats.errors.Error: the stream did not confirm.
        """
        subject = f"dlq.{self._service}.{message.handler}"
        data, headers = await self._fitting(message, self._headers(message, reason, error))
        try:
            await self._nats.publish(subject, data, headers)
        except NoStreamResponseError:
            await self._provision()
            await self._nats.publish(subject, data, headers)

    async def _fitting(self, message: Message, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
        """Payload and headers as one message can hold them: without what explains at length, or the payload apart."""
        limit = self._nats.client.max_payload
        for spare in ("Dlq-Stack", "Dlq-Error", None):
            if size_of(message.data, headers) <= limit and size_of(b"", headers) <= HEADERS_LENGTH:
                return message.data, headers
            if spare is not None:
                headers.pop(spare, None)
        name = message.headers.get(OBJECT) or f"{self._service}.{message.identity}"
        await self._large_payloads.put(name, message.data)
        return b"", headers | {OBJECT: name}

    def _headers(self, message: Message, reason: Reason, error: BaseException | None) -> dict[str, str]:
        headers = travelling(message, self._service) | {
            "Nats-Msg-Id": f"dlq.{self._service}.{message.identity}",
            "Dlq-Reason": reason.value,
            "Dlq-Failed-At": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        if message.data:
            headers.pop(OBJECT, None)  # the payload was fetched, and may fit now
        if error is not None:
            stack = "".join(traceback.format_exception(error))[-STACK_LENGTH:]
            headers |= {
                "Dlq-Error-Type": type(error).__name__,
                "Dlq-Error": one_line(str(error)[:ERROR_LENGTH]),
                "Dlq-Stack": one_line(stack),
            }
        return headers
